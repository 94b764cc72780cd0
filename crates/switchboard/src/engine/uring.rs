//! The real kernel behind a ring: what would block is begun, goes on by itself, and is brought when it is done.
//!
//! One enter a pass does everything: it begins what was asked for since the last one, sleeps, and collects. What must stay true:
//!
//! * Nothing completes outside of our own enter (deferred task work, Linux 6.1). So a system call between two enters
//!   sees what the ring's operations will see later. The exception: an operation that was woken 128 times in vain is
//!   handed to a thread of the kernel's, where it blocks. So receives have a timeout, after which they are begun anew;
//!   and while one is in flight nobody else receives on its socket, which keeps bytes in order.
//! * At most one operation is in flight per direction of a socket, and only because somebody waits for it. So one that
//!   is cancelled leaves at most one arrival, and a peer that sends without end fills one buffer, not the group.
//! * A descriptor is shared with its operations, so its number is nobody else's before the last of them has ended.

mod entry;
mod settle;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::mem;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
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
    /// The last wait has brought something, which the next one that must not sleep leaves time for: one enter less.
    brought: bool,
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
            return Err(too_old());
        }
        let bell = selector::Bell::new()?;
        let bell_watch = ring.push(watch_bell(&bell));
        let helpers_bell = bell.clone();
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
            brought: false,
            signals: Vec::new(),
            helpers: Helpers::new(Bell::new(move || helpers_bell.ring())),
            random: random::seed(),
        })
    }

    fn fd(&self, socket: Socket) -> io::Result<BorrowedFd<'_>> {
        Ok(self.entries.get(socket).ok_or_else(stale)?.source.as_fd())
    }

    /// A socket that somebody gave us or that we made. Those that are accepted over IP inherit the timeout.
    fn adopt_new(&mut self, source: Source, nature: Nature, connected: bool) -> (Socket, Kind) {
        if matches!(nature.role, Role::Stream | Role::Listener) {
            native::limit_blocking(source.as_fd(), Some(LONGEST_BLOCK));
        }
        self.adopt(source, nature, connected)
    }

    fn adopt_accepted(&mut self, child: OwnedFd, peer: &Address) -> (Socket, Kind) {
        let nature = Nature::stream(peer);
        let source = Source::Owned(child);
        if nature.tcp { self.adopt(source, nature, true) } else { self.adopt_new(source, nature, true) }
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
        let poll_first = entry.dry_since == self.pass;
        let request = match (direction, entry.role) {
            (Direction::Read, Role::Listener) => {
                Request::Accept { listener: descriptor, multishot: false, poll_first }
            }
            (Direction::Read, Role::Stream) if entry.connected => {
                Request::Receive { stream: descriptor, multishot: false, poll_first }
            }
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

    /// Whether something has happened that only the next `select` sees to.
    fn has_news(&self) -> bool {
        self.rung || !self.starved.is_empty()
    }
}

impl Kernel for Uring {
    fn name(&self) -> &str {
        "uring"
    }

    fn clock(&self) -> Instant {
        native::clock()
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
        Ok(self.adopt_new(source, nature, connected))
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
        let entry = self.entries.get_mut(socket).ok_or_else(stale)?;
        if Rc::strong_count(&entry.source) > 1 {
            entry.recalled = false;
            let message = "the kernel does not let go of the socket; try again";
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, message));
        }
        if matches!(entry.role, Role::Stream | Role::Listener) {
            native::limit_blocking(entry.source.as_fd(), None);
        }
        let entry = self.entries.remove(socket);
        let source = entry.and_then(|entry| Rc::into_inner(entry.source));
        source.map(Into::into).ok_or_else(stale)
    }

    /// Asks the queue itself: what the ring accepts it accepts in an enter, so nothing is overtaken.
    fn accept(&mut self, socket: Socket, certain: bool) -> io::Result<(Socket, Kind, Address)> {
        let pass = self.pass;
        let entry = self.entries.get_mut(socket).ok_or_else(stale)?;
        if !certain && entry.dry_since == pass {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let answer = native::accept(entry.source.as_fd());
        if answer.as_ref().is_err_and(would_block) {
            entry.dry_since = pass;
        }
        let (child, peer) = answer?;
        let (child, kind) = self.adopt_accepted(child, &peer);
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

    fn abort(&mut self, socket: Socket) -> io::Result<()> {
        native::abort(self.fd(socket)?)
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
            // The end of an operation was waited for, and there the bell was heard or a buffer was missing.
            _ if self.has_news() => Some(Duration::ZERO),
            until => until.map(|until| until.saturating_duration_since(self.clock())),
        };
        if timeout == Some(Duration::ZERO) && !self.has_news() && mem::take(&mut self.brought) {
            return Ok(());
        }
        self.enter(timeout)?;
        self.settle_all(pool, news);
        self.feed(pool, news);
        self.brought = !(self.rung || news.arrivals.is_empty() && news.sent.is_empty());
        if self.rung {
            self.rung = false;
            news.answer_bell(&self.signals, &self.helpers);
        }
        Ok(())
    }

    fn take_over(&mut self, socket: Socket, parts: Vec<Lease>) -> Result<(), Vec<Lease>> {
        let Some(entry) = self.entries.get_mut(socket) else { return Err(parts) };
        if entry.writing.is_some() || entry.recalled || mem::take(&mut entry.is_full) {
            return Err(parts);
        }
        let request = Request::Send { stream: entry.share(), parts, zero_copy: false };
        self.begin(socket, Direction::Write, request);
        Ok(())
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
        for attempt in 0..MOST_RECALLS {
            let patience = if attempt < SWIFT_RECALLS { Duration::ZERO } else { LONGEST_BLOCK };
            let entered = self.enter(Some(patience));
            self.settle_all(pool, news);
            let is_over = |token| !self.ring.is_in_flight(token);
            if entered.is_err() || flights.into_iter().flatten().all(is_over) {
                return;
            }
        }
    }

    fn is_behind(&self) -> bool {
        self.behind || self.has_news()
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

/// How many enters the end of a cancelled operation is waited for. One is enough, unless a thread of the kernel's has it;
/// after these the descriptor stays open until the operation ends.
const MOST_RECALLS: usize = 30;

/// How many of them do not sleep.
const SWIFT_RECALLS: usize = 3;

/// How long an operation may block a thread of the kernel's.
const LONGEST_BLOCK: Duration = Duration::from_millis(1);
