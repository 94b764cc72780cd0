//! A bound in time on any future.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use std::{error, fmt, io};

use super::sleep;

/// It was not done in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimedOut {
    time: Duration,
}

/// Waits for a future, for so long at most, counted from this call; then drops it.
///
/// *Cancel safety.* That of the future.
///
/// # Errors
///
/// [`TimedOut`], which turns into an [`io::Error`] with `?`.
pub fn timeout<F: Future>(time: Duration, future: F) -> impl Future<Output = Result<F::Output, TimedOut>> {
    let limit = sleep(time);
    async move {
        let (mut future, mut limit) = (pin!(future), pin!(limit));
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            limit.as_mut().poll(cx).map(|()| Err(TimedOut { time }))
        })
        .await
    }
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not done within {:?}", self.time)
    }
}

impl error::Error for TimedOut {}

impl From<TimedOut> for io::Error {
    fn from(error: TimedOut) -> Self {
        Self::new(io::ErrorKind::TimedOut, error)
    }
}
