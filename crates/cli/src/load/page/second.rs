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
    /// Of an interval that begins so long after the beginning of the load.
    pub(crate) fn new(interval: &Interval, begin: Duration) -> Self {
        let percentile = |percent| {
            let times = &interval.exchange;
            (!times.is_empty()).then(|| times.percentile(percent))
        };
        Self {
            end: (begin + interval.length).as_secs_f64(),
            length: interval.length.as_secs_f64(),
            counts: interval.phase >= Phase::Measuring,
            answered: interval.answered,
            failed: interval.failures.total(),
            median: percentile(50.0),
            slow: percentile(99.0),
        }
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

/// So many that they can be told apart in a plot.
pub(super) fn thinned(seconds: &[Second]) -> Vec<Second> {
    let each = seconds.len().div_ceil(MOST).max(1);
    seconds.chunks(each).filter_map(|some| some.iter().copied().reduce(Second::and)).collect()
}

/// Moments in a plot.
const MOST: usize = 300;
