//! What load to put on whom: the arguments of `switchboard load`, understood.

use std::fmt;
use std::time::Duration;

use switchboard::engine::Address;

use super::message::Message;
use crate::choice::Choice;

/// What load to put on whom.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// As it was typed.
    pub(crate) target: String,
    /// What that is: all of a host's addresses would be a load on several servers, so it is the first that answers.
    pub(crate) address: Address,
    pub(crate) transport: Transport,
    pub(crate) connections: usize,
    pub(crate) message: Message,
    /// Of each connection.
    pub(crate) in_flight: usize,
    pub(crate) pace: Pace,
    /// A connection for each exchange.
    pub(crate) churn: bool,
    /// New connections a second, at most; otherwise as fast as they come about.
    pub(crate) connect_rate: Option<f64>,
    pub(crate) until: Until,
    /// What is exchanged so soon is not counted.
    pub(crate) warm_up: Duration,
    /// For connecting, and for each exchange.
    pub(crate) timeout: Duration,
    pub(crate) threads: usize,
    /// The processors that the threads are kept on, one each in turn; anywhere if there are none.
    pub(crate) cores: Vec<usize>,
    pub(crate) engine: Choice,
}

/// What carries the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// TCP, or a Unix socket.
    Stream,
    /// UDP.
    Datagrams,
}

/// When the next message is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// When the answer before it has come, and so long after it (a closed loop).
    Answered {
        /// How long.
        think: Duration,
    },
    /// On a schedule, whatever the server does (an open loop): messages a second, at the beginning and at the end.
    Scheduled {
        /// At the beginning.
        from: f64,
        /// At the end: the same, or a ramp leads there.
        to: f64,
    },
}

/// When it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// After so long, the warm-up not counted.
    Time(Duration),
    /// After so many messages, the warm-up's not counted.
    Messages(u64),
}

impl Pace {
    /// Whether latency counts from a schedule.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Scheduled { .. })
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Answered { think: Duration::ZERO } => f.write_str("closed loop"),
            Self::Answered { think } => write!(f, "closed loop, {think:?} between an answer and the next"),
            Self::Scheduled { from, to } if from == to => write!(f, "open loop, {from} a second"),
            Self::Scheduled { from, to } => write!(f, "open loop, {from} to {to} a second"),
        }
    }
}
