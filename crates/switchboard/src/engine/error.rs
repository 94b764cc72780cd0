//! The errors that are ours, and what an error of the system says about what happened.

use std::io;

use rustix::io::Errno;

pub(super) fn would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// Whether a signal came in between, and nothing was done.
pub(super) fn interrupted(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Interrupted
}

/// The error of a name that is used after its socket was closed.
pub(super) fn stale() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "no such socket: it was closed or released")
}

pub(super) fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

pub(super) fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the socket was closed while this waited on it")
}

pub(super) fn released() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the socket was released while this waited on it")
}

pub(super) fn cut_off() -> io::Error {
    let message = "an earlier send failed half-way, and nothing can follow what was sent of it";
    io::Error::new(io::ErrorKind::BrokenPipe, message)
}

/// An error that says the same.
pub(super) fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Whether something has run out that may come back, as descriptors do: nothing was taken, and it may be tried again later.
#[must_use]
pub fn is_exhaustion(error: &io::Error) -> bool {
    is_one_of(error, &[Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM])
}

/// Whether accepting failed for what befell one connection before it was accepted (accept(2), "error handling"): the next may
/// be fine.
#[must_use]
pub fn is_transient(error: &io::Error) -> bool {
    is_one_of(
        error,
        &[
            Errno::CONNABORTED,
            Errno::INTR,
            Errno::PROTO,
            Errno::NETDOWN,
            Errno::NETUNREACH,
            Errno::HOSTDOWN,
            Errno::HOSTUNREACH,
            Errno::NOPROTOOPT,
            Errno::OPNOTSUPP,
            Errno::PERM,
        ],
    )
}

fn is_one_of(error: &io::Error, errors: &[Errno]) -> bool {
    error.raw_os_error().is_some_and(|code| errors.iter().any(|errno| errno.raw_os_error() == code))
}
