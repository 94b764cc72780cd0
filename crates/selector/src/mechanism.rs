//! The kernel mechanisms, as values chosen at run time.
//!
//! Which of them a system has is written in one place, the system's file in `system/`. The order in
//! [`Mechanism::ALL`] is the order of preference, the same as that of Python's `DefaultSelector`.

use std::str::FromStr;
use std::{fmt, io};

use crate::backend::Backend;
use crate::error::refused;
use crate::system;

/// A kernel's way of telling which descriptors may be tried.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mechanism {
    /// epoll(7): Linux. Cost grows with what is ready; has edges.
    Epoll,
    /// kqueue(2): the BSDs, macOS. Cost grows with what is ready; has edges; no
    /// [`PRIORITY`](crate::Interest::PRIORITY).
    Kqueue,
    /// /dev/poll, poll(7d): Solaris. Never available: no maintained crate binds it.
    DevPoll,
    /// poll(2): every Unix. Cost grows with what is watched.
    Poll,
    /// select(2): nearly every Unix. Cost grows with what is watched, descriptors below 1024 only,
    /// no hints.
    Select,
}

impl Mechanism {
    /// All of them, the best first.
    pub const ALL: [Self; 5] = [Self::Kqueue, Self::Epoll, Self::DevPoll, Self::Poll, Self::Select];

    /// Those this system has, the best first. Tries each, which costs a few system calls.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|mechanism| mechanism.is_available())
    }

    /// Whether this system has it. Tried, not guessed: it may be refused at run time (seccomp(2)).
    pub fn is_available(self) -> bool {
        self.open().is_ok()
    }

    /// The lower-case name: `epoll`, `kqueue`, `devpoll`, `poll`, `select`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Epoll => "epoll",
            Self::Kqueue => "kqueue",
            Self::DevPoll => "devpoll",
            Self::Poll => "poll",
            Self::Select => "select",
        }
    }

    /// The first descriptor number it cannot watch, if there is one (`FD_SETSIZE` for select(2)).
    pub const fn limit(self) -> Option<i32> {
        match self {
            Self::Select => Some(1024),
            _ => None,
        }
    }

    pub(crate) fn open(self) -> io::Result<Box<dyn Backend>> {
        system::open(self)
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Mechanism {
    type Err = io::Error;

    /// From the lower-case name. An unknown one is `InvalidInput`, with the names there are.
    fn from_str(name: &str) -> io::Result<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name).ok_or_else(|| {
            let text =
                format_args!("unknown mechanism {name:?}: one of kqueue, epoll, devpoll, poll, select");
            refused(io::ErrorKind::InvalidInput, text)
        })
    }
}
