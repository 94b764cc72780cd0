//! stdout: what was received.
//!
//! Writing to it may wait for its reader for as long as that likes, so it is done on a helper thread, and the loop goes
//! on. Meanwhile the queue fills, and then nothing more is received.

use std::future::pending;
use std::io;

use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use switchboard_selector::{Interest, ready};

use super::operation::{Watched, on_helper};
use super::queue::Queue;
use super::traffic::Traffic;
use crate::stop::{First, first};

/// Prints what is given to a queue, until its end. [`io::ErrorKind::BrokenPipe`] as soon as nobody reads it any more.
pub(super) async fn print(queue: &Queue, traffic: &Traffic) -> io::Result<()> {
    let printing = async {
        let mut spare = Vec::new();
        while let Some(bytes) = queue.take(spare).await {
            spare = on_helper(move || write_all(&bytes).map(|()| bytes)).await??;
            traffic.note_alive();
        }
        Ok(())
    };
    match first(printing, reader_gone()).await {
        First::One(printed) => printed,
        First::Other(()) => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

/// Waits until the reader of a pipe has gone, whether or not there is something to write: whoever waits for us, such as
/// the shell, need not wait for the peer to say something.
async fn reader_gone() {
    let stdout = io::stdout();
    let is_pipe = fstat(&stdout).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo);
    // The end that is written to is never readable, but for the error that tells of this (poll(2), POLLERR).
    if is_pipe
        && let Ok(watched) = Watched::new(stdout)
        && watched.readable().await.is_ok()
    {
        return;
    }
    pending::<()>().await;
}

fn write_all(mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(io::stdout(), bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            // Others may have made it non-blocking.
            Err(Errno::AGAIN) => drop(ready(io::stdout(), Interest::WRITE, None)?),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
