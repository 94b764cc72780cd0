//! The course of a load, second by second, in little room.

use std::time::Duration;

use crate::load::tally::{Interval, Phase};

/// What a second came to: what is left of an [`Interval`], of which a long load would have too many.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Second {
    /// Its end, since the beginning.
    pub(super) end: f64,
    pub(super) length: f64,
    /// Whether it is not of the warm-up.
    pub(super) counts: bool,
    pub(super) answered: u64,
    pub(super) failed: u64,
    /// Of the exchanges that ended in it, if there were any.
    pub(super) median: Option<Duration>,
    pub(super) slow: Option<Duration>,
}

impl Second {
    /// Notes the interval that follows those there are. One that is too short for a rate, such as the last, becomes a part of the
    /// one before it.
    pub(crate) fn follow(seconds: &mut Vec<Self>, interval: &Interval) {
        let begin = seconds.last().map_or(0.0, |second| second.end);
        let next = Self::new(interval, begin);
        match seconds.last_mut() {
            Some(last) if next.length < SHORTEST && last.counts == next.counts => *last = last.and(next),
            _ => seconds.push(next),
        }
    }

    /// Of an interval that begins so long after the beginning of the load.
    fn new(interval: &Interval, begin: f64) -> Self {
        let percentile = |percent| {
            let times = &interval.exchange;
            (!times.is_empty()).then(|| times.percentile(percent))
        };
        Self {
            end: begin + interval.length.as_secs_f64(),
            length: interval.length.as_secs_f64(),
            counts: interval.phase >= Phase::Measuring,
            answered: interval.answered,
            failed: interval.failures.total(),
            median: percentile(50.0),
            slow: percentile(99.0),
        }
    }

    /// So many that they can be told apart in a plot.
    pub(super) fn thinned(seconds: &[Self]) -> Vec<Self> {
        let each = seconds.len().div_ceil(MOST).max(1);
        seconds.chunks(each).filter_map(|some| some.iter().copied().reduce(Self::and)).collect()
    }

    /// Both, as one.
    fn and(self, next: Self) -> Self {
        Self {
            end: next.end,
            length: self.length + next.length,
            counts: next.counts,
            answered: self.answered + next.answered,
            failed: self.failed + next.failed,
            median: self.median.max(next.median),
            slow: self.slow.max(next.slow),
        }
    }
}

/// Seconds.
const SHORTEST: f64 = 0.2;

/// Moments in a plot.
const MOST: usize = 300;
