//! What one thread keeps count of: its [`Tally`], and the second that goes on.
//!
//! What is recorded began, or was to begin, between the end of the warm-up and the end of the load.

use std::io;
use std::time::{Duration, Instant};

use async_channel::Sender;

use super::connection::Exchange;
use super::failure::Failure;
use super::processor::Processor;
use super::tally::{Interval, Phase, Tally};
use super::times::Times;
use crate::error::reason;

/// What one thread keeps count of.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) phase: Phase,
    pub(super) measure_from: Instant,
    /// When nothing more is sent, where that is a matter of time.
    pub(super) end: Option<Instant>,
    is_open_loop: bool,
    tally: Tally,
    interval: Interval,
    /// The exchanges of this second that count: those whose answers came whole, so that the first byte came with the last, and the
    /// others. A message is recorded once; what it is to be added to is seen to once a second.
    whole: Times,
    in_parts: Times,
    /// When an exchange was due whose answer has begun in this moment, and that moment.
    first_byte: Option<(Instant, Instant)>,
    /// When the thread began, and its seconds with it.
    began: Instant,
    interval_began: Instant,
    tell: Sender<Interval>,
    /// How many connections have come about, or failed to.
    tried: usize,
    last_answer: Option<Instant>,
    processor: Option<Processor>,
}

impl Book {
    pub(super) fn new(now: Instant, is_open_loop: bool, tell: Sender<Interval>) -> Self {
        Self {
            phase: Phase::Connecting,
            measure_from: now,
            end: None,
            is_open_loop,
            tally: Tally::default(),
            whole: Times::default(),
            in_parts: Times::default(),
            first_byte: None,
            interval: Interval::default(),
            began: now,
            interval_began: now,
            tell,
            tried: 0,
            last_answer: None,
            processor: None,
        }
    }

    /// The load begins, with the warm-up.
    pub(super) fn begin(&mut self, now: Instant, warm_up: Duration, length: Option<Duration>) {
        self.measure_from = now + warm_up;
        self.end = length.map(|length| self.measure_from + length);
        self.phase = Phase::WarmUp;
        if warm_up.is_zero() {
            self.measure();
        }
    }

    /// The warm-up is over.
    pub(super) fn measure(&mut self) {
        self.phase = Phase::Measuring;
        self.processor = Processor::now();
    }

    /// Nothing more is sent.
    pub(super) fn end(&mut self, now: Instant) {
        let is_measured = self.phase == Phase::Measuring;
        self.phase = Phase::Ending;
        // It may be enough sooner.
        self.end = self.end.map(|end| end.min(now));
        if !is_measured {
            return;
        }
        let measured = now.saturating_duration_since(self.measure_from);
        self.tally.window = self.end.map_or(measured, |end| end.saturating_duration_since(self.measure_from));
        self.note_share(measured);
    }

    /// It is over.
    pub(super) fn close(mut self, now: Instant) -> Tally {
        // Without a moment that was set for the end, it ended with the last answer.
        if let (None, Some(last)) = (self.end, self.last_answer) {
            self.tally.window = self.tally.window.max(last.saturating_duration_since(self.measure_from));
            self.note_share(now.saturating_duration_since(self.measure_from));
        }
        self.note_first_byte();
        self.publish(now, 0);
        if !self.is_open_loop {
            self.tally.uncorrected = self.tally.exchange.clone();
        }
        self.tally
    }

    fn note_share(&mut self, measured: Duration) {
        let share = self.processor.and_then(|before| before.share(measured));
        self.tally.doubt.threads = share.into_iter().collect();
    }

    /// Whether an exchange that was due then is counted.
    pub(super) fn counts(&self, intended: Instant) -> bool {
        self.phase >= Phase::WarmUp && intended >= self.measure_from
    }

    /// Whether the window goes on: where messages are counted, until the last answer.
    fn is_within(&self) -> bool {
        self.phase == Phase::Measuring || self.phase == Phase::Ending && self.end.is_none()
    }

    pub(super) fn connected(&mut self, time: Duration) {
        self.tally.connections += 1;
        self.tally.connect.record(time);
    }

    /// A connection has come about, or failed to, for the first time.
    pub(super) fn tried(&mut self) {
        self.tried += 1;
    }

    pub(super) fn has_tried(&self, connections: usize) -> bool {
        self.tried >= connections
    }

    pub(super) fn peer_ended(&mut self) {
        self.tally.ended += 1;
    }

    /// Exchanges have failed.
    pub(super) fn failed(&mut self, failure: Failure, exchanges: &[Exchange], error: Option<&io::Error>) {
        self.interval.failures.count(failure, exchanges.len() as u64);
        let counted = exchanges.iter().filter(|exchange| self.counts(exchange.intended)).count();
        if counted > 0 {
            self.tally.failures.count(failure, counted as u64);
            self.remember(error);
        }
    }

    /// Something has failed that is no exchange: an attempt to connect, or a connection on which nothing was on its way.
    pub(super) fn failed_aside(&mut self, failure: Failure, error: Option<&io::Error>) {
        self.interval.failures.count(failure, 1);
        self.tally.failures.count(failure, 1);
        self.remember(error);
    }

    fn remember(&mut self, error: Option<&io::Error>) {
        if let Some(error) = error.filter(|_| self.tally.first_error.is_none()) {
            self.tally.first_error = Some(reason(error));
        }
    }

    /// Bytes of messages have gone.
    pub(super) fn sent(&mut self, bytes: usize) {
        if self.is_within() {
            self.tally.sent += bytes as u64;
        }
    }

    /// Bytes of answers have come.
    pub(super) fn received(&mut self, bytes: usize) {
        if self.is_within() {
            self.tally.received += bytes as u64;
        }
    }

    /// The first byte of an answer has come: whether with all others is soon known.
    pub(super) fn first_byte(&mut self, exchange: &Exchange, now: Instant) {
        self.note_first_byte();
        self.first_byte = Some((exchange.intended, now));
    }

    /// It came alone.
    fn note_first_byte(&mut self) {
        if let Some((intended, at)) = self.first_byte.take().filter(|(intended, _)| self.counts(*intended)) {
            self.tally.first_byte.record(at.saturating_duration_since(intended));
        }
    }

    pub(super) fn answered(&mut self, exchange: &Exchange, now: Instant) {
        let is_whole = self.first_byte == Some((exchange.intended, now));
        if is_whole {
            self.first_byte = None;
        }
        let time = now.saturating_duration_since(exchange.intended);
        self.interval.answered += 1;
        if !self.counts(exchange.intended) {
            return self.interval.exchange.record(time);
        }
        let times = if is_whole { &mut self.whole } else { &mut self.in_parts };
        times.record(time);
        self.note_uncorrected(exchange, now);
        if self.end.is_none_or(|end| now <= end) {
            self.tally.answered += 1;
            self.last_answer = Some(now);
        }
    }

    /// An exchange was given up. It took at least as long. If it began in the warm-up, nothing came in the window all the same.
    pub(super) fn timed_out(&mut self, exchange: &Exchange, now: Instant) {
        self.interval.failures.count(Failure::Timeout, 1);
        let time = now.saturating_duration_since(exchange.intended);
        if self.counts(now) {
            self.tally.failures.count(Failure::Timeout, 1);
            self.in_parts.record(time);
            self.note_uncorrected(exchange, now);
        } else {
            self.interval.exchange.record(time);
        }
    }

    /// In a closed loop, messages are sent when they are due.
    fn note_uncorrected(&mut self, exchange: &Exchange, now: Instant) {
        if self.is_open_loop {
            self.tally.uncorrected.record(now.saturating_duration_since(exchange.sent));
        }
    }

    /// An exchange that was due then had not begun at the end.
    pub(super) fn never_sent(&mut self, due: Instant, end: Instant) {
        if self.counts(due) {
            self.tally.unsent += 1;
            self.tally.exchange.record(end.saturating_duration_since(due));
        }
    }

    /// A message that was due, and had somebody free for it, went so late.
    pub(super) fn slipped(&mut self, time: Duration) {
        if self.phase == Phase::Measuring {
            self.tally.doubt.slip.record(time);
        }
    }

    /// A pass of the loop is over, in which nobody looked at what came.
    pub(super) fn pass(&mut self, from: Instant, to: Instant) {
        if self.phase == Phase::Measuring {
            self.tally.doubt.lag.record(to.saturating_duration_since(from));
        }
    }

    /// Tells of the second, if it is over.
    pub(super) fn tick(&mut self, now: Instant, open: impl FnOnce() -> u64) {
        if now >= self.second_ends() {
            self.publish(now, open());
        }
    }

    /// When the second is over, or what is done now.
    pub(super) fn next_due(&self) -> Instant {
        let second = self.second_ends();
        match self.phase {
            Phase::WarmUp => second.min(self.measure_from),
            Phase::Measuring => self.end.map_or(second, |end| second.min(end)),
            Phase::Connecting | Phase::Ending => second,
        }
    }

    fn second_ends(&self) -> Instant {
        self.interval_began + SECOND
    }

    fn publish(&mut self, now: Instant, open: u64) {
        let mut told = Interval {
            open,
            phase: self.phase,
            length: now.saturating_duration_since(self.interval_began),
            ..std::mem::take(&mut self.interval)
        };
        for times in [&mut self.whole, &mut self.in_parts] {
            told.exchange += times;
            self.tally.exchange += times;
        }
        self.tally.first_byte += &self.whole;
        self.whole.clear();
        self.in_parts.clear();
        let seconds = |until: Instant| until.saturating_duration_since(self.began).as_secs();
        // Every thread has the same for the same second, and the last one's is a number of its own.
        told.number = seconds(self.interval_began) + 1;
        self.interval_began = self.began + SECOND * u32::try_from(seconds(now)).unwrap_or(u32::MAX);
        // Where nobody wants to know, nothing is lost.
        self.tell.try_send(told).ok();
    }
}

const SECOND: Duration = Duration::from_secs(1);
