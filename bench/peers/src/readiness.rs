//! One connection of the servers that are told readiness and do the rest themselves: those on mio and polling.
//!
//! Nothing more is received while something is left to be sent, so a peer that does not read holds no more than one buffer.

use std::io::{self, ErrorKind, Read, Write};

/// What is received and not yet sent back.
#[derive(Default)]
pub struct Echo {
    unsent: Vec<u8>,
}

/// What became of a connection after everything was done that could be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It waits until there is something to receive, with all sent.
    Receives,
    /// It waits until something can be sent.
    Sends,
    /// The peer has ended, and has everything back.
    Ended,
}

impl Echo {
    /// Sends and receives until one of them would block, or until a read comes back short if that is `drained`.
    pub fn go_on(
        &mut self,
        mut stream: impl Read + Write,
        buffer: &mut [u8],
        drained: bool,
    ) -> io::Result<Fate> {
        loop {
            if !self.unsent.is_empty() {
                let sent = write_all(&mut stream, &self.unsent)?;
                self.unsent.drain(..sent);
                if !self.unsent.is_empty() {
                    return Ok(Fate::Sends);
                }
            }
            let received = match stream.read(buffer) {
                Ok(0) => return Ok(Fate::Ended),
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Fate::Receives),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let sent = write_all(&mut stream, &buffer[..received])?;
            self.unsent.extend_from_slice(&buffer[sent..received]);
            if self.unsent.is_empty() && received < buffer.len() && drained {
                return Ok(Fate::Receives);
            }
        }
    }
}

/// How much could be written before it would have blocked.
fn write_all(stream: &mut impl Write, data: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < data.len() {
        match stream.write(&data[written..]) {
            Ok(more) => written += more,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}
