//! One thread's share of a load, on an engine: connects, sends what is due, takes what comes, and keeps count.
//!
//! It is a loop of its own on the engine, below event loop and tasks, since whoever measures has to cost less than what is measured: one wait
//! for all that is ready, one receive and one send for a message. What must stay true: whatever is recorded as a time
//! began at the moment it was due, whether or not anybody was free for it; and what is late by our own fault is recorded, too.

mod carry;
mod dial;
mod outcome;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use async_channel::Sender;
use slotmap::SecondaryMap;
use switchboard::Engine;
use switchboard::engine::{Done, Failed, Ticket};

use super::book::Book;
use super::connection::{Connection, Heard};
use super::gate::Gate;
use super::message::Expect;
use super::plan::{Pace, Plan, Until};
use super::schedule::Schedule;
use super::tally::{Interval, Phase, Tally};
use crate::error::{Error, reason};

/// One thread's share of a load.
pub(super) struct Generator<'a> {
    plan: &'a Plan,
    /// Which thread.
    index: usize,
    engine: &'a mut dyn Engine,
    gate: &'a Gate,
    connections: Vec<Connection>,
    /// What each ticket is for.
    tickets: SecondaryMap<Ticket, (usize, Purpose)>,
    /// Connections on which something was received while it was asked for.
    ready: Vec<Ready>,
    /// Who could send, and since when.
    free: VecDeque<Slot>,
    /// Who sends again, and when: in order, since all of them think for the same time.
    thinking: VecDeque<Slot>,
    /// Who is to be connected, and when.
    closed: BinaryHeap<Reverse<(Instant, usize)>>,
    /// How many are being connected.
    connecting: usize,
    /// When the last of those that were open was lost.
    lost_at: Instant,
    /// When the next may be.
    next_connect: Instant,
    /// Since when there have not been too many.
    room_since: Instant,
    schedule: Option<Schedule>,
    /// When it was last looked for what is due, after somebody had been free for it.
    absent_until: Instant,
    /// Whether an answer is followed by a message, and waits for nothing and nobody. Where there are no answers, that would never end.
    goes_on_at_once: bool,
    /// How many messages are still to be sent, of this thread's share, where they are counted.
    left: Option<u64>,
    next_sweep: Instant,
    book: Book,
    /// Answers in this pass.
    answered: u64,
    heard: Vec<Heard>,
}

/// What an operation was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Connect,
    Receive,
    /// A try to send, or a datagram on its way.
    Send,
}

/// One of the exchanges that a connection may have on the way.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Since when it is free, or from when on.
    at: Instant,
    index: usize,
    epoch: u32,
}

/// What was done as soon as it was asked for.
type Ready = (usize, u32, Result<Done, Failed>);

impl<'a> Generator<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        index: usize,
        engine: &'a mut dyn Engine,
        gate: &'a Gate,
        tell: Sender<Interval>,
    ) -> Self {
        let now = engine.clock();
        let mine = share(plan.connections as u64, index, plan.threads) as usize;
        // Those that churn are connected when they have something to say.
        let closed = if plan.churn { Vec::new() } else { (0..mine).map(|at| Reverse((now, at))).collect() };
        Self {
            plan,
            index,
            engine,
            gate,
            connections: (0..mine)
                .map(|at| Connection::new((at * plan.threads + index) as u64 * STRIDE))
                .collect(),
            tickets: SecondaryMap::new(),
            ready: Vec::new(),
            free: VecDeque::new(),
            thinking: VecDeque::new(),
            closed: closed.into(),
            connecting: 0,
            lost_at: now,
            next_connect: now,
            room_since: now,
            schedule: None,
            absent_until: now,
            goes_on_at_once: plan.pace == (Pace::Answered { think: Duration::ZERO })
                && plan.message.expect != Expect::Nothing,
            left: None,
            next_sweep: now + plan.timeout,
            book: Book::new(now, plan.pace.is_open(), tell),
            answered: 0,
            heard: Vec::new(),
        }
    }

    /// Puts it on, until it is over.
    ///
    /// # Errors
    ///
    /// When the engine cannot go on.
    pub(super) fn run(mut self) -> Result<Tally, Error> {
        let mut finished = Vec::new();
        let mut is_ready = self.plan.churn;
        if is_ready {
            self.gate.arrive();
        }
        loop {
            let now = self.engine.clock();
            self.book.tick(now, || open(&self.connections));
            match self.book.phase {
                Phase::Connecting if self.gate.is_open() => self.begin(now),
                Phase::WarmUp if now >= self.book.measure_from => self.book.measure(),
                Phase::Measuring if self.is_done(now) => self.book.end(now),
                _ => {}
            }
            if self.gate.is_over() || self.book.phase == Phase::Ending && self.has_all_answers() {
                return Ok(self.close(now));
            }
            self.connect_due(now);
            // Some connections come about at once, and nothing would wake us for these.
            if !is_ready && self.has_tried_all() {
                is_ready = true;
                self.gate.arrive();
                continue;
            }
            self.send_due(now);
            self.give_up_due(now);
            let until = self.next_due(now);
            self.book.pass(self.engine.now(), self.engine.clock());
            finished.clear();
            self.engine.wait(until, &mut finished).map_err(|error| {
                Error::refused(format_args!("cannot go on measuring: {}", reason(&error)))
            })?;
            self.settle(&finished);
            self.gate.count_answered(std::mem::take(&mut self.answered));
        }
    }

    /// The load begins.
    fn begin(&mut self, now: Instant) {
        let Plan { warm_up, until, threads, pace, .. } = *self.plan;
        let length = match until {
            Until::Time(length) => Some(length),
            Until::Messages(count) => {
                self.left = Some(share(count, self.index, threads));
                None
            }
        };
        if let Pace::Scheduled { from, to } = pace {
            let schedule = Schedule::new(now, warm_up, length, (from, to), (self.index, threads));
            self.schedule = Some(schedule);
        }
        self.book.begin(now, warm_up, length);
        if self.plan.churn {
            (0..self.connections.len()).for_each(|index| self.free_slots(index, now));
        } else {
            // They have been free since they were connected, and the load begins only now.
            self.free.iter_mut().chain(&mut self.thinking).for_each(|slot| slot.at = now);
        }
    }

    /// Whether nothing more is to be sent.
    fn is_done(&self, now: Instant) -> bool {
        self.left == Some(0)
            || self.gate.is_enough()
            || self.book.end.is_some_and(|end| now >= end)
            || self.is_deserted(now)
    }

    /// Whether a load that ends with a message has nobody left to send it to, for as long as one waits for an answer.
    fn is_deserted(&self, now: Instant) -> bool {
        self.left.is_some()
            && !self.plan.churn
            && now.saturating_duration_since(self.lost_at) > self.plan.timeout
            && !self.connections.iter().any(Connection::is_open)
    }

    /// Whether nothing is waited for any more: what is, for too long, is given up.
    fn has_all_answers(&self) -> bool {
        self.connections.iter().all(Connection::is_idle)
    }

    /// Whether each connection has come about, or has failed to.
    fn has_tried_all(&self) -> bool {
        self.connecting == 0 && self.book.has_tried(self.connections.len())
    }

    /// When there is something to do that no operation tells of.
    fn next_due(&mut self, now: Instant) -> Option<Instant> {
        if !self.ready.is_empty() {
            return Some(now);
        }
        let mut due = self.book.next_due().min(self.next_sweep);
        let mut sooner = |at: Option<Instant>| due = at.map_or(due, |at| due.min(at));
        let is_sending = self.is_sending();
        if is_sending || self.book.phase == Phase::Connecting {
            let room = self.connecting < MOST_CONNECTING;
            sooner(self.closed.peek().filter(|_| room).map(|Reverse((at, _))| (*at).max(self.next_connect)));
        }
        // Those that churn send when they may connect: where too many do, as soon as one of these has.
        if is_sending && (!self.plan.churn || self.connecting < MOST_CONNECTING) {
            let pace = if self.plan.churn { Some(self.next_connect) } else { None };
            let paced = |at: Instant| pace.map_or(at, |pace| at.max(pace));
            sooner(self.thinking.front().map(|slot| paced(slot.at)));
            let due = self.schedule.as_ref().and_then(Schedule::next);
            sooner(due.zip(self.free.front()).map(|(due, slot)| paced(due.max(slot.at))));
        }
        Some(due)
    }

    /// Whether messages are sent now.
    fn is_sending(&self) -> bool {
        matches!(self.book.phase, Phase::WarmUp | Phase::Measuring) && self.left != Some(0)
    }

    /// Takes what has finished, and what had at once.
    fn settle(&mut self, finished: &[Ticket]) {
        let now = self.engine.now();
        for (index, epoch, outcome) in std::mem::take(&mut self.ready) {
            if self.connections[index].epoch == epoch {
                self.receive(index, outcome, now);
            }
        }
        for &ticket in finished {
            let Some((index, purpose)) = self.tickets.remove(ticket) else { continue };
            let outcome = self.engine.take(ticket);
            match purpose {
                Purpose::Receive => self.receive(index, outcome, now),
                Purpose::Send => self.resume(index, outcome, now),
                Purpose::Connect => {
                    self.connected(index, outcome.map(drop).map_err(|failed| failed.error), now);
                }
            }
        }
    }

    /// It is over: closes all there is.
    fn close(mut self, now: Instant) -> Tally {
        if self.book.phase < Phase::Ending {
            self.book.end(now);
        }
        for index in 0..self.connections.len() {
            self.drop_connection(index);
        }
        self.own_up_to_unsent(now);
        self.book.close(now)
    }

    /// Whoever was due and had nobody free counts as having waited until the end. There may be millions of these: they would keep the
    /// last answers waiting, if it were not done when those have come.
    fn own_up_to_unsent(&mut self, now: Instant) {
        let end = self.book.end.map_or(now, |end| end.min(now));
        if let Some(schedule) = self.schedule.as_mut().filter(|_| self.left.is_none()) {
            while let Some(due) = schedule.next().filter(|due| *due < end) {
                schedule.advance();
                self.book.never_sent(due, end);
            }
        }
    }
}

fn open(connections: &[Connection]) -> u64 {
    connections.iter().filter(|connection| connection.is_open()).count() as u64
}

/// A thread's share of so many.
fn share(all: u64, thread: usize, threads: usize) -> u64 {
    let (thread, threads) = (thread as u64, threads as u64);
    all / threads + u64::from(thread < all % threads)
}

/// How many connections are made at once: a server's queue is finite, and a connection that finds it full waits a second (tcp(7)).
const MOST_CONNECTING: usize = 64;

/// How far apart the texts of two connections begin.
const STRIDE: u64 = 97;

/// How soon it is looked for exchanges that took too long, at least.
const SWEEP: Duration = Duration::from_millis(1);
