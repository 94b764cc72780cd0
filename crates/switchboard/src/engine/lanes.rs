//! The engine, written once: try; if it would block, queue, and wait for the lamp, or for what the kernel brings.
//!
//! A socket costs the kernel nothing until one of its operations has to wait; only then is it watched: once
//! for good where lamps are edges, for one lamp at a time where not. A kernel that completes (io_uring) is watched the
//! same way, and brings what arrived instead of a lamp. What must stay true:
//!
//! * An operation that waits is at its place in a lane, and its lane's lamp is asked for before the next sleep.
//! * A dry direction is one whose last attempt was answered by `WouldBlock` *after* its edge was asked for:
//!   so an edge is still to come, and trying before it would be in vain.
//! * Whatever frees the front of a lane runs [`progress`](Lanes::progress) on it.

mod attempt;
mod linger;
mod news;
mod slot;

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::time::Instant;

use slotmap::SecondaryMap;
use switchboard_selector::{Interest, Mode};

use self::attempt::Sockets;
use self::slot::Slot;
use super::error::{closed, copy, invalid, released, stale};
use super::helpers::Job;
use super::kernel::{Kernel, News, Role};
use super::lane::Arrival;
use super::operations::{Operations, discard};
use super::signals::Signals;
use super::{
    Bell, Close, Direction, Done, Engine, Fact, Failed, Op, Plan, Pool, Question, Setting, Socket, Submitted,
    Ticket,
};

/// An engine on a kernel.
pub(super) struct Lanes<K> {
    sockets: Sockets<K>,
    operations: Operations,
    signals: Signals,
    /// Sockets whose lamps are to be asked for before the next sleep.
    to_arm: VecDeque<Socket>,
    /// Sockets with more to do than one turn allowed: no sleep before they had another.
    again: VecDeque<Socket>,
    /// Sockets that close gently, by when they must be done.
    closing: BTreeSet<(Instant, Socket)>,
    news: News,
    /// News is being taken in.
    taking: bool,
    now: Instant,
}

impl<K: Kernel> Lanes<K> {
    pub(super) fn new(kernel: K) -> Self {
        let now = kernel.clock();
        Self {
            sockets: Sockets { kernel, slots: SecondaryMap::new(), pool: Pool::default() },
            operations: Operations::default(),
            signals: Signals::default(),
            to_arm: VecDeque::new(),
            again: VecDeque::new(),
            closing: BTreeSet::new(),
            news: News::default(),
            taking: false,
            now,
        }
    }

    #[cfg(test)]
    pub(super) fn kernel(&self) -> &K {
        &self.sockets.kernel
    }

    /// Runs the operations at the front of a lane until one would block.
    fn progress(&mut self, socket: Socket, direction: Direction) {
        loop {
            let Some(slot) = self.sockets.slots.get_mut(socket) else { return };
            let Some(&ticket) = slot.lane(direction).waiting.front() else { return };
            let Some(row) = self.operations.row(ticket) else {
                slot.lane(direction).waiting.pop_front();
                continue;
            };
            let ends_reading = matches!(row.op, Op::Shutdown { how, .. } if how != Shutdown::Write);
            if ends_reading && self.bring_those_of(socket) {
                continue;
            }
            let Some(row) = self.operations.row(ticket) else { continue };
            let Some(outcome) = self.sockets.attempt(&mut row.op) else {
                return self.put_off(socket, direction);
            };
            let may_end_reading = matches!(row.op, Op::Shutdown { .. });
            self.settle(socket, direction, outcome);
            if may_end_reading {
                self.progress(socket, Direction::Read);
            }
        }
    }

    /// Finishes the operation at the front of a lane.
    fn settle(&mut self, socket: Socket, direction: Direction, outcome: io::Result<Done>) {
        let lane = self.sockets.slots[socket].lane(direction);
        let Some(ticket) = lane.waiting.pop_front() else { return };
        if let Some(error) = self.operations.finish(ticket, outcome, lane) {
            // Nobody waits for this one any more: its failure is for whoever comes next.
            lane.arrived.push_back(Arrival::Error(error));
        }
    }

    /// Sees to it that a lane which waits will be tried again.
    fn put_off(&mut self, socket: Socket, direction: Direction) {
        let slot = &mut self.sockets.slots[socket];
        let asked = slot.kind.mode == Mode::Edge && slot.armed.contains(direction.interest());
        if asked && !*slot.dry(direction) {
            self.again.push_back(socket);
        } else if !asked && !slot.to_arm {
            slot.to_arm = true;
            self.to_arm.push_back(socket);
        }
    }

    /// Asks for the lamps that the lanes wait for.
    fn arm(&mut self, socket: Socket) {
        let Some(slot) = self.sockets.slots.get_mut(socket) else { return };
        slot.to_arm = false;
        let mut wanted = slot.wanted();
        if slot.armed.contains(wanted) {
            return;
        }
        if slot.kind.mode == Mode::Edge {
            // Urgent data is asked about only because it makes a short receive ambiguous.
            wanted = slot.armed
                | wanted
                | if slot.kind.short_is_dry { Interest::PRIORITY } else { Interest::NONE };
        }
        match self.sockets.kernel.watch(socket, wanted, slot.kind.mode) {
            Ok(()) => slot.armed = wanted,
            Err(error) => self.strand(socket, &error),
        }
    }

    /// Finishes all that waits on a socket with an error.
    fn strand(&mut self, socket: Socket, error: &io::Error) {
        let Some(slot) = self.sockets.slots.get_mut(socket) else { return };
        for ticket in slot.strand() {
            let copy = copy(error);
            let direction = self.operations.row(ticket).map_or(Direction::Read, |row| row.op.direction());
            self.operations.finish(ticket, Err(copy), slot.lane(direction));
        }
    }

    fn submit_to_socket(&mut self, socket: Socket, mut op: Op) -> Submitted {
        let direction = op.direction();
        let fit = self.sockets.open(socket).and_then(|slot| fit(&op, slot.kind.role));
        if let Err(error) = fit {
            return Submitted::Done(Err(Failed::new(error, op)));
        }
        match op {
            // Ending the read side ends the wait of those who read, so it does not queue behind them.
            Op::Shutdown { how: Shutdown::Read, .. } => {}
            // One that will not wait takes nothing from those who do: it tells what they are told.
            Op::Accept { wait: false, .. } if self.others_wait(socket) => {
                return Submitted::Done(Err(Failed::new(io::ErrorKind::WouldBlock.into(), op)));
            }
            _ if self.sockets.slots[socket].lane(direction).is_spoken_for() => {
                return self.queue(socket, direction, op);
            }
            _ => {}
        }
        match self.sockets.attempt(&mut op) {
            Some(outcome) => {
                if matches!(op, Op::Shutdown { .. }) {
                    self.progress(socket, Direction::Read);
                }
                Submitted::Done(self.hand_out(op, outcome))
            }
            None => {
                let ticket = self.operations.insert(op);
                self.sockets.slots[socket].lane(direction).waiting.push_back(ticket);
                self.put_off(socket, direction);
                Submitted::Pending(ticket)
            }
        }
    }

    /// Puts an operation behind those of its lane. If all of them are finished it may be so at once, but only by
    /// its ticket: should an older one be cancelled, it is to get what that one was given.
    fn queue(&mut self, socket: Socket, direction: Direction, op: Op) -> Submitted {
        let ticket = self.operations.insert(op);
        let lane = self.sockets.slots[socket].lane(direction);
        lane.waiting.push_back(ticket);
        if lane.waiting.len() == 1 {
            self.progress(socket, direction);
        }
        Submitted::Pending(ticket)
    }

    /// Whether anybody still waits for a connection after another look at the queue, which is then known to be empty.
    fn others_wait(&mut self, socket: Socket) -> bool {
        let slot = &mut self.sockets.slots[socket];
        if slot.read.waiting.is_empty() {
            return false;
        }
        slot.read_dry = false;
        slot.look_again = true;
        self.progress(socket, Direction::Read);
        !self.sockets.slots[socket].read.waiting.is_empty()
    }

    /// Turns an outcome into what its caller gets. A release happens here: now it is certain to be taken.
    fn hand_out(&mut self, op: Op, outcome: io::Result<Done>) -> Result<Done, Failed> {
        match (op, outcome) {
            (Op::Release { socket }, Ok(_)) => match self.release(socket) {
                Ok(done) => Ok(done),
                Err(error) => Err(Failed::new(error, Op::Release { socket })),
            },
            (_, Ok(done)) => Ok(done),
            (op, Err(error)) => Err(Failed::new(error, op)),
        }
    }

    fn release(&mut self, socket: Socket) -> io::Result<Done> {
        self.sockets.open(socket)?;
        self.recall(socket);
        self.sockets.gather_last(socket);
        let descriptor = self.sockets.kernel.release(socket).inspect_err(|_| {
            self.sockets.slots[socket].leaving = false;
        })?;
        self.strand(socket, &released());
        let slot = self.sockets.slots.remove(socket).ok_or_else(stale)?;
        let parked =
            slot.read.arrived.into_iter().chain(slot.write.arrived).map(Arrival::into_outcome).collect();
        Ok(Done::Released { descriptor, parked })
    }
}

impl<K: Kernel> Engine for Lanes<K> {
    fn name(&self) -> &str {
        self.sockets.kernel.name()
    }

    fn now(&self) -> Instant {
        self.now
    }

    fn clock(&self) -> Instant {
        self.sockets.kernel.clock()
    }

    fn random(&mut self) -> u64 {
        self.sockets.kernel.random()
    }

    fn open(&mut self, plan: Plan) -> io::Result<Socket> {
        let adopted = matches!(plan, Plan::Adopt(_));
        let (socket, kind) = self.sockets.kernel.open(plan)?;
        let connected = adopted && self.sockets.kernel.ask(socket, Question::Peer).is_ok();
        self.sockets.slots.insert(socket, Slot::new(kind, connected));
        Ok(socket)
    }

    fn ask(&mut self, socket: Socket, question: Question) -> io::Result<Fact> {
        self.sockets.open(socket)?;
        let mut fact = self.sockets.kernel.ask(socket, question)?;
        match &mut fact {
            Fact::Error(Some(error)) => drop(self.sockets.slots[socket].note_error(copy(error))),
            // What was brought already waits in the lane.
            Fact::Error(none) => *none = self.sockets.slots[socket].read.error().map(copy),
            Fact::Count(count) if question == Question::Unsent => *count += self.queued(socket),
            _ => {}
        }
        Ok(fact)
    }

    fn set(&mut self, socket: Socket, setting: Setting) -> io::Result<()> {
        self.sockets.open(socket)?;
        self.sockets.kernel.set(socket, setting)
    }

    fn close(&mut self, socket: Socket, how: Close) {
        if self.sockets.open(socket).is_err() {
            return;
        }
        match how {
            Close::Gently { bytes, time } if self.needs_time(socket) => {
                self.close_gently(socket, bytes, time);
            }
            _ => {
                self.recall(socket);
                // The kernel resets a connection that is closed with input unread. What is parked here is unread as well.
                let is_unread = self.sockets.slots.get(socket).is_some_and(|slot| slot.read.bytes() > 0);
                self.strand(socket, &closed());
                self.sockets.end(socket, how == Close::Reset || how == Close::Now && is_unread);
            }
        }
    }

    fn hurry(&mut self, socket: Socket, until: Instant) {
        self.end_by(socket, until);
    }

    fn closing(&self) -> usize {
        self.closing.len()
    }

    fn due(&self) -> Option<Instant> {
        if self.sockets.kernel.is_behind() { Some(self.now) } else { self.next() }
    }

    fn try_recv(&mut self, socket: Socket, into: &mut [u8]) -> io::Result<usize> {
        let slot = self.sockets.open_stream(socket, "receive")?;
        if slot.read.is_spoken_for() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if into.is_empty() {
            return Ok(0);
        }
        if let Some(count) = slot.read.serve_slice(into) {
            return count;
        }
        if slot.read_dry {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.sockets.receive(socket, into, false)
    }

    fn try_send(&mut self, socket: Socket, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let slot = self.sockets.open_stream(socket, "send")?;
        if !slot.write.waiting.is_empty() || slot.write_dry {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if let Some(Arrival::Error(error)) = slot.write.arrived.pop_front() {
            return Err(error);
        }
        self.sockets.transmit(socket, parts)
    }

    fn submit(&mut self, op: Op) -> Submitted {
        if let Some(socket) = op.socket() {
            return self.submit_to_socket(socket, op);
        }
        match op {
            Op::Signal { number } => {
                if !self.signals.know(number)
                    && let Err(error) = self.sockets.kernel.watch_signal(number)
                {
                    return Submitted::Done(Err(Failed::new(error, op)));
                }
                Submitted::Pending(self.signals.wait(number, &mut self.operations))
            }
            Op::Resolve { ref host, port } => {
                let job = Job::Resolve { host: host.clone(), port };
                let ticket = self.operations.insert(op);
                self.sockets.kernel.start(ticket, job);
                Submitted::Pending(ticket)
            }
            Op::Call { work } => {
                // The work itself goes to the helper; its row keeps the place.
                let ticket = self.operations.insert(Op::Call { work: Box::new(|| Box::new(())) });
                self.sockets.kernel.start(ticket, Job::Call(work));
                Submitted::Pending(ticket)
            }
            _ => unreachable!("every other operation is about a socket"),
        }
    }

    fn prepare(&mut self) {
        while let Some(socket) = self.to_arm.pop_front() {
            self.arm(socket);
        }
    }

    fn wait(&mut self, until: Option<Instant>, finished: &mut Vec<Ticket>) -> io::Result<()> {
        // Those that are put off once more while this runs have their turn in the next wait.
        for _ in 0..self.again.len() {
            let Some(socket) = self.again.pop_front() else { break };
            self.progress(socket, Direction::Read);
            self.progress(socket, Direction::Write);
            self.go_on_closing(socket);
        }
        self.prepare();
        let until = [until, self.next()].into_iter().flatten().min();
        self.sockets.kernel.select(until, &self.sockets.pool, &mut self.news)?;
        self.now = self.now.max(self.sockets.kernel.clock());
        self.take_news();
        self.end_overdue();
        self.operations.tell(finished);
        Ok(())
    }

    fn take(&mut self, ticket: Ticket) -> Result<Done, Failed> {
        let (op, outcome) = self.operations.take(ticket)?;
        if let Some(slot) = op.socket().and_then(|socket| self.sockets.slots.get_mut(socket)) {
            slot.lane(op.direction()).settled.retain(|&other| other != ticket);
        }
        self.hand_out(op, outcome)
    }

    fn operation(&self, ticket: Ticket) -> Option<&Op> {
        self.operations.pending(ticket)
    }

    fn cancel(&mut self, ticket: Ticket) {
        let Some(row) = self.operations.row(ticket) else { return };
        let finished = row.outcome.is_some();
        match (row.op.socket(), finished) {
            (Some(socket), false) => {
                let direction = row.op.direction();
                if !self.operations.abandon(ticket)
                    && let Some(slot) = self.sockets.slots.get_mut(socket)
                {
                    slot.lane(direction).waiting.retain(|&other| other != ticket);
                    self.progress(socket, direction);
                    self.go_on_closing(socket);
                }
            }
            (Some(socket), true) => self.cancel_finished(ticket, socket),
            (None, _) => self.cancel_alone(ticket),
        }
    }

    fn bell(&self) -> Bell {
        self.sockets.kernel.bell()
    }

    fn pool(&self) -> &Pool {
        &self.sockets.pool
    }
}

impl<K: Kernel> Lanes<K> {
    /// When a wait has to end, if the kernel has nothing to tell.
    fn next(&self) -> Option<Instant> {
        if self.operations.have_news() || !self.again.is_empty() {
            return Some(self.now);
        }
        self.closing.first().map(|&(until, _)| until)
    }

    fn cancel_finished(&mut self, ticket: Ticket, socket: Socket) {
        let Some(direction) = self.operations.row(ticket).map(|row| row.op.direction()) else { return };
        if let Some(slot) = self.sockets.slots.get_mut(socket) {
            self.operations.rewind(ticket, slot.lane(direction));
            self.progress(socket, direction);
        } else if let Some(row) = self.operations.remove(ticket)
            && let Some(Ok(Done::Accepted { socket, .. })) = row.outcome
        {
            // The listener it would go back to is closed, and its queue with it.
            self.sockets.end(socket, false);
        }
    }

    fn cancel_alone(&mut self, ticket: Ticket) {
        let Some(row) = self.operations.remove(ticket) else { return };
        let Op::Signal { number } = row.op else { return discard(row.outcome) };
        let count = match row.outcome {
            Some(Ok(Done::Signalled { count })) => count,
            _ => 0,
        };
        self.signals.forget(ticket, number);
        self.signals.came(number, count, &mut self.operations);
    }
}

/// Whether a socket of that role can do the operation at all.
fn fit(op: &Op, role: Role) -> io::Result<()> {
    let fits = match op {
        Op::Accept { .. } => role == Role::Listener,
        Op::Recv { max: 0, .. } => {
            return Err(invalid("a receive of at most zero bytes would look like the end"));
        }
        Op::Connect { .. } | Op::Shutdown { .. } | Op::Recv { .. } | Op::Send { .. } => role == Role::Stream,
        Op::RecvFrom { .. } | Op::SendTo { .. } => role == Role::Datagram,
        _ => true,
    };
    if fits { Ok(()) } else { Err(invalid(&format!("cannot {} on a {}", op.name(), role.name()))) }
}
