//! Tasks: futures that the event loop runs, on its own thread, with no `Send` asked of them.
//!
//! A task is a callback that schedules itself again: its waker is an alarm of the loop, its future a row of ours,
//! polled and dropped only on the loop's thread, each time under `catch_unwind`. What must stay true:
//!
//! * A future is dropped before anybody hears that its task has ended.
//! * A failure (an `Err`, a panic) that nobody was told of is reported, once: when a detached task ends, or when the
//!   handle of a held one is dropped unread.
//! * User code, which includes wakers and destructors, runs with nothing of ours borrowed or locked.

mod about;
mod block_on;
mod blocking;
mod budget;
mod canceller;
#[doc(hidden)]
pub mod entry;
mod future;
mod interval;
mod operation;
mod outcome;
mod scope;
mod signal;
mod sleep;
mod slot;
mod spawn;
mod tasks;
mod timeout;
mod yield_now;

use std::fmt;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

pub use block_on::run;
pub use blocking::spawn_blocking;
pub(crate) use budget::{is_spent, poll as poll_budget, refund, spend};
pub(crate) use canceller::Canceller;
#[doc(inline)]
pub use entry::main;
pub use future::TaskFuture;
pub use interval::{Interval, interval};
pub(crate) use operation::{Operation, elsewhere, operation};
pub use outcome::Outcome;
pub use scope::{Scope, scope};
pub use signal::{interrupt, signal};
pub use sleep::{Sleep, sleep, sleep_until};
pub use slot::Ended;
pub(crate) use spawn::spawn_for;
pub use spawn::{spawn, spawn_named};
pub use timeout::{TimedOut, timeout};
pub use yield_now::yield_now;

use slot::Slot;

/// A spawned future. Awaiting it gives its output; dropping it cancels it; [`detach`](Self::detach) lets it go on.
///
/// If the task panics, so does whoever awaits it, with the same payload; [`join`](Self::join) tells instead.
///
/// *Cancel safety.* It may be awaited by reference (`(&mut task).await`) and given up as often as one likes.
#[must_use = "a task is cancelled when it is dropped: await it or `detach` it"]
pub struct Task<T> {
    slot: Arc<Slot<T>>,
}

impl<T> Task<T> {
    /// Lets it go on by itself. Should it fail, that is reported when it ends (or now, if it has).
    pub fn detach(self) {
        self.slot.detach();
        // Nothing is left to be done for it, so that dropping `self` here cancels nothing.
    }

    /// Waits for its end and tells how it ended, without passing a panic on.
    ///
    /// # Errors
    ///
    /// [`Ended`], when it ended without an output.
    pub async fn join(mut self) -> Result<T, Ended> {
        std::future::poll_fn(|cx| self.poll_end(cx)).await
    }

    /// Cancels it, and waits until its future has been dropped. Its output, if it had ended before.
    pub async fn cancel(mut self) -> Option<T> {
        self.slot.cancel();
        let end = std::future::poll_fn(|cx| self.poll_end(cx)).await;
        match end {
            Ok(output) => Some(output),
            Err(ended) => {
                self.slot.report(Err(ended));
                None
            }
        }
    }

    /// Whether it has ended: awaiting it would not wait.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.slot.is_finished()
    }

    /// How it ended, if it has.
    pub(crate) fn end(self) -> Option<Result<T, Ended>> {
        match self.slot.poll(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(end) => Some(end),
            Poll::Pending => None,
        }
    }

    /// What cancels it without its handle.
    pub(crate) fn canceller(&self) -> Option<Canceller> {
        let name = self.slot.name()?;
        Some(Canceller { home: self.slot.about().home.clone(), name })
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Ended>> {
        spend(cx, |cx| self.slot.poll(cx))
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = self.get_mut();
        match ready!(this.poll_end(cx)) {
            Ok(output) => Poll::Ready(output),
            Err(Ended::Panicked(panic)) => resume_unwind(panic),
            Err(ended) => panic!("{} has no output: {ended}", this.slot.about()),
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.slot.abandon();
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Task({})", self.slot.about())
    }
}
