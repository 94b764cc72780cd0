//! What has gone over the connection, and when it last did.

use std::cell::Cell;
use std::time::{Duration, Instant};

use switchboard::{EventLoop, sleep_until};

use super::operation::here;

/// Counted while the exchange goes on.
#[derive(Debug)]
pub(super) struct Traffic {
    begun: Instant,
    last: Cell<Instant>,
    pub(super) sent: Cell<u64>,
    pub(super) received: Cell<u64>,
}

impl Traffic {
    pub(super) fn new() -> Self {
        let begun = now();
        Self { begun, last: Cell::new(begun), sent: Cell::default(), received: Cell::default() }
    }

    pub(super) fn note_sent(&self, count: usize) {
        self.sent.set(self.sent.get() + count as u64);
        self.note_alive();
    }

    pub(super) fn note_received(&self, count: usize) {
        self.received.set(self.received.get() + count as u64);
        self.note_alive();
    }

    /// Something moved: what is slow is not idle.
    pub(super) fn note_alive(&self) {
        self.last.set(now());
    }

    /// How long it has gone on.
    pub(super) fn time(&self) -> Duration {
        now().saturating_duration_since(self.begun)
    }

    /// Waits until nothing has moved for so long; for ever, without a limit.
    pub(super) async fn idle_for(&self, time: Option<Duration>) {
        let Some(time) = time else { return std::future::pending().await };
        loop {
            let Some(due) = self.last.get().checked_add(time) else { return std::future::pending().await };
            if now() >= due {
                return;
            }
            sleep_until(due).await;
        }
    }
}

/// The time, as the loop has it.
pub(super) fn now() -> Instant {
    here(EventLoop::now)
}
