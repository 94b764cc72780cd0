//! How long a wait may still take: the crate's one look at the clock.
//!
//! Never early: the clock is asked again after each wait that brought nothing. Never overflowing: what
//! is left is the timeout minus the time passed, so no instant in the far future is ever computed.
//! Waits without a timeout, and those of zero, never look at the clock.

use std::time::{Duration, Instant};

/// A timeout that has begun to run.
pub(super) struct Deadline {
    timeout: Option<Duration>,
    start: Option<Instant>,
}

impl Deadline {
    /// The longest single wait asked of the kernel, whose seconds are signed. More than a day is waited
    /// for day by day.
    pub(super) const SLICE: Duration = Duration::from_secs(24 * 60 * 60);

    /// `timeout` from now on; `None` is for ever.
    #[inline]
    pub(super) fn start(timeout: Option<Duration>) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a ring on its own has no engine to ask for the time")]
        let start = timeout.filter(|timeout| !timeout.is_zero()).map(|_| Instant::now());
        Self { timeout, start }
    }

    /// What is left of the timeout: `None` for ever, zero when it is over.
    #[inline]
    pub(super) fn left(&self) -> Option<Duration> {
        let passed = self.start.map_or(Duration::ZERO, |start| start.elapsed());
        self.timeout.map(|timeout| timeout.saturating_sub(passed))
    }

    /// Whether the timeout is over.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }
}
