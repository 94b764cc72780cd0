//! The system's errors, with what was tried before them and the errno as their source.

use std::error::Error;
use std::{fmt, io};

/// The system's `cause`, with what was tried before it.
pub(super) fn failed(what: impl fmt::Display, cause: io::Error) -> io::Error {
    failed_as(cause.kind(), what, cause)
}

/// The same, of another kind than the cause has.
pub(super) fn failed_as(kind: io::ErrorKind, what: impl fmt::Display, cause: io::Error) -> io::Error {
    io::Error::new(kind, Failure { what: what.to_string(), cause })
}

#[derive(Debug)]
struct Failure {
    what: String,
    cause: io::Error,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.cause)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}
