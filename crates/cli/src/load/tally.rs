//! What a load came to: how often, how long, what went wrong, and how far the one who measured can be believed.

use std::time::Duration;

use super::failure::Failures;
use super::times::Times;

/// What a load came to. Those of several threads, or machines, add up.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Tally {
    /// What was measured, of the wall's time: from the end of the warm-up to the end of the load.
    pub(crate) window: Duration,
    /// Answers that came within the window.
    pub(crate) answered: u64,
    /// Bytes of messages and answers within the window.
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// Connections that came about, at any time.
    pub(crate) connections: u64,
    /// Connections that the peer ended, with nothing left to be answered, at any time.
    pub(crate) ended: u64,
    /// Of exchanges, and of attempts to connect.
    pub(crate) failures: Failures,
    /// What the system said of the first of them that it had something to say of.
    pub(crate) first_error: Option<String>,
    /// Exchanges that were due, by the schedule, and had not begun when the load ended: nobody was free for them. They
    /// are in `exchange`, with the time they waited.
    pub(crate) unsent: u64,
    pub(crate) connect: Times,
    /// From the moment a message was to be sent to the first byte of the answer.
    pub(crate) first_byte: Times,
    /// From the moment a message was to be sent to the last byte of the answer. Exchanges that timed out are
    /// here, too, with the time after which they were given up.
    pub(crate) exchange: Times,
    /// The same from the moment the message was really sent: what a loop that waits for the server believes.
    pub(crate) uncorrected: Times,
    pub(crate) doubt: Doubt,
}

/// How far the one who measured can be believed.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Doubt {
    /// How late messages were sent that were due, with somebody free to send them: the generator's own fault.
    pub(crate) slip: Times,
    /// How long a pass of the generator's loop took, in which nobody looked at what came: how much too long a time may be.
    pub(crate) lag: Times,
    /// Of each thread, where the system tells.
    pub(crate) threads: Vec<Share>,
}

/// What a thread had of its processor, within the window.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Share {
    /// Of the window, in which it ran. Above 1 never by more than the clocks differ.
    pub(crate) ran: f64,
    /// Of the window, in which it could have run, and others did.
    pub(crate) waited: f64,
}

impl Tally {
    /// Adds what another one came to at the same time.
    pub(crate) fn add(&mut self, other: &Self) {
        self.window = self.window.max(other.window);
        self.answered += other.answered;
        self.sent += other.sent;
        self.received += other.received;
        self.connections += other.connections;
        self.ended += other.ended;
        self.failures += other.failures;
        self.first_error = self.first_error.take().or_else(|| other.first_error.clone());
        self.unsent += other.unsent;
        self.connect += &other.connect;
        self.first_byte += &other.first_byte;
        self.exchange += &other.exchange;
        self.uncorrected += &other.uncorrected;
        self.doubt.slip += &other.doubt.slip;
        self.doubt.lag += &other.doubt.lag;
        self.doubt.threads.extend_from_slice(&other.doubt.threads);
    }

    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        let seconds = self.window.as_secs_f64();
        if seconds > 0.0 { self.answered as f64 / seconds } else { 0.0 }
    }
}

/// What a second came to, while it goes on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interval {
    /// Which it is, from 1: the first ends a second after the threads have begun, to connect that is.
    pub(crate) number: u64,
    /// How long it was: the last is shorter.
    pub(crate) length: Duration,
    pub(crate) phase: Phase,
    /// That are open at its end.
    pub(crate) open: u64,
    pub(crate) answered: u64,
    pub(crate) failures: Failures,
    /// As in [`Tally::exchange`], also in the warm-up.
    pub(crate) exchange: Times,
}

/// How far a load is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Phase {
    /// The connections are made.
    #[default]
    Connecting,
    /// Nothing is counted yet.
    WarmUp,
    /// All is counted.
    Measuring,
    /// Nothing more is sent; the last answers are waited for.
    Ending,
}

impl Interval {
    /// Adds what another thread came to in the same second.
    pub(crate) fn add(&mut self, other: &Self) {
        self.number = self.number.max(other.number);
        self.length = self.length.max(other.length);
        self.phase = self.phase.max(other.phase);
        self.open += other.open;
        self.answered += other.answered;
        self.failures += other.failures;
        self.exchange += &other.exchange;
    }
}
