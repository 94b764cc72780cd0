//! What is known of a socket on a kernel with faults.

use switchboard_selector::{Interest, Mode};

use crate::engine::kernel::Kind;

/// One socket.
pub(super) struct Line {
    pub(super) kind: Kind,
    /// What a lamp is asked for.
    pub(super) watched: Interest,
    /// In the list of those that are watched.
    pub(super) is_listed: bool,
    /// What is not to be had before the next `select`.
    pub(super) hidden: Interest,
    /// How much of what was brought is held back.
    pub(super) held: usize,
    /// Its connection was broken, and somebody told.
    pub(super) is_reset: bool,
}

impl Line {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            watched: Interest::NONE,
            is_listed: false,
            hidden: Interest::NONE,
            held: 0,
            is_reset: false,
        }
    }

    /// Whether trying it is to be answered by `WouldBlock`.
    pub(super) fn hides(&self, interest: Interest) -> bool {
        self.hidden.contains(interest) || self.held > 0 && interest.contains(Interest::READ)
    }

    /// Notes that something was told: a watch that is good for once is over.
    pub(super) fn note_told(&mut self) {
        if self.kind.mode == Mode::Oneshot {
            self.watched = Interest::NONE;
        }
    }
}
