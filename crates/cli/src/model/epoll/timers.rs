//! When whom is to be looked at though nothing came from them: in order of time, so that nobody else is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use switchboard_selector::Key;

/// One time for each, at most.
#[derive(Debug, Default)]
pub(super) struct Timers {
    in_order: BTreeSet<(Instant, Key)>,
    of: BTreeMap<Key, Instant>,
}

impl Timers {
    /// From now on it is this time, or none.
    pub(super) fn set(&mut self, key: Key, time: Option<Instant>) {
        let old = match time {
            Some(time) => self.of.insert(key, time),
            None => self.of.remove(&key),
        };
        if old != time {
            self.in_order.extend(time.map(|time| (time, key)));
            old.map(|old| self.in_order.remove(&(old, key)));
        }
    }

    /// Takes out one whose time has come.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Key> {
        let (time, key) = *self.in_order.first()?;
        if time > now {
            return None;
        }
        self.set(key, None);
        Some(key)
    }

    /// The next time.
    pub(super) fn next(&self) -> Option<Instant> {
        self.in_order.first().map(|(time, _)| *time)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some moment to count from")]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::time::Duration;
    use switchboard_selector::{Interest, Mechanism, Mode, Selector};

    fn keys<const COUNT: usize>() -> [Key; COUNT] {
        let mut selector = Selector::with(Mechanism::Poll).unwrap();
        std::array::from_fn(|_| {
            let socket = TcpListener::bind("127.0.0.1:0").unwrap();
            selector.register(socket, Interest::NONE, Mode::Level).unwrap()
        })
    }

    #[test]
    fn whoever_is_due_is_taken_out_once_and_nobody_before() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let [early, late, both] = keys();
        let mut timers = Timers::default();
        assert_eq!((timers.next(), timers.take_due(start)), (None, None));
        timers.set(late, Some(start + 3 * second));
        timers.set(early, Some(start + second));
        // Of the same time.
        timers.set(both, Some(start + 3 * second));
        assert_eq!((timers.next(), timers.take_due(start)), (Some(start + second), None));
        assert_eq!(timers.take_due(start + second), Some(early));
        assert_eq!(timers.take_due(start + 2 * second), None);
        let mut last = [timers.take_due(start + 3 * second), timers.take_due(start + 4 * second)];
        last.sort();
        assert_eq!(last, [Some(late), Some(both)]);
        assert_eq!((timers.next(), timers.take_due(start + 9 * second)), (None, None));
    }

    #[test]
    fn a_new_time_takes_the_place_of_the_old_one_and_none_of_both() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let [key] = keys();
        let mut timers = Timers::default();
        for time in [start + 2 * second, start + 5 * second, start + second, start + second] {
            timers.set(key, Some(time));
            assert_eq!(timers.next(), Some(time));
            assert_eq!((timers.in_order.len(), timers.of.len()), (1, 1));
        }
        timers.set(key, None);
        timers.set(key, None);
        assert!(timers.in_order.is_empty() && timers.of.is_empty());
    }
}
