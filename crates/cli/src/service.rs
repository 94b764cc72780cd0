//! What is said to a client: one of these, chosen by name.
//!
//! A service knows nothing of sockets. It is asked what to say to what was heard, and whether to go on: so each is
//! written once, and is the same on every model. Who carries the bytes, and when, is a [`Session`](crate::session::Session).

mod boom;
mod chargen;
mod daytime;
mod discard;
mod echo;
mod hello;
mod line;
mod time;
mod upper;

use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::choice::shown;
use crate::error::Error;

/// Which service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Echo,
    Upper,
    Line,
    Hello,
    Discard,
    Chargen,
    Daytime,
    Time,
    Boom,
}

/// What the services say that are asked for the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum TimeOfDay {
    /// What the system has.
    #[default]
    Now,
    /// Always this, in seconds since 1970: where a run is to be the same each time.
    Fixed(u64),
}

/// One client's conversation with a service. What is to be said is appended to `say`.
pub(crate) trait Conversation {
    /// It begins.
    fn open(&mut self, say: &mut Vec<u8>) -> Then {
        let _ = say;
        Then::GoOn
    }

    /// Bytes were heard, cut anywhere.
    fn hear(&mut self, bytes: &[u8], say: &mut Vec<u8>) -> Then;

    /// The client has ended its side.
    fn hear_end(&mut self, say: &mut Vec<u8>) -> Then {
        let _ = say;
        Then::HangUp
    }

    /// All has been said: what an endless one says next.
    fn go_on(&mut self, say: &mut Vec<u8>) {
        let _ = say;
    }
}

/// What comes after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    GoOn,
    /// Once all is said, in good order.
    HangUp,
    /// Once all is said, as a failure with this reason.
    Fail(&'static str),
}

impl Service {
    pub(crate) const ALL: [Self; 9] = [
        Self::Echo,
        Self::Upper,
        Self::Line,
        Self::Hello,
        Self::Discard,
        Self::Chargen,
        Self::Daytime,
        Self::Time,
        Self::Boom,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Upper => "upper",
            Self::Line => "line",
            Self::Hello => "hello",
            Self::Discard => "discard",
            Self::Chargen => "chargen",
            Self::Daytime => "daytime",
            Self::Time => "time",
            Self::Boom => "boom",
        }
    }

    /// Begins a conversation, at this time of day.
    pub(crate) fn converse(self, time: TimeOfDay) -> Box<dyn Conversation> {
        match self {
            Self::Echo => Box::new(echo::Echo),
            Self::Upper => Box::<upper::Upper>::default(),
            Self::Line => Box::<line::Line>::default(),
            Self::Hello => Box::new(hello::Hello),
            Self::Discard => Box::new(discard::Discard),
            Self::Chargen => Box::<chargen::Chargen>::default(),
            Self::Daytime => Box::new(daytime::Daytime(time)),
            Self::Time => Box::new(time::Time(time)),
            Self::Boom => Box::<boom::Boom>::default(),
        }
    }

    /// Whether it ever says something.
    pub(crate) fn answers(self) -> bool {
        self != Self::Discard
    }

    /// Whether it can be had datagram by datagram.
    pub(crate) fn fits_datagrams(self) -> bool {
        !matches!(self, Self::Line | Self::Boom)
    }

    /// The answer to a datagram, which is a conversation of its own; to an empty one, too.
    pub(crate) fn answer(self, datagram: &[u8]) -> Option<Vec<u8>> {
        let mut conversation = self.converse(TimeOfDay::Now);
        let mut say = Vec::new();
        if conversation.open(&mut say) == Then::GoOn && conversation.hear(datagram, &mut say) == Then::GoOn {
            conversation.hear_end(&mut say);
        }
        if self == Self::Chargen {
            chargen::fill_datagram(&mut say);
        }
        self.answers().then_some(say)
    }
}

impl TimeOfDay {
    #[expect(clippy::disallowed_methods, reason = "the time of day is what is asked for")]
    pub(crate) fn read(self) -> SystemTime {
        match self {
            Self::Now => SystemTime::now(),
            Self::Fixed(seconds) => UNIX_EPOCH + Duration::from_secs(seconds),
        }
    }
}

impl FromStr for Service {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|service| service.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::wrong_use(format_args!("--service {}: no such service; give one of {names}", shown(name)))
        })
    }
}
