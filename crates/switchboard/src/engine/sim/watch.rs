//! Who is told when: what a socket shows, and when showing it is news.
//!
//! As epoll(7) has it: something happens, and if it concerns what is watched, the socket joins the list of
//! those to be looked at; when the list is read, what it shows *then* is told, if that is anything. A new
//! watch joins the list at once if there is something to tell. Reading the list is the same for both kinds of lamps,
//! except that a oneshot watch ends with what it told.

use switchboard_selector::{Interest, Mode};

use crate::engine::kernel::Lamp;
use crate::engine::{Direction, Socket};

/// What a socket shows: the answer of poll(2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Signs {
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// The read side has ended; what arrived before may still be there.
    pub(super) read_closed: bool,
    /// Both sides have ended, or never began.
    pub(super) hung_up: bool,
    /// An error waits.
    pub(super) failed: bool,
}

/// What happened on a socket.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cause {
    /// Something came in.
    Arrival,
    /// There is room to send again.
    Room,
    /// It was connected, ended, reset: whoever watches for anything is told.
    Change,
}

/// What is asked of one socket.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pub(super) interest: Interest,
    pub(super) mode: Mode,
    /// In the list of its engine.
    pub(super) listed: bool,
}

impl Signs {
    /// Whether trying would not be answered by `WouldBlock`.
    pub(super) fn may(self, direction: Direction) -> bool {
        let shown = match direction {
            Direction::Read => self.readable,
            Direction::Write => self.writable,
        };
        shown || self.hung_up || self.failed
    }

    /// The lamp that tells it, if it has something for this interest.
    pub(super) fn lamp(self, socket: Socket, interest: Interest) -> Option<Lamp> {
        let readable = interest.contains(Interest::READ) && self.may(Direction::Read);
        let writable = interest.contains(Interest::WRITE) && self.may(Direction::Write);
        let lamp = Lamp { socket, readable, writable, odd: self.read_closed || self.hung_up || self.failed };
        (readable || writable).then_some(lamp)
    }
}

impl Watch {
    /// Whether it is news for the one who watches.
    pub(super) fn hears(&self, cause: Cause) -> bool {
        let heard = match cause {
            Cause::Arrival => Interest::READ,
            Cause::Room => Interest::WRITE,
            Cause::Change => self.interest,
        };
        !(self.interest & heard).is_empty()
    }
}
