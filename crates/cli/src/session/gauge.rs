//! How much waits to be sent, at most: read by whoever checks that it is bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Of all sessions that begin with it. A clone is the same gauge.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gauge {
    most: Arc<AtomicUsize>,
}

impl Gauge {
    /// So many bytes wait in one session.
    pub(super) fn rose_to(&self, waiting: usize) {
        self.most.fetch_max(waiting, Ordering::Relaxed);
    }

    /// The most that ever waited in one.
    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }
}
