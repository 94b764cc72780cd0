//! Where the command writes: stdout and stderr, which somebody may have left unread.
//!
//! A pipe that is full makes `write(2)` wait for its reader, and with it the loop and all who are served; the signals,
//! too, that would end it. So it is asked for room first, and written to in pieces that a pipe with room takes whole.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use switchboard_selector::{Interest, ready};

use crate::error::{Error, reason};

/// Writes a line if it can be done without waiting for a reader for longer than this.
pub(crate) fn write_line(to: &mut (impl Write + AsFd), line: &str, patience: Duration) -> io::Result<()> {
    let bytes = [line.as_bytes(), b"\n"].concat();
    for piece in bytes.chunks(PIECE) {
        if ready(to.as_fd(), Interest::WRITE, Some(patience))?.is_empty() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "nobody reads it"));
        }
        to.write_all(piece)?;
    }
    to.flush()
}

/// Writes an answer on stdout, whole. A reader that has had enough of it is no error.
pub(crate) fn print(what: &str, answer: &[u8]) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(answer).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::refused(format_args!("cannot write {what} on stdout: {}", reason(&error))))
        }
        _ => Ok(()),
    }
}

/// Whether a little can be written there without waiting for a reader.
pub(crate) fn has_room(to: &impl AsFd) -> bool {
    ready(to.as_fd(), Interest::WRITE, Some(Duration::ZERO)).is_ok_and(|ready| !ready.is_empty())
}

/// stderr for the log, which waits for nobody: a line that finds no room is left out, and counted.
#[derive(Debug, Default)]
pub(crate) struct Log;

/// How many lines were left out since one was written.
static LEFT_OUT: Mutex<u64> = Mutex::new(0);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // One at a time, so that the room that was found is still there.
        let mut left_out = LEFT_OUT.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(bytes);
        let line = text.trim_end_matches('\n');
        let missed = match *left_out {
            0 => String::new(),
            count => format!("({count} lines were left out here: nobody read them)\n"),
        };
        match write_line(&mut io::stderr(), &format!("{missed}{line}"), Duration::ZERO) {
            Ok(()) => *left_out = 0,
            Err(_) => *left_out += 1,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How much a pipe takes whole that has room at all (`PIPE_BUF`, pipe(7)).
const PIECE: usize = 4096;

/// How long a result waits for its reader.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);
