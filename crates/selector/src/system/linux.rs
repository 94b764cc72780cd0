//! What Linux (and Android) has: epoll, poll, select, eventfd, POLLRDHUP, SIOCOUTQ.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::event::PollFlags;
use rustix::ioctl::{Getter, ioctl};

use crate::backend::Backend;
use crate::mechanism::Mechanism;
use crate::{epoll, missing, poll, select};

#[path = "eventfd.rs"]
mod chime;
pub(crate) use chime::Chime;

/// The flag by which poll(2) tells that the peer will send no more.
pub(crate) const READ_HANG_UP: PollFlags = PollFlags::RDHUP;

/// Opens a mechanism.
pub(crate) fn open(mechanism: Mechanism) -> io::Result<Box<dyn Backend>> {
    match mechanism {
        Mechanism::Epoll => epoll::open(),
        Mechanism::Poll => poll::open(),
        Mechanism::Select => select::open(),
        Mechanism::Kqueue | Mechanism::DevPoll => missing::open(mechanism),
    }
}

/// SIOCOUTQ of tcp(7), unix(7), udp(7); TIOCOUTQ of ioctl_tty(2): the same number.
pub(crate) fn unsent(fd: BorrowedFd<'_>) -> io::Result<usize> {
    // SAFETY: the request is valid for any descriptor, and the kernel answers with an int.
    let question = unsafe { Getter::<{ libc::TIOCOUTQ as rustix::ioctl::Opcode }, libc::c_int>::new() };
    // SAFETY: as above; the descriptor is borrowed for the call.
    let bytes = unsafe { ioctl(fd, question) }?;
    Ok(usize::try_from(bytes).unwrap_or(0))
}
