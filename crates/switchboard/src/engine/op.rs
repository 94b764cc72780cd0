//! Operations and their outcomes: plain enums with one meaning on every engine.

use std::any::Any;
use std::net::{Shutdown, SocketAddr};
use std::{error, fmt, io, thread};

use switchboard_selector::Interest;

use super::{Address, Descriptor, Lease, Socket, Ticket};

/// What an engine is asked to do. Values move in, and come back in a [`Done`] or a [`Failed`].
pub enum Op {
    /// Takes the next connection of a listener's queue. [`Done::Accepted`].
    Accept {
        /// Who listens.
        socket: Socket,
        /// Whether to wait for one; if not, [`io::ErrorKind::WouldBlock`] says for certain that the queue is empty.
        wait: bool,
    },
    /// Connects a stream. [`Done::Connected`].
    Connect {
        /// A socket opened with `Plan::Stream`.
        socket: Socket,
        /// To whom.
        to: Address,
    },
    /// Receives what is there, at least one byte. [`Done::Received`], empty at the end of the stream. How the bytes
    /// are cut into receives is no promise: what arrived apart may come joined, and the other way round.
    ///
    /// The engine lends the buffer when there is something to put into it; waiting holds none.
    Recv {
        /// From which stream.
        socket: Socket,
        /// At most so many bytes (at least one); the pool's buffer size bounds it, too.
        max: usize,
        /// Look at the bytes and leave them where they are.
        peek: bool,
    },
    /// Sends all the parts, in order. [`Done::Sent`]. Finished even when it is cancelled (law 4).
    Send {
        /// On which stream.
        socket: Socket,
        /// What to send.
        parts: Vec<Lease>,
    },
    /// Receives one datagram. [`Done::Datagram`].
    RecvFrom {
        /// On which socket.
        socket: Socket,
        /// How much of it is wanted; what is longer is cut, and said to be. 256 KiB at most.
        max: usize,
    },
    /// Sends one datagram. [`Done::Sent`].
    SendTo {
        /// On which socket.
        socket: Socket,
        /// To whom.
        to: Address,
        /// What to send.
        part: Lease,
    },
    /// Ends one or both directions, after what was submitted to be sent. [`Done::Shutdown`].
    ///
    /// `Shutdown::Read` takes effect at once: who receives gets what has arrived by then, and then the end; what the peer
    /// still sends is not received any more. The peer does not hear of it. A connection that is gone already counts as shut down.
    Shutdown {
        /// Which stream.
        socket: Socket,
        /// Which direction.
        how: Shutdown,
    },
    /// Waits until the socket may be tried. [`Done::Ready`]. All that a foreign descriptor can do.
    Ready {
        /// Which socket.
        socket: Socket,
        /// To be tried for what.
        direction: Direction,
    },
    /// Gives the descriptor back, after what was submitted to be sent. [`Done::Released`].
    ///
    /// Operations that wait on the socket then finish with an error, as if it were closed.
    Release {
        /// Which socket. Its name is stale once this is done and taken.
        socket: Socket,
    },
    /// Looks up the addresses of a host, off the loop's thread. [`Done::Resolved`].
    Resolve {
        /// A name or an address.
        host: String,
        /// Copied into the answers.
        port: u16,
    },
    /// Waits for a signal. [`Done::Signalled`]. The first of these for a number takes it over from the system.
    Signal {
        /// `SIGINT` is 2, `SIGTERM` is 15 (signal(7)).
        number: i32,
    },
    /// Runs blocking work on a helper thread. [`Done::Called`].
    Call {
        /// What to run.
        work: Work,
    },
}

/// Work for a helper thread.
pub type Work = Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>;

/// A direction of a socket: what a lane is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Receiving and accepting.
    Read,
    /// Sending and connecting.
    Write,
}

impl Direction {
    pub(crate) fn interest(self) -> Interest {
        match self {
            Self::Read => Interest::READ,
            Self::Write => Interest::WRITE,
        }
    }
}

/// The outcome of an operation that succeeded.
#[derive(Debug)]
pub enum Done {
    /// A connection.
    Accepted {
        /// Its name.
        socket: Socket,
        /// Who is at the other end.
        peer: Address,
    },
    /// The stream is connected.
    Connected,
    /// Some bytes; none is the end of the stream.
    Received {
        /// The bytes. Dropping it gives the buffer back to the pool.
        lease: Lease,
    },
    /// All was taken over by the kernel.
    Sent {
        /// How many bytes.
        bytes: usize,
        /// The buffers, emptied.
        parts: Vec<Lease>,
    },
    /// One datagram.
    Datagram {
        /// Its bytes, or the first `max` of them.
        lease: Lease,
        /// Its sender.
        from: Address,
        /// Whether it was longer than `max`.
        truncated: bool,
    },
    /// The direction has ended.
    Shutdown,
    /// The socket may be tried.
    Ready,
    /// The descriptor is the caller's again.
    Released {
        /// It, in whatever mode it was; the engine forgets it.
        descriptor: Descriptor,
        /// What had arrived and was never taken, in order.
        parked: Vec<io::Result<Done>>,
    },
    /// The addresses found, at least one.
    Resolved {
        /// In the system's order of preference.
        addresses: Vec<SocketAddr>,
    },
    /// The signal came.
    Signalled {
        /// How often since it was last taken, at least once.
        count: u64,
    },
    /// The work has ended.
    Called {
        /// What it returned, or what it panicked with.
        outcome: thread::Result<Box<dyn Any + Send>>,
    },
}

/// The outcome of an operation that failed, with what was given to it.
pub struct Failed {
    /// Why.
    pub error: io::Error,
    /// The operation. A send holds only what was not sent. `None` for a stale ticket.
    pub op: Option<Op>,
}

/// What [`submit`](super::Engine::submit) answers.
#[must_use = "a pending ticket that nobody takes or cancels is kept for good"]
#[derive(Debug)]
pub enum Submitted {
    /// It is done already.
    Done(Result<Done, Failed>),
    /// It will be: `wait` tells when.
    Pending(Ticket),
}

impl Op {
    /// The socket it is about, if it is about one.
    #[must_use]
    pub fn socket(&self) -> Option<Socket> {
        match *self {
            Self::Accept { socket, .. }
            | Self::Connect { socket, .. }
            | Self::Recv { socket, .. }
            | Self::Send { socket, .. }
            | Self::RecvFrom { socket, .. }
            | Self::SendTo { socket, .. }
            | Self::Shutdown { socket, .. }
            | Self::Ready { socket, .. }
            | Self::Release { socket } => Some(socket),
            Self::Resolve { .. } | Self::Signal { .. } | Self::Call { .. } => None,
        }
    }

    /// The direction of its socket that it is a turn on.
    #[must_use]
    pub fn direction(&self) -> Direction {
        match *self {
            Self::Ready { direction, .. } => direction,
            Self::Accept { .. } | Self::Recv { .. } | Self::RecvFrom { .. } => Direction::Read,
            _ => Direction::Write,
        }
    }

    /// Whether it goes on when nobody waits for it any more: its effect was promised, not its outcome.
    pub(crate) fn outlives_its_caller(&self) -> bool {
        matches!(self, Self::Send { .. } | Self::SendTo { .. } | Self::Connect { .. } | Self::Shutdown { .. })
    }

    /// Whether its outcome takes something off the lane that another would get if this one were not there.
    pub(crate) fn takes(&self) -> bool {
        matches!(self, Self::Accept { .. } | Self::Recv { .. } | Self::RecvFrom { .. })
    }

    /// The name of the operation, for messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accept { .. } => "accept",
            Self::Connect { .. } => "connect",
            Self::Recv { .. } => "receive",
            Self::Send { .. } => "send",
            Self::RecvFrom { .. } => "receive from",
            Self::SendTo { .. } => "send to",
            Self::Shutdown { .. } => "shut down",
            Self::Ready { .. } => "wait until ready",
            Self::Release { .. } => "release",
            Self::Resolve { .. } => "resolve",
            Self::Signal { .. } => "wait for a signal",
            Self::Call { .. } => "call",
        }
    }
}

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.socket() {
            Some(socket) => write!(f, "Op({} on {socket:?})", self.name()),
            None => write!(f, "Op({})", self.name()),
        }
    }
}

impl Failed {
    pub(crate) fn new(error: io::Error, op: Op) -> Self {
        Self { error, op: Some(op) }
    }
}

impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failed").field("error", &self.error).field("op", &self.op).finish()
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.op {
            Some(op) => write!(f, "cannot {}: {}", op.name(), self.error),
            None => self.error.fmt(f),
        }
    }
}

impl error::Error for Failed {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.error)
    }
}

impl From<Failed> for io::Error {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}
