//! What illumos and Solaris have here: poll, and a pipe for the bell. (select(2) cannot be had
//! through rustix there.)

use std::io;
use std::os::fd::BorrowedFd;

use rustix::event::PollFlags;

use crate::backend::Backend;
use crate::error::refused;
use crate::mechanism::Mechanism;
use crate::{missing, poll};

#[path = "pipe.rs"]
mod chime;
pub(crate) use chime::Chime;

/// The flag by which poll(2) tells that the peer will send no more: not relied on here.
pub(crate) const READ_HANG_UP: PollFlags = PollFlags::empty();

/// Opens a mechanism.
pub(crate) fn open(mechanism: Mechanism) -> io::Result<Box<dyn Backend>> {
    match mechanism {
        Mechanism::Poll => poll::open(),
        Mechanism::Kqueue | Mechanism::Epoll | Mechanism::DevPoll | Mechanism::Select => {
            missing::open(mechanism)
        }
    }
}

/// No portable question exists.
pub(crate) fn unsent(_: BorrowedFd<'_>) -> io::Result<usize> {
    Err(refused(io::ErrorKind::Unsupported, "this system is not asked for unsent bytes by switchboard"))
}
