//! What the engine asks of the world below it: try this now, and tell me when to try again.
//!
//! Three things stand behind it: [`System`](super::system), which is a selector and system calls;
//! [`Uring`](super::uring), which begins what would block and brings what came of it; and
//! [`Simulated`](super::sim), which is a network in memory under virtual time. The engine above them, the
//! [`Lanes`](super::lanes), is one and the same: what holds on one holds on all, and what is simulated is the code that runs.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::time::Instant;

use switchboard_selector::{Interest, Mode, Signal};

use super::helpers::{Helpers, Job};
use super::{
    Address, Bell, Descriptor, Direction, Done, Fact, Lease, Plan, Pool, Question, Setting, Socket, Ticket,
};

/// Sockets that never wait, and lamps that tell when to try them.
///
/// Every call but [`select`](Kernel::select) answers at once; what cannot be done yet is
/// [`io::ErrorKind::WouldBlock`]. Those that accept, connect, receive or send may be
/// [`io::ErrorKind::Interrupted`]: then nothing was done, and the engine calls again. Names are checked by the engine before they come here.
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

    /// Takes the next connection. Only if it has to be certain is a queue asked that was seen to be empty since the last `select`.
    fn accept(&mut self, socket: Socket, certain: bool) -> io::Result<(Socket, Kind, Address)>;
    /// Begins to connect. `WouldBlock` when it is under way, and `Interrupted` too: connect(2) is the one call that goes on.
    fn connect(&mut self, socket: Socket, to: &Address) -> io::Result<()>;
    /// How the connecting ended. `WouldBlock` when it is still under way.
    fn connected(&mut self, socket: Socket) -> io::Result<()>;
    fn recv(&mut self, socket: Socket, into: &mut [u8], peek: bool) -> io::Result<usize>;
    /// How many bytes of a stream have arrived and wait to be received.
    fn unread(&mut self, socket: Socket) -> io::Result<usize>;
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
    /// A kernel that brings what arrives may bring it in [`News::arrivals`] instead.
    fn watch(&mut self, socket: Socket, interest: Interest, mode: Mode) -> io::Result<()>;
    /// Sleeps until there is news, or until `until`. Appends to `news`.
    fn select(&mut self, until: Option<Instant>, pool: &Pool, news: &mut News) -> io::Result<()>;

    /// Takes parts over, sends what one send takes of them in the background, and gives them back in
    /// [`News::sent`]: one send at a time per socket. A kernel that does not gives them back at once.
    fn take_over(&mut self, _socket: Socket, parts: Vec<Lease>) -> Result<(), Vec<Lease>> {
        Err(parts)
    }
    /// How many bytes it has taken over and not given back.
    fn taken_over(&self, _socket: Socket) -> usize {
        0
    }
    /// Ends all that goes on in the background of a socket, and begins nothing more on it. What came of it is in `news`.
    fn recall(&mut self, _socket: Socket, _pool: &Pool, _news: &mut News) {}
    /// Breaks its connection, as if a RST had come between the two ends: the peer is told at once. Only TCP has that, and not
    /// every system can do it. Nothing of the kernel's own is told of it: who asks for it answers for it.
    fn abort(&mut self, socket: Socket) -> io::Result<()>;
    /// Whether something was asked of it that it begins in the next `select`, or something has happened that it tells there.
    fn is_behind(&self) -> bool {
        false
    }
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
    /// What arrives on it, once it is watched for READ and connected, is brought: trying would be in vain.
    pub(super) brings: bool,
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
    pub(super) lamps: VecDeque<Lamp>,
    pub(super) arrivals: VecDeque<Arrived>,
    pub(super) sent: VecDeque<Sent>,
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

impl News {
    /// Takes in what the bell of a real kernel may have been rung for.
    pub(super) fn answer_bell(&mut self, signals: &[Signal], helpers: &Helpers) {
        for signal in signals {
            let count = signal.take();
            if count > 0 {
                self.signals.push((signal.number(), count));
            }
        }
        helpers.collect(&mut self.jobs);
    }
}

/// What was brought, and to which socket's read side.
pub(super) struct Arrived {
    pub(super) socket: Socket,
    pub(super) what: What,
}

pub(super) enum What {
    /// Bytes, or the end if there are none.
    Bytes(Lease),
    Connection {
        socket: Socket,
        kind: Kind,
        peer: Address,
    },
    Error(io::Error),
}

/// What came of a send that was taken over: the parts as they were given, and how many of their bytes were sent.
pub(super) struct Sent {
    pub(super) socket: Socket,
    pub(super) parts: Vec<Lease>,
    pub(super) outcome: io::Result<usize>,
}
