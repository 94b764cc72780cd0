//! One descriptor, one question, one system call: no selector needed.
//!
//! poll(2) rather than select(2), as it takes every descriptor number.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::deadline::{Deadline, timespec};
use crate::error::{failed, refused};
use crate::interest::Interest;
use crate::poll::{flags, lamps};
use crate::system;

/// Which of `interest` is ready on `fd`, waiting for the first of them at most `timeout` (`None` is
/// for ever, zero does not wait). One poll(2), unless a signal interrupts it.
///
/// A hang-up and an error count as ready for whatever was asked, since trying will not block. When
/// the time is over, and when nothing was asked, the answer is [`Interest::NONE`].
///
/// # Errors
/// `InvalidInput` if `fd` is not open; out of kernel memory.
pub fn ready(fd: impl AsFd, interest: Interest, timeout: Option<Duration>) -> io::Result<Interest> {
    let fd = fd.as_fd();
    if interest.is_empty() {
        return Ok(Interest::NONE);
    }
    if fd.as_raw_fd() < 0 {
        return Err(not_open(fd.as_raw_fd())); // poll(2) would ignore it, and sleep
    }
    let mut asked = [PollFd::from_borrowed_fd(fd, flags(interest))];
    let deadline = Deadline::start(timeout);
    let mut left = timeout;
    loop {
        match poll(&mut asked, timespec(left.map(|left| left.min(Deadline::SLICE))).as_ref()) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return answer(fd.as_raw_fd(), asked[0].revents(), interest),
            Err(errno) => {
                return Err(failed(format_args!("cannot poll descriptor {}", fd.as_raw_fd()), errno));
            }
        }
        left = deadline.left();
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(Interest::NONE);
        }
    }
}

/// Whether a read (or an accept) on `fd` would not block now: there are bytes, a connection, the
/// end of the stream, or an error to fetch. One poll(2).
///
/// # Errors
/// As [`ready`].
pub fn has_data(fd: impl AsFd) -> io::Result<bool> {
    wait_for_data(fd, Duration::ZERO)
}

/// Waits at most `timeout` for [`has_data`], and says whether it is so. One poll(2).
///
/// # Errors
/// As [`ready`].
pub fn wait_for_data(fd: impl AsFd, timeout: Duration) -> io::Result<bool> {
    ready(fd, Interest::READ, Some(timeout)).map(|ready| !ready.is_empty())
}

/// How many bytes written to `fd` are still with this system's kernel: on TCP those the peer has
/// not acknowledged, on a Unix socket about what the peer has not read, on a terminal what is not
/// out yet (SIOCOUTQ of tcp(7), TIOCOUTQ of ioctl_tty(2)).
///
/// # Errors
/// `Unsupported` outside Linux; what the system says of a descriptor that has no such queue (a
/// pipe, a file).
pub fn unsent(fd: impl AsFd) -> io::Result<usize> {
    let fd = fd.as_fd();
    system::unsent(fd).map_err(|cause| {
        failed(format_args!("cannot ask descriptor {} for its unsent bytes", fd.as_raw_fd()), cause)
    })
}

fn answer(fd: i32, said: PollFlags, asked: Interest) -> io::Result<Interest> {
    if said.contains(PollFlags::NVAL) {
        return Err(not_open(fd));
    }
    if said.intersects(PollFlags::HUP | PollFlags::ERR) {
        return Ok(asked);
    }
    let lamps = lamps(said);
    let mut ready = Interest::NONE;
    for direction in [Interest::READ, Interest::WRITE, Interest::PRIORITY] {
        if asked.contains(direction) && lamps.shows(direction) {
            ready |= direction;
        }
    }
    Ok(ready)
}

#[cold]
fn not_open(fd: i32) -> io::Error {
    refused(io::ErrorKind::InvalidInput, format_args!("cannot poll descriptor {fd}: it is not open"))
}
