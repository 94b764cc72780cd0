//! Connections: made when they are due, and made anew when they have gone.

use std::cmp::Reverse;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use switchboard::Address;
use switchboard::engine::{Close, Op, Plan as Socketed, Setting, Submitted};

use super::super::connection::{Exchange, State};
use super::super::failure::Failure;
use super::super::plan::{Pace, Transport};
use super::super::tally::Phase;
use super::{Generator, MOST_CONNECTING, Purpose, Slot};

impl Generator<'_> {
    /// Connects those who are due, as many as may be at once.
    pub(super) fn connect_due(&mut self, now: Instant) {
        if self.plan.churn || self.book.phase == Phase::Ending {
            return;
        }
        while self.may_connect(now)
            && let Some(Reverse((at, index))) = self.closed.peek().copied()
            && at <= now
        {
            self.closed.pop();
            self.connect(index, None);
        }
    }

    pub(super) fn may_connect(&self, now: Instant) -> bool {
        self.connecting < MOST_CONNECTING && self.next_connect <= now
    }

    /// Since when it might have been done for this one what is done now: somebody was free for it, and there was room for a connection,
    /// if it needs one.
    pub(super) fn possible_since(&self, due: Instant, slot: Slot) -> Instant {
        let possible = due.max(slot.at);
        if self.plan.churn { possible.max(self.next_connect).max(self.room_since) } else { possible }
    }

    /// Begins to connect, for one exchange that was due at a moment, or for all to come.
    pub(super) fn connect(&mut self, index: usize, intended: Option<Instant>) {
        let since = self.engine.clock();
        if let Some(rate) = self.plan.connect_rate {
            // From when it was due, lest a late one delay all behind it; but not as many at once as were missed.
            let apart = Duration::from_secs_f64(self.plan.threads as f64 / rate);
            self.next_connect = (self.next_connect + apart).max(since.checked_sub(apart).unwrap_or(since));
        }
        let to = &self.plan.address;
        let plan = match self.plan.transport {
            Transport::Stream => Socketed::Stream { like: to.clone() },
            Transport::Datagrams => Socketed::Datagram { bind: anywhere(to) },
        };
        let socket = match self.engine.open(plan) {
            Ok(socket) => socket,
            Err(error) => return self.not_connected(index, &error, since, intended),
        };
        if self.plan.transport == Transport::Datagrams {
            self.connections[index].state = State::Open { socket };
            return self.opened(index, since);
        }
        match self.engine.submit(Op::Connect { socket, to: to.clone() }) {
            Submitted::Pending(ticket) => {
                self.connecting += 1;
                self.tickets.insert(ticket, (index, Purpose::Connect));
                self.connections[index].state = State::Connecting { socket, ticket, since, intended };
            }
            Submitted::Done(Ok(_)) => {
                self.connections[index].state = State::Open { socket };
                let now = self.engine.clock();
                self.made(index, since, intended, now);
            }
            Submitted::Done(Err(failed)) => {
                self.engine.close(socket, Close::Now);
                self.not_connected(index, &failed.error, since, intended);
            }
        }
    }

    /// A connection has come about, or not.
    pub(super) fn connected(&mut self, index: usize, outcome: io::Result<()>, now: Instant) {
        let State::Connecting { socket, since, intended, .. } = self.connections[index].state else { return };
        if self.connecting == MOST_CONNECTING {
            self.room_since = now;
        }
        self.connecting -= 1;
        match outcome {
            Ok(()) => {
                self.connections[index].state = State::Open { socket };
                self.made(index, since, intended, now);
            }
            Err(error) => {
                self.connections[index].state = State::Closed;
                self.engine.close(socket, Close::Now);
                self.not_connected(index, &error, since, intended);
            }
        }
    }

    /// Connecting took too long.
    pub(super) fn give_up_connecting(&mut self, index: usize) {
        let State::Connecting { ticket, .. } = self.connections[index].state else { return };
        self.tickets.remove(ticket);
        self.engine.cancel(ticket);
        self.connected(index, Err(io::ErrorKind::TimedOut.into()), self.engine.now());
    }

    fn made(&mut self, index: usize, since: Instant, intended: Option<Instant>, now: Instant) {
        self.book.connected(now - since);
        let State::Open { socket } = self.connections[index].state else { return };
        if matches!(self.plan.address, Address::Ip(_)) {
            // Where it cannot be set, messages are later, and are seen to be.
            self.engine.set(socket, Setting::NoDelay(true)).ok();
        }
        match intended {
            None => self.opened(index, now),
            Some(intended) => {
                // An exchange with a connection of its own begins with that.
                self.connections[index].begin(intended, since);
                self.receive_more(index);
                self.push(index);
            }
        }
    }

    /// All its exchanges may begin.
    fn opened(&mut self, index: usize, now: Instant) {
        self.tried(index);
        self.receive_more(index);
        if self.connections[index].is_open() {
            self.free_slots(index, now);
        }
    }

    /// The first time counts: who is refused often is but one.
    fn tried(&mut self, index: usize) {
        if !std::mem::replace(&mut self.connections[index].was_tried, true) {
            self.book.tried();
        }
    }

    pub(super) fn free_slots(&mut self, index: usize, now: Instant) {
        for _ in 0..self.plan.in_flight {
            self.free_slot(index, now, Duration::ZERO);
        }
    }

    /// One exchange more may begin on it: the next that is due, or after a time to think.
    pub(super) fn free_slot(&mut self, index: usize, now: Instant, at_least: Duration) {
        let epoch = self.connections[index].epoch;
        let (queue, at) = match self.plan.pace {
            Pace::Scheduled { .. } => (&mut self.free, now + at_least),
            Pace::Answered { think } => (&mut self.thinking, now + think.max(at_least)),
        };
        // Nearly always the last; not so after a failure.
        let place = queue.partition_point(|slot| slot.at <= at);
        queue.insert(place, Slot { at, index, epoch });
    }

    /// It did not come about: again, later.
    fn not_connected(&mut self, index: usize, error: &io::Error, since: Instant, intended: Option<Instant>) {
        let now = self.engine.clock();
        let failure = Failure::of(error);
        let Some(intended) = intended else {
            self.book.failed_aside(failure, Some(error));
            self.tried(index);
            return self.closed.push(Reverse((now + AGAIN, index)));
        };
        let exchange = Exchange { intended, sent: since, number: self.connections[index].number };
        if failure == Failure::Timeout {
            self.book.timed_out(&exchange, now);
        } else {
            self.book.failed(failure, &[exchange], Some(error));
        }
        self.connections[index].close();
        self.free_slot(index, now, AGAIN);
    }

    /// Closes it. Nothing is begun anew.
    pub(super) fn drop_connection(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        if let State::Connecting { ticket, .. } = connection.state {
            self.connecting -= 1;
            self.tickets.remove(ticket);
        }
        for ticket in [connection.receiving.take(), connection.sending.take()].into_iter().flatten() {
            self.tickets.remove(ticket);
            self.engine.cancel(ticket);
        }
        if connection.is_open() {
            self.lost_at = self.engine.now();
        }
        if let Some(socket) = connection.socket() {
            self.engine.close(socket, Close::Now);
        }
        connection.close();
    }

    /// It has gone: closes it, and sees to it that there will be another.
    pub(super) fn replace(&mut self, index: usize, now: Instant, after: Duration) {
        self.drop_connection(index);
        if self.plan.churn {
            self.free_slot(index, now, after);
        } else {
            self.closed.push(Reverse((now + after, index)));
        }
    }
}

/// Any address of the same family.
fn anywhere(like: &Address) -> Address {
    let ip: IpAddr = match like {
        Address::Ip(SocketAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
        _ => Ipv4Addr::UNSPECIFIED.into(),
    };
    Address::Ip((ip, 0).into())
}

/// How long it waits that could not be connected, or was broken off.
pub(super) const AGAIN: Duration = Duration::from_millis(100);
