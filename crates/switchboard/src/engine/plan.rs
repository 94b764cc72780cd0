//! How a socket begins and how it ends.

use std::any::Any;
use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use super::Address;

/// What [`open`](super::Engine::open) is to open.
#[derive(Debug)]
pub enum Plan {
    /// A socket that listens.
    Listen(Listen),
    /// A stream socket that is to connect to addresses like this one. `Op::Connect` connects it.
    Stream {
        /// Only its family counts.
        like: Address,
    },
    /// A datagram socket bound to this address.
    Datagram {
        /// Where it receives; port 0 picks a free one.
        bind: Address,
    },
    /// A descriptor opened elsewhere. Sockets are made non-blocking and owned; foreign ones are neither.
    Adopt(Descriptor),
}

/// A listening socket to be.
#[derive(Debug, Clone)]
pub struct Listen {
    /// Where to listen; port 0 picks a free one.
    pub address: Address,
    /// How many connections may wait to be accepted (`listen(2)`; the system may lower it).
    pub backlog: u32,
    /// Share the port with other sockets that set this, too (`SO_REUSEPORT`).
    pub reuse_port: bool,
}

impl Listen {
    /// Listens at `address` with a backlog of 1,024, the port not shared.
    ///
    /// `SO_REUSEADDR` is always set, so that a server may restart while old connections are in `TIME_WAIT`.
    #[must_use]
    pub fn at(address: Address) -> Self {
        Self { address, backlog: 1024, reuse_port: false }
    }
}

/// A descriptor that comes into an engine or leaves it.
pub enum Descriptor {
    /// A socket, owned: closed by the engine unless released.
    Owned(OwnedFd),
    /// Someone else's, borrowed through a value: never closed, duplicated or made non-blocking by us.
    /// It answers only [`Op::Ready`](super::Op::Ready), and comes back by [`Op::Release`](super::Op::Release).
    Foreign(Box<dyn AsFd>),
    /// One of a simulated network, for another engine of the same network.
    Simulated(Box<dyn Any + Send>),
}

impl From<OwnedFd> for Descriptor {
    fn from(descriptor: OwnedFd) -> Self {
        Self::Owned(descriptor)
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owned(descriptor) => f.debug_tuple("Owned").field(descriptor).finish(),
            Self::Foreign(source) => f.debug_tuple("Foreign").field(&source.as_fd()).finish(),
            Self::Simulated(_) => f.write_str("Simulated"),
        }
    }
}

/// How a socket is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// Finish what was submitted to be sent, send FIN, read away what the peer still sends, then close.
    ///
    /// A plain `close(2)` with unread input sends RST, and RST throws away what the peer has not read yet
    /// of our reply (RFC 1122, 4.2.2.13). Ends early when `bytes` were read away or `time` is over.
    Gently {
        /// How much of the peer's input to read away at most.
        bytes: usize,
        /// How long to wait for the peer's end at most.
        time: Duration,
    },
    /// `close(2)` at once: the system sends what it has taken over, if it can.
    Now,
    /// RST: both sides forget the connection (`SO_LINGER` of zero).
    Reset,
}

impl Close {
    /// What dropping a stream does: gently, for at most 1 MiB and two seconds.
    pub const GENTLY: Self = Self::Gently { bytes: 1 << 20, time: Duration::from_secs(2) };
}

impl Default for Close {
    fn default() -> Self {
        Self::GENTLY
    }
}
