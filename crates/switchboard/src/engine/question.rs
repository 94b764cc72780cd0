//! What a socket can be asked, and what can be set on it.

use std::io;
use std::time::Duration;

use super::Address;

/// A question about a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Its own address. [`Fact::Address`].
    Local,
    /// The address at the other end. [`Fact::Address`].
    Peer,
    /// The error that waits on it (`SO_ERROR`), which asking does not clear for the operations. [`Fact::Error`].
    Error,
    /// How many bytes were submitted to be sent and the peer has not acknowledged: what waits in the engine, and what
    /// the kernel has taken over. [`Fact::Count`].
    Unsent,
    /// Whether small sends go out at once (`TCP_NODELAY`). [`Fact::Flag`].
    NoDelay,
    /// After how long a silent peer is probed (`SO_KEEPALIVE`, `TCP_KEEPIDLE`). [`Fact::Time`].
    KeepAlive,
    /// The size of the kernel's receive buffer, bytes (`SO_RCVBUF`; Linux doubles what was set). [`Fact::Count`].
    ReceiveBuffer,
    /// The size of the kernel's send buffer, bytes (`SO_SNDBUF`; Linux doubles what was set). [`Fact::Count`].
    SendBuffer,
}

/// An answer.
#[derive(Debug)]
pub enum Fact {
    /// An address.
    Address(Address),
    /// An error, if there is one.
    Error(Option<io::Error>),
    /// A number of bytes.
    Count(usize),
    /// Yes or no.
    Flag(bool),
    /// A time, or never.
    Time(Option<Duration>),
}

/// An option to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Send small pieces at once (`TCP_NODELAY`).
    NoDelay(bool),
    /// Probe a peer that was silent for so long (`SO_KEEPALIVE`, `TCP_KEEPIDLE`), or never.
    KeepAlive(Option<Duration>),
    /// Size of the kernel's receive buffer, bytes.
    ReceiveBuffer(usize),
    /// Size of the kernel's send buffer, bytes.
    SendBuffer(usize),
    /// Leave urgent bytes in the stream, where the peer sent them (`SO_OOBINLINE`), as TELNET needs it; otherwise they are
    /// taken out of it, and nobody gets them.
    UrgentInline(bool),
}
