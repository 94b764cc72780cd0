//! The chime where there is no eventfd: a pipe(2), non-blocking and close-on-exec at both ends.
//!
//! A strike cannot find the pipe full: the bell's flag lets one strike through at a time.
//! Made in two steps, since not every system has pipe2(2); a program that starts others from a second
//! thread in between passes the two ends on, which costs the other program two descriptors.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{FdFlags, fcntl_setfd, ioctl_fionbio, read, write};

use crate::error::failed;

/// Something that can be struck, and is readable until it is silenced.
pub(crate) struct Chime {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Chime {
    pub(crate) fn new() -> io::Result<Self> {
        let made = rustix::pipe::pipe().and_then(|(reader, writer)| {
            for end in [&reader, &writer] {
                fcntl_setfd(end, FdFlags::CLOEXEC)?;
                ioctl_fionbio(end, true)?;
            }
            Ok(Self { reader, writer })
        });
        made.map_err(|errno| failed("cannot make the selector's bell: pipe", errno))
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    pub(crate) fn strike(&self) {
        let _ = write(&self.writer, &[1]);
    }

    pub(crate) fn silence(&self) {
        let mut bytes = [0; 16];
        while read(&self.reader, &mut bytes).is_ok_and(|n| n == bytes.len()) {}
    }
}
