//! The real kernel below a selector: what would block is tried again when its lamp is lit.
//!
//! A socket's name *is* its key in the selector, which owns it. Each is registered with no interest when it is opened,
//! which costs no system call; interest comes with the first operation that has to wait. What is called for each message is
//! marked to be inlined: there are two to call it, the engine and the engine's faults, and neither is to pay for the other.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Instant;

use rustix::io::{Errno, fcntl_dupfd_cloexec};
use switchboard_selector::{self as selector, Events, Interest, Mode, Selector, Signal};

use super::error::stale;
use super::helpers::{Helpers, Job};
use super::kernel::{Kernel, Kind, Lamp, News, Role};
use super::native::{self, Nature, Source};
use super::{
    Address, Bell, Descriptor, Direction, Fact, Plan, Pool, Question, Setting, Socket, Ticket, random,
};

/// System calls and a selector.
pub(super) struct System {
    selector: Selector<Source>,
    events: Events,
    signals: Vec<Signal>,
    helpers: Helpers,
    random: u64,
}

impl System {
    /// On the mechanism named.
    pub(super) fn with(mechanism: selector::Mechanism) -> io::Result<Self> {
        Ok(Self::on(Selector::with(mechanism)?))
    }

    fn on(selector: Selector<Source>) -> Self {
        let bell = selector.bell();
        Self {
            helpers: Helpers::new(Bell::new(move || bell.ring())),
            selector,
            events: Events::default(),
            signals: Vec::new(),
            random: random::seed(),
        }
    }

    #[inline]
    fn fd(&self, socket: Socket) -> io::Result<BorrowedFd<'_>> {
        let source = self.selector.source(socket.into()).ok_or_else(stale)?;
        Ok(source.as_fd())
    }

    fn adopt(&mut self, source: Source, nature: Nature) -> io::Result<(Socket, Kind)> {
        let kind = self.kind(nature);
        let key = self.selector.register(source, Interest::NONE, kind.mode)?;
        Ok((key.into(), kind))
    }

    /// Lamps of our own sockets are edges where the mechanism has them.
    fn kind(&self, Nature { role, tcp }: Nature) -> Kind {
        let edges = role != Role::Foreign && self.selector.supports(Mode::Edge);
        let mode = if edges { Mode::Edge } else { Mode::Oneshot };
        // Where urgent data is not told of, a receive may be short because of it and no edge follow.
        let tells_urgent_data = self.selector.mechanism() != selector::Mechanism::Kqueue;
        Kind { role, mode, short_is_dry: tcp && tells_urgent_data, brings: false }
    }

    /// Whether the next descriptor would have a number that can be watched, where that is limited (select). Asked before accepting, so that
    /// a client past the limit waits in the queue, as it does when descriptors run out, and is not closed.
    fn check_room(&self, socket: Socket) -> io::Result<()> {
        if let Some(limit) = self.selector.mechanism().limit() {
            let probe = fcntl_dupfd_cloexec(self.fd(socket)?, 0)?;
            if probe.as_raw_fd() >= limit {
                return Err(Errno::MFILE.into());
            }
        }
        Ok(())
    }
}

impl Kernel for System {
    fn name(&self) -> &str {
        self.selector.mechanism().name()
    }

    #[inline]
    fn clock(&self) -> Instant {
        native::clock()
    }

    fn random(&mut self) -> u64 {
        random::next(&mut self.random)
    }

    fn bell(&self) -> Bell {
        let bell = self.selector.bell();
        Bell::new(move || bell.ring())
    }

    fn open(&mut self, plan: Plan) -> io::Result<(Socket, Kind)> {
        let (source, nature) = native::open(plan)?;
        self.adopt(source, nature)
    }

    fn ask(&mut self, socket: Socket, question: Question) -> io::Result<Fact> {
        native::ask(self.fd(socket)?, question)
    }

    fn set(&mut self, socket: Socket, setting: Setting) -> io::Result<()> {
        native::set(self.fd(socket)?, setting)
    }

    fn close(&mut self, socket: Socket, reset: bool) {
        if let Ok(Source::Owned(descriptor)) = self.selector.unregister(socket.into())
            && reset
        {
            native::reset(&descriptor);
        }
    }

    fn release(&mut self, socket: Socket) -> io::Result<Descriptor> {
        Ok(self.selector.unregister(socket.into())?.into())
    }

    fn accept(&mut self, socket: Socket, _: bool) -> io::Result<(Socket, Kind, Address)> {
        self.check_room(socket)?;
        let (child, peer) = native::accept(self.fd(socket)?)?;
        let (child, kind) = self.adopt(Source::Owned(child), Nature::stream(&peer))?;
        Ok((child, kind, peer))
    }

    fn connect(&mut self, socket: Socket, to: &Address) -> io::Result<()> {
        native::connect(self.fd(socket)?, to)
    }

    fn connected(&mut self, socket: Socket) -> io::Result<()> {
        native::connected(self.fd(socket)?)
    }

    #[inline]
    fn recv(&mut self, socket: Socket, into: &mut [u8], peek: bool) -> io::Result<usize> {
        native::recv(self.fd(socket)?, into, peek)
    }

    fn unread(&mut self, socket: Socket) -> io::Result<usize> {
        native::unread(self.fd(socket)?)
    }

    #[inline]
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
        self.signals.push(Signal::watch(number, self.selector.bell())?);
        Ok(())
    }

    fn start(&mut self, ticket: Ticket, job: Job) {
        self.helpers.start(ticket, job);
    }

    fn watch(&mut self, socket: Socket, interest: Interest, mode: Mode) -> io::Result<()> {
        self.selector.modify(socket.into(), interest, mode)
    }

    #[inline]
    fn select(&mut self, until: Option<Instant>, _: &Pool, news: &mut News) -> io::Result<()> {
        let timeout = until.map(|until| until.saturating_duration_since(self.clock()));
        self.selector.select(&mut self.events, timeout)?;
        for event in &self.events {
            news.lamps.push_back(Lamp {
                socket: event.key().into(),
                readable: event.readable(),
                writable: event.writable(),
                odd: event.read_closed() || event.error() || event.priority(),
            });
        }
        if self.events.rung() {
            news.answer_bell(&self.signals, &self.helpers);
        }
        Ok(())
    }
}
