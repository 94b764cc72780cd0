//! stdin: what is to be sent.
//!
//! It may be shared with others, who may take from it what was there a moment ago. So the loop only hears that there is
//! something, and the read itself, which might wait after all, is done on a helper thread. No more is read than there is
//! room for on its way to the peer: the rest stays there for who comes after us, such as a loop of the shell's.

use std::io::{self, IsTerminal};
use std::mem;

use rustix::fs::{FileType, fstat};
use rustix::io::Errno;

use super::operation::{Watched, on_helper};

/// Where the bytes come from.
pub(super) struct Input {
    kind: Kind,
    /// Not watched, if it is always ready: a file.
    watched: Option<Watched>,
    buffer: Vec<u8>,
}

/// What stdin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Terminal,
    /// Whose end is known to come.
    File,
    /// A pipe, a socket, a device.
    Stream,
}

impl Input {
    pub(super) fn open() -> io::Result<Self> {
        let stdin = io::stdin();
        let kind = match FileType::from_raw_mode(fstat(&stdin)?.st_mode) {
            FileType::RegularFile | FileType::Directory | FileType::BlockDevice => Kind::File,
            _ if stdin.is_terminal() => Kind::Terminal,
            _ => Kind::Stream,
        };
        let watched = if kind == Kind::File { None } else { Some(Watched::new(stdin)?) };
        Ok(Self { kind, watched, buffer: Vec::new() })
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// What comes next; nothing is the end.
    pub(super) async fn read(&mut self) -> io::Result<&[u8]> {
        loop {
            if let Some(watched) = &self.watched {
                watched.readable().await?;
            }
            let mut buffer = mem::take(&mut self.buffer);
            let (read, buffer) = on_helper(move || {
                buffer.resize(MOST, 0);
                let read = rustix::io::read(io::stdin(), &mut buffer[..]);
                (read, buffer)
            })
            .await?;
            self.buffer = buffer;
            match read {
                Ok(count) => return Ok(&self.buffer[..count]),
                // Others may have made it non-blocking, or have been faster than we.
                Err(Errno::AGAIN | Errno::INTR) => {}
                // A terminal that is not ours any more.
                Err(Errno::IO) if self.kind == Kind::Terminal => return Ok(&[]),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// How much is read at once, bytes.
const MOST: usize = 128 << 10;
