//! Sleeping.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::budget;
use super::spawn::current;
use crate::event_loop::{Callback, EventLoop, WeakHandle};

/// Ready when its time has come; never early. It may be polled again then, and [reset](Self::reset).
///
/// *Cancel safety.* Dropping it forgets the timer, at once.
///
/// # Panics
///
/// When it is polled where no loop runs.
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct Sleep {
    due: Due,
    timer: Option<(WeakHandle, Callback)>,
}

enum Due {
    At(Instant),
    /// So long after the first poll.
    After(Duration),
}

/// Sleeps for so long, counted from this call. Where no loop runs it counts from the first poll, as it has no clock.
pub fn sleep(time: Duration) -> Sleep {
    let due = match EventLoop::current() {
        Some(event_loop) => Due::At(event_loop.deadline(time)),
        None => Due::After(time),
    };
    Sleep { due, timer: None }
}

/// Sleeps until this moment, on the clock of the loop ([`EventLoop::now`]).
pub fn sleep_until(moment: Instant) -> Sleep {
    Sleep { due: Due::At(moment), timer: None }
}

impl Sleep {
    /// Has it sleep until this moment instead, wherever it is.
    pub fn reset(&mut self, moment: Instant) {
        self.forget_timer();
        self.due = Due::At(moment);
    }

    pub(super) fn forget_timer(&mut self) {
        if let Some((home, timer)) = self.timer.take() {
            home.reach(move |event_loop| {
                event_loop.cancel(timer);
            });
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let event_loop = current("sleep");
        match &self.timer {
            // Over by a timer it is free of charge: that took a pass, in which others had their turn. A limit is looked
            // at last, and what it is put on may have spent all there was.
            Some((home, timer)) if home.names(&event_loop) => {
                ready!(event_loop.poll_woken(*timer, cx.waker()));
            }
            _ => {
                self.forget_timer();
                let due = match self.due {
                    Due::At(due) => due,
                    Due::After(time) => event_loop.deadline(time),
                };
                self.due = Due::At(due);
                if due > event_loop.now() || !budget::take() {
                    self.timer = Some((event_loop.weak_handle(), event_loop.wake_at(due, cx.waker())));
                    return Poll::Pending;
                }
            }
        }
        self.timer = None;
        Poll::Ready(())
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.forget_timer();
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.due {
            Due::At(due) => write!(f, "Sleep(until {due:?})"),
            Due::After(time) => write!(f, "Sleep(for {time:?})"),
        }
    }
}
