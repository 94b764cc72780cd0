//! Again and again, at equal distances.

use std::time::{Duration, Instant};

use super::sleep::{Sleep, sleep_until};
use super::spawn::current;

/// Ticks, see [`interval`].
#[derive(Debug)]
pub struct Interval {
    period: Duration,
    next: Instant,
    sleep: Sleep,
}

/// Ticks once per period, the first time one period from now.
///
/// Who comes late for a tick gets it at once; whole periods that were slept through are left out, and the ticks
/// after them come when they would have come.
///
/// # Panics
///
/// When the period is zero, or no loop runs this code.
#[must_use]
pub fn interval(period: Duration) -> Interval {
    assert!(
        !period.is_zero(),
        "interval: a period of zero would never let anything else run; use `yield_now`"
    );
    let next = current("interval").deadline(period);
    Interval { period, next, sleep: sleep_until(next) }
}

impl Interval {
    /// Waits for the next tick, and says when it was due.
    ///
    /// *Cancel safety.* Dropping it loses no tick.
    pub async fn tick(&mut self) -> Instant {
        (&mut self.sleep).await;
        let due = self.next;
        let late = current("tick").now().saturating_duration_since(due);
        let missed = late.as_nanos() / self.period.as_nanos();
        let ahead = u32::try_from(missed + 1).ok().and_then(|periods| self.period.checked_mul(periods));
        self.next =
            ahead.and_then(|ahead| due.checked_add(ahead)).unwrap_or_else(|| due + late + self.period);
        self.sleep.reset(self.next);
        due
    }
}
