//! What an engine may run on, as a value chosen at run time.

use std::str::FromStr;
use std::sync::OnceLock;
use std::{env, fmt, io};

use switchboard_selector as selector;

use super::Engine;
use super::uring::Uring;

/// A system's way of waiting for many sockets at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// io_uring(7): Linux 6.1 and later. The kernel does what it was asked to do, and tells when it is done.
    Uring,
    /// kqueue(2): the BSDs, macOS.
    Kqueue,
    /// epoll(7): Linux.
    Epoll,
    /// /dev/poll, poll(7d): Solaris. Never available: no maintained crate binds it.
    DevPoll,
    /// poll(2): every Unix.
    Poll,
    /// select(2): nearly every Unix; descriptors below 1024 only.
    Select,
}

impl Mechanism {
    /// All of them, the best first.
    pub const ALL: [Self; 6] =
        [Self::Uring, Self::Kqueue, Self::Epoll, Self::DevPoll, Self::Poll, Self::Select];

    /// Those this system has, the best first. Tries each.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|mechanism| mechanism.is_available())
    }

    /// Whether this system has it. Tried, not guessed: it may be refused at run time (seccomp(2)).
    #[must_use]
    pub fn is_available(self) -> bool {
        match self.selector() {
            Some(mechanism) => mechanism.is_available(),
            None => Uring::probe().is_ok(),
        }
    }

    /// The lower-case name: `uring`, `kqueue`, `epoll`, `devpoll`, `poll`, `select`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uring => "uring",
            Self::Kqueue => "kqueue",
            Self::Epoll => "epoll",
            Self::DevPoll => "devpoll",
            Self::Poll => "poll",
            Self::Select => "select",
        }
    }

    /// The first descriptor number it cannot watch, if there is one (`FD_SETSIZE` for select(2)).
    #[must_use]
    pub const fn limit(self) -> Option<i32> {
        match self.selector() {
            Some(mechanism) => mechanism.limit(),
            None => None,
        }
    }

    /// The selector's mechanism of that name; `None` for what is no selector.
    pub(super) const fn selector(self) -> Option<selector::Mechanism> {
        Some(match self {
            Self::Uring => return None,
            Self::Kqueue => selector::Mechanism::Kqueue,
            Self::Epoll => selector::Mechanism::Epoll,
            Self::DevPoll => selector::Mechanism::DevPoll,
            Self::Poll => selector::Mechanism::Poll,
            Self::Select => selector::Mechanism::Select,
        })
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Mechanism {
    type Err = io::Error;

    /// From the lower-case name. An unknown one is [`io::ErrorKind::InvalidInput`], with the names there are.
    fn from_str(name: &str) -> io::Result<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name).ok_or_else(|| {
            let text = format!("unknown mechanism {name:?}: one of {}", names());
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })
    }
}

/// Which mechanism is taken where none is named, and why.
///
/// `SWITCHBOARD_ENGINE` decides if it is set, and not `auto`. Otherwise it is the first of [`Mechanism::ALL`] that
/// works here: io_uring is refused to many programs, in containers most of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// This one.
    pub mechanism: Mechanism,
    /// In a few words, for people.
    pub why: String,
    named: bool,
}

impl Choice {
    /// Chooses.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] when the environment names an engine that there is not.
    pub fn from_environment() -> io::Result<Self> {
        let shown = env::var_os(VARIABLE).unwrap_or_default();
        match shown.to_str() {
            Some("" | "auto") => Ok(Self::best()),
            name => match name.and_then(|name| name.parse().ok()) {
                Some(mechanism) => Ok(Self { mechanism, why: format!("named by {VARIABLE}"), named: true }),
                None => {
                    let message =
                        format!("{VARIABLE}={}: no such engine; give auto, {}", shown.display(), names());
                    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
                }
            },
        }
    }

    /// The best one this system has, whatever the environment says. Tried once in a process.
    #[must_use]
    pub fn best() -> Self {
        static BEST: OnceLock<Choice> = OnceLock::new();
        BEST.get_or_init(|| match Uring::probe() {
            Ok(()) => {
                Self { mechanism: Mechanism::Uring, why: "io_uring works here".to_owned(), named: false }
            }
            Err(error) => Self::of_selectors(&error),
        })
        .clone()
    }

    /// Opens the engine. What was chosen because it worked once, and is refused now, is replaced by the next best.
    ///
    /// # Errors
    ///
    /// As [`with`](super::with).
    pub fn open(&self) -> io::Result<Box<dyn Engine>> {
        match super::with(self.mechanism) {
            Err(error) if !self.named && self.mechanism == Mechanism::Uring => {
                super::with(Self::of_selectors(&error).mechanism)
            }
            answer => answer,
        }
    }

    fn of_selectors(refused: &io::Error) -> Self {
        let mut others = Mechanism::available().filter(|&mechanism| mechanism != Mechanism::Uring);
        let mechanism = others.next().unwrap_or(Mechanism::Poll);
        Self { mechanism, why: refused.to_string(), named: false }
    }
}

fn names() -> String {
    Mechanism::ALL.map(Mechanism::name).join(", ")
}

/// The variable of the environment that names an engine.
const VARIABLE: &str = "SWITCHBOARD_ENGINE";
