//! Timers, in the order they are due; those due at one moment in the order they were set.
//!
//! A balanced tree rather than a heap: a cancelled timer leaves at once, in O(log n), so timers that are
//! set and cancelled for ever (a timeout per message) take up nothing.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Callback;

/// All timers of a loop.
#[derive(Default)]
pub(super) struct Timers {
    due: BTreeMap<Timer, Callback>,
    count: u64,
}

/// The name of a timer: when it is due, and the how-many-th it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timer {
    due: Instant,
    number: u64,
}

impl Timer {
    pub(super) fn due(self) -> Instant {
        self.due
    }
}

impl Timers {
    pub(super) fn insert(&mut self, due: Instant, callback: Callback) -> Timer {
        let timer = Timer { due, number: self.count };
        self.count += 1;
        self.due.insert(timer, callback);
        timer
    }

    pub(super) fn remove(&mut self, timer: Timer) {
        self.due.remove(&timer);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.due.len()
    }

    /// When the first is due.
    pub(super) fn first(&self) -> Option<Instant> {
        self.due.first_key_value().map(|(timer, _)| timer.due)
    }

    /// Removes the first one if it is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Callback> {
        let first = self.due.first_entry()?;
        (first.key().due <= now).then(|| first.remove())
    }
}
