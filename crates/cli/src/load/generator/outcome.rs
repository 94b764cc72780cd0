//! What goes wrong: by class, and what is done about it.

use std::io;
use std::time::{Duration, Instant};

use super::super::connection::State;
use super::super::failure::Failure;
use super::super::plan::Transport;
use super::dial::AGAIN;
use super::{Generator, SWEEP};

impl Generator<'_> {
    /// The system broke it off.
    pub(super) fn broken(&mut self, index: usize, error: &io::Error) {
        self.lost(index, Failure::of(error), Some(error));
        self.replace(index, self.engine.now(), AGAIN);
    }

    /// The peer has ended.
    pub(super) fn ended(&mut self, index: usize, now: Instant) {
        let connection = &self.connections[index];
        let after = if connection.has_answered { Duration::ZERO } else { AGAIN };
        if connection.exchanges.is_empty() {
            self.book.peer_ended();
        } else {
            self.lost(index, Failure::Short, None);
        }
        self.replace(index, now, after);
    }

    /// What came was wrong, and nobody knows where the next answer begins.
    pub(super) fn out_of_step(&mut self, index: usize, now: Instant) {
        self.lost(index, Failure::Mismatch, None);
        self.replace(index, now, AGAIN);
    }

    /// All that was on its way has failed, or the connection has on which nothing was.
    fn lost(&mut self, index: usize, failure: Failure, error: Option<&io::Error>) {
        let exchanges = self.connections[index].exchanges.make_contiguous();
        if exchanges.is_empty() {
            self.book.failed_aside(failure, error);
        } else {
            self.book.failed(failure, exchanges, error);
        }
    }

    /// Gives up what took too long: the exchanges, and on a stream the connection, whose answers would be out of step.
    pub(super) fn give_up_due(&mut self, now: Instant) {
        if now < self.next_sweep {
            return;
        }
        let timeout = self.plan.timeout;
        let mut next = now + timeout;
        for index in 0..self.connections.len() {
            while let Some(since) = self.waiting_since(index) {
                if now.saturating_duration_since(since) < timeout {
                    next = next.min(since + timeout);
                    break;
                }
                self.give_up(index, now);
            }
        }
        self.next_sweep = next.max(now + SWEEP.max(timeout / 1000));
    }

    /// Since when something is waited for on it.
    fn waiting_since(&self, index: usize) -> Option<Instant> {
        let connection = &self.connections[index];
        match connection.state {
            State::Connecting { since, .. } => Some(since),
            _ => connection.exchanges.front().map(|exchange| exchange.sent),
        }
    }

    fn give_up(&mut self, index: usize, now: Instant) {
        if matches!(self.connections[index].state, State::Connecting { .. }) {
            return self.give_up_connecting(index);
        }
        if self.plan.transport == Transport::Datagrams {
            let Some(exchange) = self.connections[index].give_up() else { return };
            self.book.timed_out(&exchange, now);
            return self.free_slot(index, now, Duration::ZERO);
        }
        self.connections[index].exchanges.iter().for_each(|exchange| self.book.timed_out(exchange, now));
        self.replace(index, now, Duration::ZERO);
    }
}
