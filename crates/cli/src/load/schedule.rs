//! When messages are due, by the clock and by nothing else: the open loop.

use std::time::{Duration, Instant};

/// When one thread's messages are due.
///
/// Of all threads' messages, in order, it has each `step`-th. In the warm-up they come at the first rate; from then on the rate
/// changes evenly to the last.
#[derive(Debug)]
pub(super) struct Schedule {
    begin: Instant,
    warm_up: f64,
    /// Seconds from the end of the warm-up to the end.
    length: f64,
    /// Messages a second.
    from: f64,
    to: f64,
    /// The next one's number, among all threads'.
    number: u64,
    step: u64,
    next: Option<Instant>,
}

impl Schedule {
    /// From this moment on, for one thread of so many. Without a length, the rate stays what it is, and it never ends.
    pub(super) fn new(
        begin: Instant,
        warm_up: Duration,
        length: Option<Duration>,
        (from, to): (f64, f64),
        (thread, threads): (usize, usize),
    ) -> Self {
        let length = length.map_or(f64::INFINITY, |length| length.as_secs_f64());
        let (number, step) = (thread as u64, threads as u64);
        let mut schedule =
            Self { begin, warm_up: warm_up.as_secs_f64(), length, from, to, number, step, next: None };
        schedule.next = schedule.due(number);
        schedule
    }

    /// When the next one is due; `None` when there is no other.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// That one is taken care of.
    pub(super) fn advance(&mut self) {
        self.number += self.step;
        self.next = self.due(self.number);
    }

    fn due(&self, number: u64) -> Option<Instant> {
        let number = number as f64;
        let before = self.from * self.warm_up;
        let seconds = if number < before {
            number / self.from
        } else {
            self.warm_up + self.since_warm_up(number - before).filter(|seconds| *seconds < self.length)?
        };
        self.begin.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
    }

    /// When so many have been due: a rate that changes evenly is a parabola of messages.
    fn since_warm_up(&self, number: f64) -> Option<f64> {
        let change = if self.length.is_finite() { (self.to - self.from) / self.length } else { 0.0 };
        if change == 0.0 {
            return Some(number / self.from);
        }
        // With a rate that falls there is an end to them, before the end of the time or behind it. The formula is the one that keeps its
        // digits when the change is small.
        let root = (self.from * self.from + 2.0 * change * number).sqrt();
        (!root.is_nan()).then(|| 2.0 * number / (self.from + root))
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any moment would do")]
mod tests {
    use super::*;

    fn all(schedule: &mut Schedule) -> Vec<f64> {
        let begin = schedule.begin;
        std::iter::from_fn(|| {
            let due = schedule.next()?;
            schedule.advance();
            Some((due - begin).as_secs_f64())
        })
        .collect()
    }

    #[test]
    fn a_constant_rate_is_evenly_spaced_and_ends() {
        let second = Some(Duration::from_secs(1));
        let due = all(&mut Schedule::new(Instant::now(), Duration::ZERO, second, (4.0, 4.0), (0, 1)));
        assert_eq!(due, [0.0, 0.25, 0.5, 0.75]);
    }

    #[test]
    fn threads_take_turns() {
        let (begin, second) = (Instant::now(), Some(Duration::from_secs(1)));
        let of = |thread| all(&mut Schedule::new(begin, Duration::ZERO, second, (4.0, 4.0), (thread, 2)));
        assert_eq!((of(0), of(1)), (vec![0.0, 0.5], vec![0.25, 0.75]));
    }

    #[test]
    fn a_ramp_goes_through_all_rates_between() {
        for (from, to) in [(100.0, 300.0), (300.0, 100.0)] {
            let length = Duration::from_secs(10);
            let warm_up = Duration::from_secs(1);
            let due = all(&mut Schedule::new(Instant::now(), warm_up, Some(length), (from, to), (0, 1)));
            let within = |a: f64, b: f64| due.iter().filter(|due| (a..b).contains(*due)).count() as f64;
            assert_eq!(within(0.0, 1.0), from);
            assert!((within(1.0, 11.0) - 2000.0).abs() <= 1.0, "{}", within(1.0, 11.0));
            // The rate in the middle second is the mean of both.
            assert!((within(5.5, 6.5) - 200.0).abs() <= 2.0, "{}", within(5.5, 6.5));
        }
    }
}
