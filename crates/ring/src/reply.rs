//! What a ring answers.

use std::io;
use std::os::fd::OwnedFd;

use socket2::SockAddr;

use crate::poll_events::PollEvents;
use crate::request::Request;
use crate::token::Token;

/// The answer to a request; with multishot, one of its answers.
///
/// Dropping it closes what was accepted, and gives everything in it up.
#[derive(Debug)]
pub struct Reply<D, B> {
    /// Which operation.
    pub token: Token,
    /// How it went. A cancelled operation answers ECANCELED, unless it was done before.
    pub outcome: io::Result<Outcome>,
    /// The request with all that was given, with the last reply only. `None`: more replies are to come.
    ///
    /// A multishot request may end with any reply, a good one too, and must then be asked again.
    pub request: Option<Request<D, B>>,
}

/// What came of an operation that went well.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// A connection.
    Accepted {
        /// Non-blocking, close-on-exec.
        descriptor: OwnedFd,
        /// Whose it is. `None` with multishot.
        peer: Option<SockAddr>,
        /// The kernel says that more are waiting, or does not say (it does of TCP, since Linux 6.10).
        more: bool,
    },
    /// Bytes, or the end of the stream.
    Received {
        /// They are at the front. Of a group's buffer, give it back with
        /// [`Ring::provide`](crate::Ring::provide) in the end.
        buffer: Vec<u8>,
        /// How many; 0 is the end of the stream, and a buffer of the group has already gone back then.
        count: usize,
        /// The kernel says that more are waiting.
        more: bool,
    },
    /// Bytes were accepted (and, with zero copy, the parts are not needed any more).
    Sent {
        /// How many, over all parts.
        count: usize,
    },
    /// The connection stands.
    Connected,
    /// The descriptor is ready.
    Ready {
        /// For what.
        events: PollEvents,
    },
}
