//! What the peers' servers share, so that none has an advantage: how much they read at once, and what they do when
//! descriptors have run out.

#![forbid(unsafe_code)]

pub mod readiness;
pub mod with_tokio;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Duration;

/// What each connection reads into, one buffer for its life. Twice the largest message that is usually measured, so that
/// a read comes back short, from which a runtime on epoll(7) knows without asking that no more is there.
pub const BUFFER: usize = 32 * 1024;

/// How long a server whose runtime has timers does not accept when it has run out of descriptors.
pub const PAUSE: Duration = Duration::from_millis(20);

/// Where a server on one thread, whose runtime has no timers unless it pays for them, waits for a connection to end, because
/// it has run out of descriptors.
#[derive(Default)]
pub struct Departures {
    ended: Cell<u64>,
    waits: RefCell<Option<Waker>>,
}

impl Departures {
    /// A connection has ended, and its descriptor is or will next be closed.
    pub fn one_more(&self) {
        self.ended.set(self.ended.get() + 1);
        if let Some(waker) = self.waits.take() {
            waker.wake();
        }
    }

    /// How many connections have ended.
    pub fn count(&self) -> u64 {
        self.ended.get()
    }

    /// Until more have ended than that.
    pub async fn beyond(&self, count: u64) {
        poll_fn(|context| {
            if self.ended.get() > count {
                return Poll::Ready(());
            }
            self.waits.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}
