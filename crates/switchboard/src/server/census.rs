//! How many are being served, on whatever thread, and how many may be.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Counts those who are served. Shared by all threads of a server.
#[derive(Debug)]
pub(super) struct Census {
    limit: usize,
    count: AtomicUsize,
    most: AtomicUsize,
    /// Who waits for room.
    waiting: Mutex<Option<Waker>>,
}

impl Census {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, count: AtomicUsize::new(0), most: AtomicUsize::new(0), waiting: Mutex::new(None) }
    }

    pub(super) fn enter(&self) {
        let count = self.count.fetch_add(1, Ordering::AcqRel) + 1;
        self.most.fetch_max(count, Ordering::Relaxed);
    }

    /// Somebody has gone, so there is room.
    pub(super) fn leave(&self) {
        self.count.fetch_sub(1, Ordering::AcqRel);
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    /// Waits until there is room for one more.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        if self.has_room() {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let old = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).replace(waker);
        drop(old);
        // Somebody may have gone before the waker was there to be woken.
        if self.has_room() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// The most there were at once.
    pub(super) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    fn has_room(&self) -> bool {
        self.count.load(Ordering::Acquire) < self.limit
    }
}
