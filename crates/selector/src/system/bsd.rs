//! What the BSDs and Apple's systems have: kqueue, poll, select, and a pipe for the bell.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::event::PollFlags;

use crate::backend::Backend;
use crate::error::refused;
use crate::mechanism::Mechanism;
use crate::{kqueue, missing, poll, select};

#[path = "pipe.rs"]
mod chime;
pub(crate) use chime::Chime;

/// The flag by which poll(2) tells that the peer will send no more: there is none.
pub(crate) const READ_HANG_UP: PollFlags = PollFlags::empty();

/// Opens a mechanism.
pub(crate) fn open(mechanism: Mechanism) -> io::Result<Box<dyn Backend>> {
    match mechanism {
        Mechanism::Kqueue => kqueue::open(),
        Mechanism::Poll => poll::open(),
        Mechanism::Select => select::open(),
        Mechanism::Epoll | Mechanism::DevPoll => missing::open(mechanism),
    }
}

/// Each of these systems asks in a way of its own; none is supported yet.
pub(crate) fn unsent(_: BorrowedFd<'_>) -> io::Result<usize> {
    Err(refused(io::ErrorKind::Unsupported, "this system is not asked for unsent bytes by switchboard"))
}
