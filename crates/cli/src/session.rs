//! One client's connection as its service and faults would have it: what is to be sent now, whether to receive, how it
//! ends. It does no I/O and reads no clock.
//!
//! So every model carries the same conversation, and a model is nothing but the answer to "who waits, for what, and
//! how". What must stay true: what waits to be sent is bounded (past the bound nothing is heard), keeps its order, and is
//! forgotten byte by byte as it was sent, never before.

mod gauge;

use std::collections::VecDeque;
use std::time::Instant;

pub(crate) use gauge::Gauge;

use crate::faults::{Cut, Faults, Pace};
use crate::service::{Conversation, Service, Then, TimeOfDay};

/// What every session of a server begins with.
#[derive(Debug, Clone)]
pub(crate) struct Opening {
    pub(crate) service: Service,
    pub(crate) faults: Faults,
    /// Said first, whatever the service.
    pub(crate) greeting: Vec<u8>,
    pub(crate) time: TimeOfDay,
    /// Shows how much waits, to whoever wants to know.
    pub(crate) gauge: Option<Gauge>,
}

/// See the top of this file.
pub(crate) struct Session {
    conversation: Box<dyn Conversation>,
    /// What waits to be sent: a message for each time something was heard.
    messages: VecDeque<Message>,
    /// Of all of them, bytes.
    waiting: usize,
    then: Then,
    /// The client has ended its side, though the service may go on: that end is there to be received for ever.
    has_heard_all: bool,
    /// Only where there are faults.
    pace: Option<Box<Pace>>,
    cut: Option<Cut>,
    never_read: bool,
    answers: bool,
    gauge: Option<Gauge>,
    received: u64,
    sent: u64,
}

/// Something to send.
struct Message {
    bytes: Vec<u8>,
    /// How much of it has gone.
    gone: usize,
    /// Not before.
    due: Option<Instant>,
}

/// How a session ends, all having been sent that was to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// In good order: the connection is to be closed gently.
    Finished,
    /// The connection is to be reset, as was asked for.
    Reset,
    /// The service failed; what was said before is closed gently, too.
    Failed(&'static str),
}

impl Opening {
    /// Somebody has come.
    pub(crate) fn begin(&self, now: Instant) -> Session {
        let Self { service, faults, greeting, time, gauge } = self;
        let mut session = Session {
            conversation: service.converse(*time),
            messages: VecDeque::new(),
            waiting: 0,
            then: Then::GoOn,
            has_heard_all: false,
            pace: (*faults != Faults::default()).then(|| Box::new(Pace::new(*faults))),
            cut: faults.cut,
            never_read: faults.never_read,
            answers: service.answers(),
            gauge: gauge.clone(),
            received: 0,
            sent: 0,
        };
        let mut say = greeting.clone();
        session.then = session.conversation.open(&mut say);
        session.say(say, now);
        session
    }
}

impl Session {
    /// What may be sent now: nothing, if nothing is to be or it is too early.
    pub(crate) fn sendable(&mut self, now: Instant) -> &[u8] {
        if self.messages.is_empty() && self.then == Then::GoOn && self.cut_end().is_none() {
            let mut say = Vec::new();
            self.conversation.go_on(&mut say);
            self.say(say, now);
        }
        let room = self.room(now);
        match self.messages.front() {
            Some(message) if message.due.is_none_or(|due| due <= now) => {
                let left = &message.bytes[message.gone..];
                &left[..left.len().min(room)]
            }
            _ => &[],
        }
    }

    /// So many bytes of that were taken over by the system.
    pub(crate) fn sent(&mut self, count: usize) {
        self.sent += count as u64;
        self.waiting -= count;
        if let Some(pace) = &mut self.pace {
            pace.sent(count);
        }
        let front = self.messages.front_mut().expect("what was sent was to be sent");
        front.gone += count;
        if front.gone == front.bytes.len() {
            self.messages.pop_front();
        }
    }

    /// Whether to receive: not if too much waits to be sent, or the service hears nothing more.
    pub(crate) fn may_hear(&self) -> bool {
        let listens = self.then == Then::GoOn && !self.never_read && !self.has_heard_all;
        listens && !self.is_full() && self.cut_end().is_none()
    }

    /// Bytes were received, by now: a moment from before that would make a late answer early. Who has hung up does not
    /// listen to them.
    pub(crate) fn hear(&mut self, bytes: &[u8], now: Instant) {
        self.received += bytes.len() as u64;
        if self.then != Then::GoOn {
            return;
        }
        let mut say = Vec::new();
        self.then = self.conversation.hear(bytes, &mut say);
        self.say(say, now);
    }

    /// The client has ended its side, or is not listened to any more.
    pub(crate) fn hear_end(&mut self, now: Instant) {
        // Who never reads does not notice an end, either.
        if self.then == Then::GoOn && !self.never_read && !self.has_heard_all {
            self.has_heard_all = true;
            let mut say = Vec::new();
            self.then = self.conversation.hear_end(&mut say);
            self.say(say, now);
        }
    }

    /// Nothing is to be sent to it, now or later.
    pub(crate) fn is_silent(&self) -> bool {
        self.messages.is_empty()
    }

    /// Whether so much waits to be sent that nothing is heard meanwhile.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting >= BOUND
    }

    /// When something may be sent that may not be sent yet. What is due already waits for room, and for no time.
    pub(crate) fn wake(&self, now: Instant) -> Option<Instant> {
        let due = self.messages.front()?.due;
        due.max(self.pace.as_ref().and_then(|pace| pace.wake())).filter(|wake| *wake > now)
    }

    /// Whether it is over, and how.
    pub(crate) fn end(&self) -> Option<End> {
        self.cut_end().or(match self.then {
            _ if !self.messages.is_empty() => None,
            Then::GoOn => None,
            Then::HangUp => Some(End::Finished),
            Then::Fail(why) => Some(End::Failed(why)),
        })
    }

    /// Bytes that were received, and sent.
    pub(crate) fn traffic(&self) -> (u64, u64) {
        (self.received, self.sent)
    }

    /// Bytes that wait to be sent.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    fn say(&mut self, bytes: Vec<u8>, now: Instant) {
        if !bytes.is_empty() {
            self.waiting += bytes.len();
            if let Some(gauge) = &self.gauge {
                gauge.rose_to(self.waiting);
            }
            let due = self.pace.as_mut().filter(|pace| pace.is_late()).map(|pace| pace.due(now));
            self.messages.push_back(Message { bytes, gone: 0, due });
        }
    }

    /// How much may be sent now, of much.
    fn room(&mut self, now: Instant) -> usize {
        let left = match self.cut {
            Some(Cut { after, .. }) if self.answers => {
                usize::try_from(after - self.sent).unwrap_or(usize::MAX)
            }
            _ => usize::MAX,
        };
        self.pace.as_mut().map_or(left, |pace| pace.room(now).min(left))
    }

    fn cut_end(&self) -> Option<End> {
        let Cut { after, reset } = self.cut?;
        let counted = if self.answers { self.sent } else { self.received };
        (counted >= after).then_some(if reset { End::Reset } else { End::Finished })
    }
}

/// How many bytes may wait to be sent before nothing more is heard. What one receive adds comes on top.
pub(crate) const BOUND: usize = 64 << 10;

#[cfg(test)]
mod tests;
