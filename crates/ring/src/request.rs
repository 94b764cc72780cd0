//! What can be asked of a ring: operations that own all they work on.

use socket2::SockAddr;

use crate::poll_events::PollEvents;

/// An operation, with everything it needs. `D` owns the descriptor, `B` is a part to send.
///
/// It moves into the ring with `push` and comes back with the final [`Reply`](crate::Reply). Until then
/// its descriptor stays open, since the ring holds the `D`. The descriptor's own mode does not matter:
/// nothing here blocks the thread.
#[derive(Debug)]
pub enum Request<D, B> {
    /// Takes the next connection, or with `multishot` every one until the final reply.
    ///
    /// Accepted descriptors are non-blocking and close-on-exec. `poll_first` waits for a connection
    /// before it looks for one, which saves the first try when there is surely none; where the kernel
    /// does not know that for accept (before Linux 6.10) it is left out.
    Accept {
        /// The listening socket.
        listener: D,
        /// Many connections from one request; their peers' addresses are not told.
        multishot: bool,
        /// Wait first, then try.
        poll_first: bool,
    },
    /// One receive into a buffer of the group, or with `multishot` as many as come until the final reply.
    ///
    /// A buffer is taken from the group only when there is something to receive. With none left the
    /// operation ends with ENOBUFS; nothing of the stream is lost, ask again when buffers are back.
    Receive {
        /// The connected socket.
        stream: D,
        /// Many receives from one request.
        multishot: bool,
        /// Wait first, then try.
        poll_first: bool,
    },
    /// One receive into a buffer of the caller's, up to its `len()`.
    ReceiveInto {
        /// The connected socket.
        stream: D,
        /// Where to. The kernel has it: while the operation is in flight, what
        /// [`Ring::request`](crate::Ring::request) shows here is empty. It comes back with
        /// [`Outcome::Received`](crate::Outcome::Received), or here after an error.
        buffer: Vec<u8>,
    },
    /// What one send takes of the parts: not necessarily all. Never raises SIGPIPE. Of more than 1024
    /// parts the rest is left for another send.
    Send {
        /// The connected socket.
        stream: D,
        /// What to send, in this order.
        parts: Vec<B>,
        /// Let the network read straight from the parts. There is one reply, when it has finished with
        /// them, which with a slow peer may be long after the bytes were accepted. Worth it for many
        /// kilobytes at once.
        zero_copy: bool,
    },
    /// Connects a socket.
    Connect {
        /// The fresh socket.
        stream: D,
        /// Where to. Boxed, since all requests are as large as the largest.
        to: Box<SockAddr>,
    },
    /// Waits until the descriptor is ready for any of these, or with `multishot` tells at every edge
    /// until the final reply.
    Poll {
        /// What to watch: anything poll(2) takes.
        descriptor: D,
        /// What for.
        events: PollEvents,
        /// Told at every edge.
        multishot: bool,
    },
}

impl<D, B> Request<D, B> {
    /// What owns the descriptor.
    pub fn descriptor(&self) -> &D {
        match self {
            Self::Accept { listener: descriptor, .. }
            | Self::Receive { stream: descriptor, .. }
            | Self::ReceiveInto { stream: descriptor, .. }
            | Self::Send { stream: descriptor, .. }
            | Self::Connect { stream: descriptor, .. }
            | Self::Poll { descriptor, .. } => descriptor,
        }
    }

    /// The same, out of the request.
    pub fn into_descriptor(self) -> D {
        match self {
            Self::Accept { listener: descriptor, .. }
            | Self::Receive { stream: descriptor, .. }
            | Self::ReceiveInto { stream: descriptor, .. }
            | Self::Send { stream: descriptor, .. }
            | Self::Connect { stream: descriptor, .. }
            | Self::Poll { descriptor, .. } => descriptor,
        }
    }
}
