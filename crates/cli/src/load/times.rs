//! How long things took: a histogram of nanoseconds, three digits exact, up to an hour.

use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

use hdrhistogram::Histogram;

/// How long things took.
#[derive(Clone, PartialEq)]
pub(crate) struct Times(Histogram<u64>);

impl Times {
    /// One more. What took longer than an hour counts as an hour.
    pub(crate) fn record(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What so many of a hundred did not exceed, to three digits. Zero if there were none.
    pub(crate) fn percentile(&self, percent: f64) -> Duration {
        Duration::from_nanos(self.0.value_at_percentile(percent)).min(self.max())
    }

    pub(crate) fn mean(&self) -> Duration {
        Duration::from_nanos(self.0.mean().round() as u64)
    }

    pub(crate) fn min(&self) -> Duration {
        Duration::from_nanos(if self.is_empty() { 0 } else { self.0.min() })
    }

    pub(crate) fn max(&self) -> Duration {
        Duration::from_nanos(self.0.max())
    }

    /// What somebody else recorded; `None` if it does not fit.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let mut times = Self::default();
        times.0.add(histogram).ok()?;
        Some(times)
    }

    pub(super) fn clear(&mut self) {
        self.0.reset();
    }

    /// As `HdrHistogram` has it.
    pub(crate) fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }
}

impl Default for Times {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST, DIGITS).expect("these bounds are in order"))
    }
}

/// Not its thirty thousand counts.
impl fmt::Debug for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, max) = (self.percentile(50.0), self.max());
        write!(f, "Times({} of {:?}..={max:?}, median {median:?})", self.count(), self.min())
    }
}

impl AddAssign<&Self> for Times {
    fn add_assign(&mut self, other: &Self) {
        self.0.add(&other.0).expect("they have the same bounds, or it grows");
    }
}

/// An hour, nanoseconds.
const LONGEST: u64 = 3_600_000_000_000;

/// Of each value that are exact.
const DIGITS: u8 = 3;
