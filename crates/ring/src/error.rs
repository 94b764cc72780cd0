//! Errors of our own: they say what, on what, and what to do.

use std::{fmt, io};

/// An error of this kind, with the whole text.
pub(crate) fn refused(kind: io::ErrorKind, text: impl fmt::Display) -> io::Error {
    io::Error::new(kind, text.to_string())
}
