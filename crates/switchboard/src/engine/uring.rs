//! The real kernel behind a ring: what would block is begun, goes on by itself, and is brought when it is done.
//!
//! One enter a pass does everything: it begins what was asked for since the last one, sleeps, and collects. What must stay true:
//!
//! * Nothing completes outside of our own enter (deferred task work, Linux 6.1). So a system call between two enters
//!   sees what the ring's operations will see later, and bytes, connections and errors stay in order.
//! * At most one operation is in flight per direction of a socket, and only because somebody waits for it. So one that
//!   is cancelled leaves at most one arrival, and a peer that sends without end fills one buffer, not the group.
//! * A descriptor is shared with its operations, so its number is nobody else's before the last of them has ended.

mod entry;
mod settle;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use slotmap::{SecondaryMap, SlotMap};
use switchboard_ring::{PollEvents, Request, Ring, Setup, Token};
use switchboard_selector::{self as selector, Interest, Mode, Signal};

use self::entry::Entry;
use super::error::{stale, would_block};
use super::helpers::{Helpers, Job};
use super::kernel::{Kernel, Kind, News, Role};
use super::native::{self, Nature, Source};
use super::{
    Address, Bell, Descriptor, Direction, Fact, Lease, Plan, Pool, Question, Setting, Socket, Ticket, random,
};

/// System calls and a ring.
pub(super) struct Uring {
    ring: Ring<Rc<dyn AsFd>, Lease>,
    entries: SlotMap<Socket, Entry>,
    /// Whose operations are in flight.
    flights: SecondaryMap<Token, (Socket, Direction)>,
    /// Streams for whose bytes there was no buffer, in the order they came.
    starved: VecDeque<Socket>,
    /// How many buffers the kernel is to have, and at most.
    buffers: usize,
    most_buffers: usize,
    /// How often there was none.
    dry: u64,
    /// Something was pushed that no enter has taken along.
    behind: bool,
    /// Counts enters: what a receive has found out is good for the pass it was found out in.
    pass: u64,
    bell: selector::Bell,
    bell_watch: Token,
    rung: bool,
    signals: Vec<Signal>,
    helpers: Helpers,
    random: u64,
}

impl Uring {
    /// On a ring of its own.
    pub(super) fn new() -> io::Result<Self> {
        Self::with_buffers(FEWEST_BUFFERS, MOST_BUFFERS)
    }

    /// Whether [`new`](Self::new) would work in this process, found out by doing real work.
    pub(super) fn probe() -> io::Result<()> {
        if switchboard_ring::probe()?.is_deferred { Ok(()) } else { Err(too_old()) }
    }

    fn with_buffers(buffers: usize, most_buffers: usize) -> io::Result<Self> {
        let capacity = u16::try_from(most_buffers).unwrap_or(u16::MAX);
        let mut ring = Ring::new(Setup { buffers: capacity, ..Setup::default() })?;
        if !ring.is_deferred() {
            let message =
                "this kernel completes operations outside of io_uring_enter; Linux 6.1 or later is needed";
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        let bell = selector::Bell::new()?;
        let bell_watch = ring.push(watch_bell(&bell));
        let helpers_bell = bell.clone();
        #[expect(clippy::disallowed_methods, reason = "this is the engine's door to randomness")]
        let random = RandomState::new().build_hasher().finish();
        Ok(Self {
            ring,
            entries: SlotMap::with_key(),
            flights: SecondaryMap::new(),
            starved: VecDeque::new(),
            buffers,
            most_buffers,
            dry: 0,
            behind: false,
            pass: 1,
            bell,
            bell_watch,
            rung: false,
            signals: Vec::new(),
            helpers: Helpers::new(Bell::new(move || helpers_bell.ring())),
            random,
        })
    }

    fn fd(&self, socket: Socket) -> io::Result<BorrowedFd<'_>> {
        Ok(self.entries.get(socket).ok_or_else(stale)?.source.as_fd())
    }

    fn adopt(&mut self, source: Source, nature: Nature, connected: bool) -> (Socket, Kind) {
        let socket = self.entries.insert(Entry::new(source, nature.role, connected));
        let brings = nature.role == Role::Stream;
        (socket, Kind { role: nature.role, mode: Mode::Oneshot, short_is_dry: false, brings })
    }

    /// Begins an operation; only one per direction may be in flight.
    fn begin(&mut self, socket: Socket, direction: Direction, request: Request<Rc<dyn AsFd>, Lease>) {
        let token = self.ring.push(request);
        self.behind = true;
        self.flights.insert(token, (socket, direction));
        *self.entries[socket].flight(direction) = Some(token);
    }

    /// Begins what tells that a direction may be tried, or brings what arrives.
    fn await_one(&mut self, socket: Socket, direction: Direction) {
        let Some(entry) = self.entries.get_mut(socket) else { return };
        if entry.flight(direction).is_some() || entry.recalled {
            return;
        }
        let descriptor = entry.share();
        let request = match (direction, entry.role) {
            (Direction::Read, Role::Listener) => {
                Request::Accept { listener: descriptor, multishot: false, poll_first: false }
            }
            (Direction::Read, Role::Stream) if entry.connected => Request::Receive {
                stream: descriptor,
                multishot: false,
                poll_first: entry.dry_since == self.pass,
            },
            (Direction::Read, _) => Request::Poll { descriptor, events: PollEvents::READ, multishot: false },
            (Direction::Write, _) => {
                Request::Poll { descriptor, events: PollEvents::WRITE, multishot: false }
            }
        };
        self.begin(socket, direction, request);
    }

    /// Gives the kernel as many buffers as it is to have.
    fn refill(&mut self, pool: &Pool) {
        while self.ring.provided() < self.buffers {
            self.ring.provide(pool.lend().into_buffer());
        }
    }

    fn enter(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.ring.enter(timeout)?;
        self.behind = false;
        self.pass += 1;
        Ok(())
    }

    /// Takes in what the bell may have been rung for.
    fn answer_bell(&mut self, news: &mut News) {
        for signal in &self.signals {
            let count = signal.take();
            if count > 0 {
                news.signals.push((signal.number(), count));
            }
        }
        self.helpers.collect(&mut news.jobs);
    }
}

impl Kernel for Uring {
    fn name(&self) -> &str {
        "uring"
    }

    #[expect(clippy::disallowed_methods, reason = "this is the engine's door to the clock")]
    fn clock(&self) -> Instant {
        Instant::now()
    }

    fn random(&mut self) -> u64 {
        random::next(&mut self.random)
    }

    fn bell(&self) -> Bell {
        let bell = self.bell.clone();
        Bell::new(move || bell.ring())
    }

    fn open(&mut self, plan: Plan) -> io::Result<(Socket, Kind)> {
        let (source, nature) = native::open(plan)?;
        let connected = nature.role == Role::Stream && native::ask(source.as_fd(), Question::Peer).is_ok();
        Ok(self.adopt(source, nature, connected))
    }

    fn ask(&mut self, socket: Socket, question: Question) -> io::Result<Fact> {
        native::ask(self.fd(socket)?, question)
    }

    fn set(&mut self, socket: Socket, setting: Setting) -> io::Result<()> {
        native::set(self.fd(socket)?, setting)
    }

    fn close(&mut self, socket: Socket, reset: bool) {
        if let Some(entry) = self.entries.remove(socket)
            && let Source::Owned(descriptor) = &*entry.source
            && reset
        {
            native::reset(descriptor);
        }
    }

    fn release(&mut self, socket: Socket) -> io::Result<Descriptor> {
        let entry = self.entries.remove(socket).ok_or_else(stale)?;
        match Rc::try_unwrap(entry.source) {
            Ok(source) => Ok(source.into()),
            Err(_) => {
                Err(io::Error::new(io::ErrorKind::ResourceBusy, "the kernel does not let go of the socket"))
            }
        }
    }

    /// Asks the queue itself: what the ring accepts it accepts in an enter, so nothing is overtaken.
    fn accept(&mut self, socket: Socket) -> io::Result<(Socket, Kind, Address)> {
        let (child, peer) = native::accept(self.fd(socket)?)?;
        let (child, kind) = self.adopt(Source::Owned(child), Nature::stream(&peer), true);
        Ok((child, kind, peer))
    }

    /// Connects at once, as on every other kernel: it takes no longer than to ask for it, and what becomes of it is told by
    /// the socket.
    fn connect(&mut self, socket: Socket, to: &Address) -> io::Result<()> {
        let entry = self.entries.get_mut(socket).ok_or_else(stale)?;
        native::connect(entry.source.as_fd(), to)?;
        entry.connected = true;
        Ok(())
    }

    fn connected(&mut self, socket: Socket) -> io::Result<()> {
        let entry = self.entries.get_mut(socket).ok_or_else(stale)?;
        native::connected(entry.source.as_fd())?;
        entry.connected = true;
        Ok(())
    }

    fn recv(&mut self, socket: Socket, into: &mut [u8], peek: bool) -> io::Result<usize> {
        let pass = self.pass;
        let entry = self.entries.get_mut(socket).ok_or_else(stale)?;
        if entry.connected && (entry.reading.is_some() || entry.dry_since == pass) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let answer = native::recv(entry.source.as_fd(), into, peek);
        let drained = match &answer {
            Ok(count) => !peek && *count > 0 && *count < into.len(),
            Err(error) => would_block(error),
        };
        if drained {
            entry.dry_since = pass;
        }
        answer
    }

    fn unread(&mut self, socket: Socket) -> io::Result<usize> {
        native::unread(self.fd(socket)?)
    }

    fn send(&mut self, socket: Socket, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        native::send(self.fd(socket)?, parts)
    }

    fn recv_from(&mut self, socket: Socket, into: &mut [u8]) -> io::Result<(usize, Address)> {
        native::recv_from(self.fd(socket)?, into)
    }

    fn send_to(&mut self, socket: Socket, part: &[u8], to: &Address) -> io::Result<usize> {
        native::send_to(self.fd(socket)?, part, to)
    }

    fn shutdown(&mut self, socket: Socket, how: Shutdown) -> io::Result<()> {
        native::shutdown(self.fd(socket)?, how)
    }

    fn ready(&mut self, socket: Socket, direction: Direction) -> io::Result<bool> {
        native::ready(self.fd(socket)?, direction)
    }

    fn watch_signal(&mut self, number: i32) -> io::Result<()> {
        self.signals.push(Signal::watch(number, self.bell.clone())?);
        Ok(())
    }

    fn start(&mut self, ticket: Ticket, job: Job) {
        self.helpers.start(ticket, job);
    }

    fn watch(&mut self, socket: Socket, interest: Interest, _: Mode) -> io::Result<()> {
        for direction in [Direction::Read, Direction::Write] {
            if interest.contains(direction.interest()) {
                self.await_one(socket, direction);
            }
        }
        Ok(())
    }

    fn select(&mut self, until: Option<Instant>, pool: &Pool, news: &mut News) -> io::Result<()> {
        self.refill(pool);
        let timeout = match until {
            // The end of an operation was waited for, and there the bell was heard, or others found no buffer.
            _ if self.rung || !self.starved.is_empty() => Some(Duration::ZERO),
            until => until.map(|until| until.saturating_duration_since(self.clock())),
        };
        self.enter(timeout)?;
        self.settle_all(pool, news);
        self.feed(pool, news);
        if self.rung {
            self.rung = false;
            self.answer_bell(news);
        }
        Ok(())
    }

    fn take_over(&mut self, socket: Socket, parts: Vec<Lease>) -> Result<(), Vec<Lease>> {
        match self.entries.get_mut(socket) {
            Some(entry) if entry.writing.is_none() && !entry.recalled => {
                let request = Request::Send { stream: entry.share(), parts, zero_copy: false };
                self.begin(socket, Direction::Write, request);
                Ok(())
            }
            _ => Err(parts),
        }
    }

    fn taken_over(&self, socket: Socket) -> usize {
        let sending = self.entries.get(socket).and_then(|entry| entry.writing);
        match sending.and_then(|token| self.ring.request(token)) {
            Some(Request::Send { parts, .. }) => parts.iter().map(|part| part.len()).sum(),
            _ => 0,
        }
    }

    fn recall(&mut self, socket: Socket, pool: &Pool, news: &mut News) {
        let Some(entry) = self.entries.get_mut(socket) else { return };
        entry.recalled = true;
        let flights = [entry.reading, entry.writing];
        if flights == [None, None] {
            return;
        }
        for token in flights.into_iter().flatten() {
            self.ring.cancel(token);
        }
        for _ in 0..MOST_RECALLS {
            let entered = self.enter(Some(Duration::ZERO));
            self.settle_all(pool, news);
            let is_over = |token| !self.ring.is_in_flight(token);
            if entered.is_err() || flights.into_iter().flatten().all(is_over) {
                return;
            }
        }
    }

    fn is_behind(&self) -> bool {
        self.behind || self.rung || !self.starved.is_empty()
    }
}

fn too_old() -> io::Error {
    let message = "this kernel completes operations outside of io_uring_enter; Linux 6.1 or later is needed";
    io::Error::new(io::ErrorKind::Unsupported, message)
}

fn watch_bell(bell: &selector::Bell) -> Request<Rc<dyn AsFd>, Lease> {
    Request::Poll { descriptor: Rc::new(bell.clone()), events: PollEvents::READ, multishot: true }
}

/// How many buffers the kernel has at first. Twice as many each time they run out.
const FEWEST_BUFFERS: usize = 8;

/// And at most: with 16 KiB each, 4 MiB a loop.
const MOST_BUFFERS: usize = 256;

/// How many enters the end of a cancelled operation is waited for. One is enough on every kernel seen; after these the
/// descriptor stays open until the operation ends.
const MOST_RECALLS: usize = 100;
