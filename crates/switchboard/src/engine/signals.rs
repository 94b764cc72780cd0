//! Signals: how often each came and was not taken, and who waits for it.
//!
//! A wait for a signal is always a ticket, never done at once: so a signal that came can be put back until
//! somebody has taken it (law 3).

use std::collections::VecDeque;

use super::operations::Operations;
use super::{Done, Op, Ticket};

/// The signals an engine has taken over.
#[derive(Default)]
pub(super) struct Signals {
    known: Vec<Signal>,
}

struct Signal {
    number: i32,
    count: u64,
    waiting: VecDeque<Ticket>,
}

impl Signals {
    /// Whether it was waited for before, and is therefore counted already.
    pub(super) fn know(&self, number: i32) -> bool {
        self.known.iter().any(|signal| signal.number == number)
    }

    /// Begins to wait.
    pub(super) fn wait(&mut self, number: i32, operations: &mut Operations) -> Ticket {
        let ticket = operations.insert(Op::Signal { number });
        if !self.know(number) {
            self.known.push(Signal { number, count: 0, waiting: VecDeque::new() });
        }
        if let Some(signal) = self.find(number) {
            signal.waiting.push_back(ticket);
        }
        self.came(number, 0, operations);
        ticket
    }

    /// It came so many times more: the oldest who waits is told how often in all.
    pub(super) fn came(&mut self, number: i32, count: u64, operations: &mut Operations) {
        let Some(signal) = self.find(number) else { return };
        signal.count += count;
        while signal.count > 0
            && let Some(ticket) = signal.waiting.pop_front()
        {
            let outcome = Ok(Done::Signalled { count: signal.count });
            if operations.finish_alone(ticket, outcome).is_some() {
                signal.count = 0;
            }
        }
    }

    /// Nobody waits by this ticket any more.
    pub(super) fn forget(&mut self, ticket: Ticket, number: i32) {
        if let Some(signal) = self.find(number) {
            signal.waiting.retain(|&other| other != ticket);
        }
    }

    fn find(&mut self, number: i32) -> Option<&mut Signal> {
        self.known.iter_mut().find(|signal| signal.number == number)
    }
}
