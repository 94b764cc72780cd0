//! What can go wrong with an exchange, by class.

use std::fmt;
use std::io;
use std::ops::{AddAssign, Index};

use switchboard::engine::is_exhaustion;

/// A class of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nobody listens.
    Refused,
    /// The peer broke the connection off.
    Reset,
    /// Nothing came, or not all, within the time there was.
    Timeout,
    /// Something else came than was to come.
    Mismatch,
    /// The peer ended before all had come.
    Short,
    /// This machine has no descriptors, ports or memory left.
    Exhausted,
    /// Anything else the system had to say.
    Other,
}

impl Failure {
    pub(crate) const ALL: [Self; 7] = [
        Self::Refused,
        Self::Reset,
        Self::Timeout,
        Self::Mismatch,
        Self::Short,
        Self::Exhausted,
        Self::Other,
    ];

    /// In one word, as in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Mismatch => "mismatch",
            Self::Short => "short",
            Self::Exhausted => "exhausted",
            Self::Other => "other",
        }
    }

    /// The class of what the system said.
    pub(super) fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Self::Refused,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Self::Reset,
            io::ErrorKind::TimedOut => Self::Timeout,
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse => Self::Exhausted,
            _ if is_exhaustion(error) => Self::Exhausted,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How many there were of each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Failures([u64; Failure::ALL.len()]);

impl Failures {
    pub(super) fn count(&mut self, failure: Failure, times: u64) {
        self.0[failure as usize] += times;
    }

    /// Of all classes.
    pub(crate) fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The classes that there were any of.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Failure, u64)> {
        Failure::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }
}

impl Index<Failure> for Failures {
    type Output = u64;

    fn index(&self, failure: Failure) -> &u64 {
        &self.0[failure as usize]
    }
}

impl AddAssign for Failures {
    fn add_assign(&mut self, other: Self) {
        for (mine, others) in self.0.iter_mut().zip(other.0) {
            *mine += others;
        }
    }
}
