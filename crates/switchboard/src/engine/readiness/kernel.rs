//! What a readiness engine asks of the system below it: try this now, and tell me when to try again.
//!
//! Two things stand behind it: [`System`](super::system), which is a selector and system calls, and
//! [`Memory`](super::memory), which is a network in memory under virtual time. The engine above them is
//! one and the same, so that what is simulated is the code that runs.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::time::Instant;

use switchboard_selector::{Interest, Mode};

use crate::engine::helpers::Job;
use crate::engine::{
    Address, Bell, Descriptor, Direction, Done, Fact, Plan, Question, Setting, Socket, Ticket,
};

/// Sockets that never wait, and lamps that tell when to try them.
///
/// Every call but [`select`](Kernel::select) answers at once; what cannot be done yet is
/// [`io::ErrorKind::WouldBlock`]. Names are checked by the engine before they come here.
pub(super) trait Kernel {
    fn name(&self) -> &str;
    fn clock(&self) -> Instant;
    fn random(&mut self) -> u64;
    fn bell(&self) -> Bell;

    fn open(&mut self, plan: Plan) -> io::Result<(Socket, Kind)>;
    fn ask(&mut self, socket: Socket, question: Question) -> io::Result<Fact>;
    fn set(&mut self, socket: Socket, setting: Setting) -> io::Result<()>;
    /// Closes it at once; with RST if `reset`.
    fn close(&mut self, socket: Socket, reset: bool);
    /// Forgets it and hands its descriptor out.
    fn release(&mut self, socket: Socket) -> io::Result<Descriptor>;

    fn accept(&mut self, socket: Socket) -> io::Result<(Socket, Kind, Address)>;
    /// Begins to connect. `WouldBlock` when it is under way.
    fn connect(&mut self, socket: Socket, to: &Address) -> io::Result<()>;
    /// How the connecting ended. `WouldBlock` when it is still under way.
    fn connected(&mut self, socket: Socket) -> io::Result<()>;
    fn recv(&mut self, socket: Socket, into: &mut [u8], peek: bool) -> io::Result<usize>;
    fn send(&mut self, socket: Socket, parts: &[IoSlice<'_>]) -> io::Result<usize>;
    /// The length of the whole datagram, even if less of it fits.
    fn recv_from(&mut self, socket: Socket, into: &mut [u8]) -> io::Result<(usize, Address)>;
    fn send_to(&mut self, socket: Socket, part: &[u8], to: &Address) -> io::Result<usize>;
    fn shutdown(&mut self, socket: Socket, how: Shutdown) -> io::Result<()>;
    /// Whether trying it would not be answered by `WouldBlock`, asked afresh.
    fn ready(&mut self, socket: Socket, direction: Direction) -> io::Result<bool>;

    /// Begins to count a signal; each time it came is told once, in [`News::signals`].
    fn watch_signal(&mut self, number: i32) -> io::Result<()>;
    /// Begins work off the loop; its outcome is told in [`News::jobs`].
    fn start(&mut self, ticket: Ticket, job: Job);

    /// Asks for a lamp. With [`Mode::Edge`] once for good, with [`Mode::Oneshot`] for the next one.
    fn watch(&mut self, socket: Socket, interest: Interest, mode: Mode) -> io::Result<()>;
    /// Sleeps until there is news, or until `until`. Appends to `news`.
    fn select(&mut self, until: Option<Instant>, news: &mut News) -> io::Result<()>;
}

/// What a socket is, as far as the engine treats it differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) role: Role,
    /// How its lamps work.
    pub(super) mode: Mode,
    /// On an edge, a receive that came back with less than it asked for has emptied the socket, and a send
    /// that took less has filled it: true of TCP only. (A Unix socket also stops at a passed descriptor.)
    pub(super) short_is_dry: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Listener,
    Stream,
    Datagram,
    Foreign,
}

impl Role {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Stream => "stream",
            Self::Datagram => "datagram socket",
            Self::Foreign => "foreign descriptor, which answers only readiness",
        }
    }
}

/// What one `select` brought.
#[derive(Default)]
pub(super) struct News {
    pub(super) lamps: Vec<Lamp>,
    pub(super) signals: Vec<(i32, u64)>,
    pub(super) jobs: VecDeque<(Ticket, io::Result<Done>)>,
}

/// A socket that may be tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lamp {
    pub(super) socket: Socket,
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// The peer's end, an error or urgent data: after this, a short receive is no sign that nothing is left.
    pub(super) odd: bool,
}
