//! Messages out, and answers in.

use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

use switchboard::engine::{Direction, Done, Failed, Op, Submitted};

use super::super::connection::{Exchange, Heard};
use super::super::failure::Failure;
use super::super::message::Expect;
use super::super::plan::{Pace, Transport};
use super::{Generator, Purpose, Slot};

impl Generator<'_> {
    /// Sends what is due, as far as somebody is free for it.
    pub(super) fn send_due(&mut self, now: Instant) {
        if !self.is_sending() {
            return;
        }
        match self.plan.pace {
            Pace::Answered { .. } => self.send_thought(now),
            Pace::Scheduled { .. } => self.send_scheduled(now),
        }
    }

    fn send_thought(&mut self, now: Instant) {
        // Those who are free by the end of this pass wait for the next.
        for _ in 0..self.thinking.len() {
            let Some(&slot) = self.thinking.front().filter(|slot| slot.at <= now) else { return };
            if self.is_stale(slot) {
                self.thinking.pop_front();
                continue;
            }
            if self.left == Some(0) || self.plan.churn && !self.may_connect(now) {
                return;
            }
            self.thinking.pop_front();
            let sent = self.engine.clock();
            if let Pace::Answered { think } = self.plan.pace
                && !think.is_zero()
            {
                self.book.slipped(sent.saturating_duration_since(self.possible_since(slot.at, slot)));
            }
            self.send(slot.index, sent, sent);
        }
    }

    fn send_scheduled(&mut self, now: Instant) {
        while self.left != Some(0)
            && let Some(due) = self.schedule.as_ref().and_then(|schedule| schedule.next())
            && due <= now
        {
            while self.free.front().is_some_and(|slot| self.is_stale(*slot)) {
                self.free.pop_front();
            }
            // One that has just been broken off may be free only later.
            let Some(&slot) = self.free.front().filter(|slot| slot.at <= now) else { return };
            if self.plan.churn && !self.may_connect(now) {
                return;
            }
            self.free.pop_front();
            if let Some(schedule) = &mut self.schedule {
                schedule.advance();
            }
            let sent = self.engine.clock();
            let slip = self.slip(due, slot, sent);
            self.book.slipped(slip);
            self.send(slot.index, due, sent);
        }
    }

    /// How late it is by our own fault. When nobody was here to send what could be sent, all that became due meanwhile is late by
    /// that, even what has to wait for somebody to be free now: it would not have had to.
    fn slip(&mut self, due: Instant, slot: Slot, sent: Instant) -> Duration {
        let possible = self.possible_since(due, slot);
        if possible == due {
            self.absent_until = sent;
        }
        sent.saturating_duration_since(possible).max(self.absent_until.saturating_duration_since(due))
    }

    fn is_stale(&self, slot: Slot) -> bool {
        let connection = &self.connections[slot.index];
        connection.epoch != slot.epoch || !self.plan.churn && !connection.is_open()
    }

    /// An exchange begins, that was due at a moment.
    fn send(&mut self, index: usize, intended: Instant, sent: Instant) {
        if self.book.counts(intended)
            && let Some(left) = &mut self.left
        {
            *left -= 1;
        }
        if self.plan.churn {
            return self.connect(index, Some(intended));
        }
        self.connections[index].begin(intended, sent);
        self.push(index);
    }

    /// Sends what waits to be sent, as far as the system takes it.
    pub(super) fn push(&mut self, index: usize) {
        if self.plan.transport == Transport::Datagrams {
            return self.push_datagram(index);
        }
        while self.connections[index].sending.is_none()
            && let connection = &self.connections[index]
            && let (Some(number), Some(socket)) = (connection.first_unsent(), connection.socket())
        {
            let [body, end] = self.plan.message.parts(number);
            let (body, end) = match connection.gone.checked_sub(body.len()) {
                None => (&body[connection.gone..], end),
                Some(gone) => (&body[body.len()..], &end[gone..]),
            };
            // One part is sent with a cheaper call than several are.
            let parts = &[IoSlice::new(body), IoSlice::new(end)][..1 + usize::from(!end.is_empty())];
            match self.engine.try_send(socket, parts) {
                Ok(count) => {
                    self.book.sent(count);
                    if self.connections[index].has_sent(count, &self.plan.message) {
                        self.sent(index);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let op = Op::Ready { socket, direction: Direction::Write };
                    match self.engine.submit(op) {
                        Submitted::Pending(ticket) => self.await_room(index, ticket),
                        Submitted::Done(Ok(_)) => {}
                        Submitted::Done(Err(failed)) => return self.broken(index, &failed.error),
                    }
                }
                Err(error) => return self.broken(index, &error),
            }
        }
    }

    /// A datagram goes out as a whole, if late; the next waits for it.
    fn push_datagram(&mut self, index: usize) {
        while self.connections[index].sending.is_none()
            && let connection = &self.connections[index]
            && let (Some(number), Some(socket)) = (connection.first_unsent(), connection.socket())
        {
            let part = self.plan.message.parts(number).concat().into();
            let op = Op::SendTo { socket, to: self.plan.address.clone(), part };
            let size = self.plan.message.size();
            self.book.sent(size);
            self.connections[index].has_sent(size, &self.plan.message);
            match self.engine.submit(op) {
                Submitted::Pending(ticket) => self.await_room(index, ticket),
                Submitted::Done(Ok(_)) => {}
                Submitted::Done(Err(failed)) => return self.broken(index, &failed.error),
            }
            self.sent(index);
        }
    }

    fn await_room(&mut self, index: usize, ticket: switchboard::engine::Ticket) {
        self.connections[index].sending = Some(ticket);
        self.tickets.insert(ticket, (index, Purpose::Send));
    }

    /// A message has gone out as a whole. If nothing is to come back, that was all.
    fn sent(&mut self, index: usize) {
        if self.plan.message.expect == Expect::Nothing
            && let Some(exchange) = self.connections[index].exchanges.pop_front()
        {
            let now = self.engine.clock();
            self.answered(index, exchange, now);
        }
    }

    /// There is room again, or the datagram has gone.
    pub(super) fn resume(&mut self, index: usize, outcome: Result<Done, Failed>, _now: Instant) {
        self.connections[index].sending = None;
        match outcome {
            Ok(_) => self.push(index),
            Err(failed) => self.broken(index, &failed.error),
        }
    }

    /// Something has come, or the end has.
    pub(super) fn receive(&mut self, index: usize, outcome: Result<Done, Failed>, now: Instant) {
        self.connections[index].receiving = None;
        match outcome {
            Ok(Done::Received { lease }) if lease.is_empty() => return self.ended(index, now),
            Ok(Done::Received { lease }) => {
                self.book.received(lease.len());
                let mut heard = std::mem::take(&mut self.heard);
                self.connections[index].hear(&lease, &self.plan.message, |what| heard.push(what));
                drop(lease);
                self.told(index, &heard, now);
                heard.clear();
                self.heard = heard;
            }
            Ok(Done::Datagram { lease, from, .. }) if from == self.plan.address => {
                self.book.received(lease.len());
                match self.connections[index].hear_datagram(&lease, &self.plan.message) {
                    Ok(Some(exchange)) => {
                        self.told(index, &[Heard::FirstByte(exchange), Heard::Answer(exchange)], now);
                    }
                    Ok(None) => {}
                    Err(failure) => self.book.failed_aside(failure, None),
                }
            }
            Ok(_) => {}
            Err(failed) => return self.broken(index, &failed.error),
        }
        self.receive_more(index);
    }

    /// Has the engine receive what comes next, unless it does already.
    pub(super) fn receive_more(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        let Some(socket) = connection.socket().filter(|_| connection.receiving.is_none()) else { return };
        let op = match self.plan.transport {
            Transport::Stream => Op::Recv { socket, max: usize::MAX, peek: false },
            Transport::Datagrams => Op::RecvFrom { socket, max: LARGEST_DATAGRAM },
        };
        match self.engine.submit(op) {
            Submitted::Pending(ticket) => {
                connection.receiving = Some(ticket);
                self.tickets.insert(ticket, (index, Purpose::Receive));
            }
            Submitted::Done(outcome) => self.ready.push((index, connection.epoch, outcome)),
        }
    }

    fn told(&mut self, index: usize, heard: &[Heard], now: Instant) {
        let epoch = self.connections[index].epoch;
        for &what in heard {
            // The next message may have found the connection broken off, and all that is left was lost with it.
            if self.connections[index].epoch != epoch {
                return;
            }
            match what {
                Heard::FirstByte(exchange) => self.book.first_byte(&exchange, now),
                Heard::Answer(exchange) => self.answered(index, exchange, now),
                Heard::WrongAnswer(exchange) => self.answered_wrongly(index, exchange, now),
                Heard::OutOfStep => return self.out_of_step(index, now),
            }
        }
    }

    /// An exchange has come to its end, and another may begin.
    fn answered(&mut self, index: usize, exchange: Exchange, now: Instant) {
        self.book.answered(&exchange, now);
        self.answered += 1;
        self.go_on(index, now);
    }

    /// The same, with an answer that is wrong.
    fn answered_wrongly(&mut self, index: usize, exchange: Exchange, now: Instant) {
        self.book.failed(Failure::Mismatch, &[exchange], None);
        self.go_on(index, now);
    }

    fn go_on(&mut self, index: usize, now: Instant) {
        if self.plan.churn {
            self.replace(index, now, Duration::ZERO);
        } else if self.goes_on_at_once && self.is_sending() && !self.is_done(now) {
            let sent = self.engine.clock();
            self.send(index, sent, sent);
        } else {
            self.free_slot(index, now, Duration::ZERO);
        }
    }
}

/// The largest there is, UDP on IPv4.
const LARGEST_DATAGRAM: usize = 65_507;
