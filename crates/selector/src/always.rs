//! Sources that are always ready, because their mechanism does not take them.
//!
//! POSIX says of poll(2) that regular files are always ready; epoll answers EPERM to them, and to
//! directories and /dev/null. So that every mechanism says the same, such sources queue here: while
//! one is armed, `select` does not sleep. They and the mechanism go first in turn, so neither can
//! fill a small buffer every time; and within the queue, who was reported goes to the end.

use std::collections::VecDeque;

use crate::event::{Event, Events, Lamps};
use crate::interest::{Interest, Mode};

/// The armed ones, in the order in which they are reported.
#[derive(Default)]
pub(crate) struct AlwaysReady {
    queue: VecDeque<Armed>,
    first: bool,
}

struct Armed {
    token: u64,
    interest: Interest,
    mode: Mode,
}

impl AlwaysReady {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Arms a source, in place of what it was armed for before. Urgent data it never has.
    pub(crate) fn arm(&mut self, token: u64, interest: Interest, mode: Mode) {
        self.disarm(token);
        let interest = interest & (Interest::READ | Interest::WRITE);
        if !interest.is_empty() {
            self.queue.push_back(Armed { token, interest, mode });
        }
    }

    pub(crate) fn disarm(&mut self, token: u64) {
        self.queue.retain(|armed| armed.token != token);
    }

    /// Whether these are reported ahead of the mechanism's: every second time.
    pub(crate) fn go_first(&mut self) -> bool {
        self.first = !self.first;
        self.first
    }

    /// Pushes each source's event once, as long as there is room.
    pub(crate) fn report(&mut self, events: &mut Events) {
        for _ in 0..events.room().min(self.queue.len()) {
            let Some(armed) = self.queue.pop_front() else { return };
            let mut lamps = Lamps::OFF;
            lamps.light(Lamps::READ, armed.interest.contains(Interest::READ));
            lamps.light(Lamps::WRITE, armed.interest.contains(Interest::WRITE));
            events.list.push(Event { token: armed.token, lamps });
            if armed.mode == Mode::Level {
                self.queue.push_back(armed);
            }
        }
    }
}
