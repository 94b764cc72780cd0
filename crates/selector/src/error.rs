//! Errors that say what, on what, and what to do, and still hold the system's own error.
//!
//! `io::Error` keeps either an errno or a text. Ours keeps a text whose `source()` is the errno, with
//! the errno's kind, so that both a reader and a `match error.kind()` are served.

use std::error::Error;
use std::{fmt, io};

/// An error of our own: `kind`, and the whole text.
pub(crate) fn refused(kind: io::ErrorKind, text: impl fmt::Display) -> io::Error {
    io::Error::new(kind, text.to_string())
}

/// The system's `cause`, with `what` was tried before it.
pub(crate) fn failed(what: impl fmt::Display, cause: impl Into<io::Error>) -> io::Error {
    let cause = cause.into();
    io::Error::new(cause.kind(), Failure { what: what.to_string(), cause })
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
