//! The models by name, in the order of the ladder: what each is like, and so which options mean something to it.
//!
//! What they do is in [`model`](crate::model).

use std::str::FromStr;

use crate::choice::shown;
use crate::error::Error;

/// Which model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Model {
    Blocking,
    Threads,
    Processes,
    Polling,
    Buffered,
    Select,
    Poll,
    Epoll,
    Callbacks,
    Tasks,
}

impl Model {
    pub(crate) const ALL: [Self; 10] = [
        Self::Blocking,
        Self::Threads,
        Self::Processes,
        Self::Polling,
        Self::Buffered,
        Self::Select,
        Self::Poll,
        Self::Epoll,
        Self::Callbacks,
        Self::Tasks,
    ];

    /// The one of this name, or what is wrong with it.
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|model| model.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("no such model; give one of {names}")
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Blocking => "blocking",
            Self::Threads => "threads",
            Self::Processes => "processes",
            Self::Polling => "polling",
            Self::Buffered => "buffered",
            Self::Select => "select",
            Self::Poll => "poll",
            Self::Epoll => "epoll",
            Self::Callbacks => "callbacks",
            Self::Tasks => "tasks",
        }
    }

    /// Whether it runs on an event loop, whose engine can be chosen, and of which there may be several.
    pub(crate) fn has_event_loop(self) -> bool {
        matches!(self, Self::Callbacks | Self::Tasks)
    }

    /// Whether it asks its sockets over and over, perhaps with a pause.
    pub(crate) fn polls(self) -> bool {
        matches!(self, Self::Polling | Self::Buffered)
    }

    /// Whether its sockets block.
    pub(crate) fn blocks(self) -> bool {
        matches!(self, Self::Blocking | Self::Threads | Self::Processes)
    }

    /// Whether it serves datagrams, too.
    pub(crate) fn serves_datagrams(self) -> bool {
        self == Self::Tasks
    }
}

impl FromStr for Model {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::named(name).map_err(|wrong| Error::wrong_use(format_args!("--model {}: {wrong}", shown(name))))
    }
}
