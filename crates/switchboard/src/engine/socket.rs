//! Names: of a socket, and of an operation in flight.
//!
//! A name is an index and a generation. The generation changes when the place is used again, so a
//! name that has outlived what it named can only fail (law 6), never mean someone else.

use slotmap::{Key, new_key_type};
use switchboard_selector as selector;

new_key_type! {
    /// The name of a socket that an engine owns. Stale once it is closed or released.
    pub struct Socket;

    /// The name of an operation in flight. Stale once it is taken or cancelled.
    pub struct Ticket;
}

impl From<selector::Key> for Socket {
    fn from(key: selector::Key) -> Self {
        key.data().into()
    }
}

impl From<Socket> for selector::Key {
    fn from(socket: Socket) -> Self {
        socket.data().into()
    }
}
