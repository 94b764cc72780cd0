//! The shape of `seccomp.rs` where there is no seccomp(2), or the crate does not know it.

use std::io;

pub(crate) fn refuse_uring(_errno: i32) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no seccomp filters"))
}
