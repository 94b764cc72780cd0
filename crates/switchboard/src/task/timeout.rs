//! A bound in time on any future.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{error, fmt, io};

use pin_project_lite::pin_project;

use super::sleep::{Sleep, sleep};

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
    Limited { future: Some(future), time, limit: sleep(time) }
}

pin_project! {
    /// A future and its limit. An async block around them would store the future twice.
    struct Limited<F> {
        #[pin]
        future: Option<F>,
        time: Duration,
        limit: Sleep,
    }
}

impl<F: Future> Future for Limited<F> {
    type Output = Result<F::Output, TimedOut>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut().expect("a timeout is not polled after its end");
        let end = match future.poll(cx) {
            Poll::Ready(output) => Ok(output),
            Poll::Pending => match Pin::new(&mut *this.limit).poll(cx) {
                Poll::Ready(()) => Err(TimedOut { time: *this.time }),
                Poll::Pending => return Poll::Pending,
            },
        };
        // Whoever is told that it is over finds it dropped, however long this here is kept.
        this.future.set(None);
        this.limit.forget_timer();
        Poll::Ready(end)
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
