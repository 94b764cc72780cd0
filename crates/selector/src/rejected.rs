//! A registration that failed, with the source that was to be registered.

use std::error::Error;
use std::{fmt, io};

/// What [`Selector::register`](crate::Selector::register) answers when it cannot: values come back
/// with failures.
pub struct Rejected<S> {
    /// Why.
    pub error: io::Error,
    /// What was to be registered, as it was.
    pub source: S,
}

impl<S> fmt::Debug for Rejected<S> {
    /// Without the source, which need not be `Debug`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<S> fmt::Display for Rejected<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<S> Error for Rejected<S> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl<S> From<Rejected<S>> for io::Error {
    /// Drops the source.
    fn from(rejected: Rejected<S>) -> Self {
        rejected.error
    }
}
