//! What one wait has brought: lamps, which say what to try, and arrivals, which are there already.
//!
//! What arrives goes through the lane of its socket, so whoever waits is served from the same place on every kernel.

use std::{io, mem};

use switchboard_selector::Mode;

use super::Lanes;
use super::attempt::advance;
use super::slot::Slot;
use crate::engine::error::{interrupted, is_exhaustion};
use crate::engine::kernel::{Arrived, Kernel, Lamp, Sent, What};
use crate::engine::lane::Arrival;
use crate::engine::{Direction, Done, Op, Socket};

impl<K: Kernel> Lanes<K> {
    /// Takes in all that the kernel has told.
    pub(super) fn take_news(&mut self) {
        // What is found while something of it is taken in waits its turn: a thousand closes would nest a thousand deep.
        if mem::replace(&mut self.taking, true) {
            return;
        }
        while let Some(sent) = self.news.sent.pop_front() {
            self.give_back(sent);
        }
        while let Some(arrived) = self.news.arrivals.pop_front() {
            self.bring(arrived);
        }
        while let Some(lamp) = self.news.lamps.pop_front() {
            self.light(lamp);
        }
        while let Some((number, count)) = self.news.signals.pop() {
            self.signals.came(number, count, &mut self.operations);
        }
        while let Some((ticket, outcome)) = self.news.jobs.pop_front() {
            self.operations.finish_alone(ticket, outcome);
        }
        self.taking = false;
    }

    /// Ends what the kernel does in the background of a socket that is about to go, and takes in what came of it.
    pub(super) fn recall(&mut self, socket: Socket) {
        if let Some(slot) = self.sockets.slots.get_mut(socket) {
            slot.leaving = true;
        }
        self.sockets.kernel.recall(socket, &self.sockets.pool, &mut self.news);
        self.take_news();
    }

    /// Takes a lamp in: marks what may be tried, and tries it.
    fn light(&mut self, lamp: Lamp) {
        let Some(slot) = self.sockets.slots.get_mut(lamp.socket) else { return };
        slot.odd |= lamp.odd;
        slot.note_told();
        let closing = slot.closing.is_some();
        if lamp.readable {
            slot.read_dry = false;
            self.progress(lamp.socket, Direction::Read);
        }
        if lamp.writable
            && let Some(slot) = self.sockets.slots.get_mut(lamp.socket)
        {
            slot.write_dry = false;
            self.progress(lamp.socket, Direction::Write);
        }
        if closing {
            self.go_on_closing(lamp.socket);
        }
        self.ask_again(lamp.socket);
    }

    /// Takes in what has arrived on one socket before its turn: what the kernel still has comes after it. Whether there
    /// was any.
    pub(super) fn bring_those_of(&mut self, socket: Socket) -> bool {
        let mut was_any = false;
        while let Some(at) = self.news.arrivals.iter().position(|arrived| arrived.socket == socket)
            && let Some(arrived) = self.news.arrivals.remove(at)
        {
            self.bring(arrived);
            was_any = true;
        }
        was_any
    }

    /// Takes in what arrived: for who waits, or for whoever comes.
    fn bring(&mut self, Arrived { socket, what }: Arrived) {
        if matches!(&what, What::Error(error) if interrupted(error)) {
            return self.begin_again(socket);
        }
        let Some(arrival) = self.note(socket, what) else { return };
        let slot = &mut self.sockets.slots[socket];
        slot.note_told();
        if slot.closing.is_some() {
            return self.throw_away(socket, &arrival);
        }
        match arrival {
            // Whoever reads was told the end already: nothing follows it.
            _ if matches!(slot.read.arrived.back(), Some(Arrival::End)) => {}
            Arrival::Error(error) if is_exhaustion(&error) => self.tell_exhaustion(socket, error),
            mut arrival => {
                let count = match &mut arrival {
                    Arrival::Bytes(lease) => {
                        // What came after the end was asked for is not received any more.
                        if slot.last > 0 {
                            lease.truncate(slot.last);
                        }
                        lease.len()
                    }
                    _ => usize::MAX,
                };
                slot.read.arrived.push_back(arrival);
                slot.note_last(count);
            }
        }
        self.progress(socket, Direction::Read);
        self.ask_again(socket);
    }

    /// What was to be brought was interrupted, so nothing came: it is asked for once more.
    fn begin_again(&mut self, socket: Socket) {
        let Some(slot) = self.sockets.slots.get_mut(socket) else { return };
        slot.note_told();
        self.progress(socket, Direction::Read);
        self.go_on_closing(socket);
        self.ask_again(socket);
    }

    /// What an arrival says of its socket, which may be gone.
    fn note(&mut self, socket: Socket, what: What) -> Option<Arrival> {
        let slot = self.sockets.slots.get_mut(socket);
        Some(match what {
            What::Connection { socket: child, kind, peer } => {
                if slot.is_none() {
                    self.sockets.kernel.close(child, false);
                    return None;
                }
                self.sockets.slots.insert(child, Slot::new(kind, true));
                Arrival::Connection { socket: child, peer }
            }
            What::Bytes(lease) if lease.is_empty() => match slot?.note_end() {
                Ok(_) => Arrival::End,
                Err(error) => Arrival::Error(error),
            },
            What::Bytes(lease) => slot.map(|_| Arrival::Bytes(lease))?,
            What::Error(error) => Arrival::Error(slot?.note_error(error)),
        })
    }

    /// Counts what arrives for a socket that closes gently, and that nobody will read.
    fn throw_away(&mut self, socket: Socket, arrival: &Arrival) {
        let slot = &mut self.sockets.slots[socket];
        if let (Arrival::Bytes(lease), Some(closing)) = (arrival, &mut slot.closing) {
            closing.bytes = closing.bytes.saturating_sub(lease.len());
        }
        // An error that says nothing of the connection ends it all the same.
        slot.ended |= matches!(arrival, Arrival::Error(_));
        self.go_on_closing(socket);
    }

    /// What took nothing is for who waits, and never for who comes later: by then it may be different.
    fn tell_exhaustion(&mut self, socket: Socket, error: io::Error) {
        let Some(&ticket) = self.sockets.slots[socket].read.waiting.front() else { return };
        let takes = self.operations.row(ticket).is_some_and(|row| row.op.takes());
        self.settle(socket, Direction::Read, if takes { Err(error) } else { Ok(Done::Ready) });
    }

    /// Takes back the parts of the send at the front of its lane, and goes on with what is left of them.
    fn give_back(&mut self, Sent { socket, mut parts, outcome }: Sent) {
        let Some(slot) = self.sockets.slots.get_mut(socket) else { return };
        slot.note_told();
        slot.sending = false;
        let outcome = match outcome {
            Err(error) if interrupted(&error) => Ok(0),
            outcome => outcome,
        };
        if let Ok(count) = outcome {
            slot.sent += count;
            advance(&mut parts, count);
        }
        if let Some(&ticket) = slot.write.waiting.front()
            && let Some(row) = self.operations.row(ticket)
            && let Op::Send { parts: own, .. } = &mut row.op
        {
            *own = parts;
        }
        if let Err(error) = outcome {
            slot.cut |= mem::take(&mut slot.sent) > 0;
            let error = slot.note_error(error);
            self.settle(socket, Direction::Write, Err(error));
        }
        if self.sockets.slots[socket].leaving {
            return;
        }
        self.progress(socket, Direction::Write);
        self.go_on_closing(socket);
        self.ask_again(socket);
    }

    /// Sees to it that a socket is watched again whose lamp is lit once, if somebody still waits.
    fn ask_again(&mut self, socket: Socket) {
        if let Some(slot) = self.sockets.slots.get_mut(socket)
            && slot.kind.mode == Mode::Oneshot
            && !slot.wanted().is_empty()
            && !slot.to_arm
        {
            slot.to_arm = true;
            self.to_arm.push_back(socket);
        }
    }
}
