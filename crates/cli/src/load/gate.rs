//! Where the threads of a load meet: it begins when each of them has its connections, and ends for all of them at once.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use switchboard::engine::Bell;

/// Where the threads of a load meet.
#[derive(Debug)]
pub(super) struct Gate {
    /// That have not come yet.
    awaited: AtomicUsize,
    is_enough: AtomicBool,
    is_over: AtomicBool,
    /// Of all threads, at any time, for who looks on.
    answered: AtomicU64,
    bells: Mutex<Vec<Bell>>,
}

impl Gate {
    /// For so many threads.
    pub(super) fn new(threads: usize) -> Self {
        Self {
            awaited: AtomicUsize::new(threads),
            is_enough: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            answered: AtomicU64::new(0),
            bells: Mutex::default(),
        }
    }

    /// What wakes a thread that waits elsewhere than in here.
    pub(super) fn wake_by(&self, bell: Bell) {
        self.bells.lock().unwrap_or_else(PoisonError::into_inner).push(bell);
    }

    /// One of them is ready. The last one wakes the others.
    pub(super) fn arrive(&self) {
        if self.awaited.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.ring();
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.awaited.load(Ordering::Acquire) == 0
    }

    /// Nothing more is to be sent; what is under way is waited for.
    pub(super) fn finish(&self) {
        self.is_enough.store(true, Ordering::Release);
        self.ring();
    }

    pub(super) fn is_enough(&self) -> bool {
        self.is_enough.load(Ordering::Acquire)
    }

    /// It is over for all of them.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        self.ring();
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// One of them has had so many answers more.
    pub(super) fn count_answered(&self, count: u64) {
        self.answered.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    fn ring(&self) {
        self.bells.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(Bell::ring);
    }
}
