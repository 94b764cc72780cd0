//! The engines there are, and what becomes of one that is not to be had here.

use std::env;

use switchboard::engine::{self, Engine, Mechanism};

/// An engine to test on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lot {
    Epoll,
    Poll,
    Select,
}

impl Lot {
    /// All of them, for tests that go through them one after another.
    pub(crate) const ALL: [Self; 3] = [Self::Epoll, Self::Poll, Self::Select];

    /// Opens it. `None`, said aloud, if this system lacks it and nobody requires it.
    pub(crate) fn open(self) -> Option<Box<dyn Engine>> {
        let (name, opened) = match self {
            Self::Epoll => ("epoll", engine::with(Mechanism::Epoll)),
            Self::Poll => ("poll", engine::with(Mechanism::Poll)),
            Self::Select => ("select", engine::with(Mechanism::Select)),
        };
        match opened {
            Ok(engine) => {
                assert_eq!(engine.name(), name);
                Some(engine)
            }
            Err(error) => {
                let required = env::var("SWITCHBOARD_REQUIRE").unwrap_or_default();
                let required = required.split(',').any(|other| other.trim() == name);
                assert!(!required, "{name} is required here, but cannot be opened: {error}");
                println!("skipped on {name}: {error}");
                None
            }
        }
    }

    /// Whether a real kernel is below it, with descriptors, other processes and the time of day.
    pub(crate) fn is_real(self) -> bool {
        matches!(self, Self::Epoll | Self::Poll | Self::Select)
    }
}
