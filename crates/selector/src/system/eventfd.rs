//! The chime of Linux: an eventfd(2), one descriptor and eight bytes.
//!
//! Non-blocking on both sides. A strike cannot fail: the counter is at 0 or 1, because the bell's flag
//! lets one strike through at a time.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};

use crate::error::failed;

/// Something that can be struck, and is readable until it is silenced.
pub(crate) struct Chime(OwnedFd);

impl Chime {
    pub(crate) fn new() -> io::Result<Self> {
        let made = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        made.map(Self).map_err(|errno| failed("cannot make the selector's bell: eventfd", errno))
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    pub(crate) fn strike(&self) {
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    pub(crate) fn silence(&self) {
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}
