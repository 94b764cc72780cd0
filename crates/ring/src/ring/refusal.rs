//! Why the kernel would not, as far as one can tell: errors with the likely reason and what to do.

use std::io;

use super::failure::{failed, failed_as};
use crate::error::refused;

/// An error of setting up or entering a ring, told with its likely reason. What is missing here has the
/// kind `Unsupported`, what is forbidden `PermissionDenied`.
#[cold]
pub(super) fn explain(what: &str, error: io::Error) -> io::Error {
    let (kind, reason) = match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => (io::ErrorKind::PermissionDenied, forbidden()),
        Some(libc::ENOSYS) => (io::ErrorKind::Unsupported, HIDDEN),
        Some(libc::EINVAL) => (io::ErrorKind::Unsupported, OLD),
        Some(libc::ENOMEM) => (io::ErrorKind::OutOfMemory, "raise the limit of locked memory: ulimit -l"),
        Some(libc::EAGAIN | libc::EBUSY) => (error.kind(), "the kernel has no memory for more requests now"),
        Some(libc::EBADR) => (error.kind(), "the kernel had no memory to keep completions: some are lost"),
        _ => return failed(what, error),
    };
    failed_as(kind, format_args!("{what} ({reason})"), error)
}

/// The kernel has io_uring, but not what is needed of it.
#[cold]
pub(super) fn old(what: &str) -> io::Error {
    refused(io::ErrorKind::Unsupported, format_args!("{what}: {OLD}"))
}

fn forbidden() -> &'static str {
    match std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").as_deref().map(str::trim) {
        Ok("1") => "the setting kernel.io_uring_disabled allows it to some only",
        Ok("2") => "the setting kernel.io_uring_disabled forbids it",
        _ => "likely a seccomp filter, as containers have, forbids it",
    }
}

const OLD: &str = "this kernel is too old for it: Linux 5.19 or newer is needed";
const HIDDEN: &str = "a seccomp filter, as containers have, hides io_uring, or this kernel is without it";
