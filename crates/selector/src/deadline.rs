//! How long a wait may still take: the crate's one look at the clock.
//!
//! Never early: the clock is asked again after each wait that brought nothing. Never overflowing: what
//! is left is the timeout minus the time passed, so no instant in the far future is ever computed.
//! Waits without a timeout, and those of zero, never look at the clock.

use std::time::{Duration, Instant};

use rustix::event::Timespec;

/// A timeout that has begun to run.
pub(crate) struct Deadline {
    timeout: Option<Duration>,
    start: Option<Instant>,
}

impl Deadline {
    /// The longest single wait asked of a kernel. More than a day is waited for day by day, far
    /// from the 2³¹ ms (24.8 days) at which epoll_wait(2) and poll(2) turn negative, which means
    /// for ever.
    pub(crate) const SLICE: Duration = Duration::from_secs(24 * 60 * 60);

    /// `timeout` from now on; `None` is for ever.
    #[inline]
    pub(crate) fn start(timeout: Option<Duration>) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "a selector on its own has no engine to ask for the time"
        )]
        let start = timeout.filter(|timeout| !timeout.is_zero()).map(|_| Instant::now());
        Self { timeout, start }
    }

    /// What is left of the timeout: `None` for ever, zero when it is over.
    pub(crate) fn left(&self) -> Option<Duration> {
        let passed = self.start.map_or(Duration::ZERO, |start| start.elapsed());
        self.timeout.map(|timeout| timeout.saturating_sub(passed))
    }
}

/// A slice of a wait as the kernels take it. A slice is short enough to always fit.
#[inline]
pub(crate) fn timespec(slice: Option<Duration>) -> Option<Timespec> {
    slice.and_then(|slice| Timespec::try_from(slice).ok())
}
