//! What goes over a stream, for those who look after it from outside: a server.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::engine::Close;

/// The figures of one stream. Written by the loop's thread alone; atomic only because a stream may be moved.
#[derive(Debug)]
pub(crate) struct Traffic {
    begun: Instant,
    received: AtomicU64,
    sent: AtomicU64,
    /// Bytes that were given to be sent and are not yet taken over by the kernel.
    unsent: AtomicU64,
    /// When bytes last went either way, nanoseconds after `begun`.
    active: AtomicU64,
    /// How long dropping the stream may wait for the peer's end, nanoseconds.
    patience: AtomicU64,
}

impl Traffic {
    pub(crate) fn new(begun: Instant) -> Self {
        let patience = match Close::GENTLY {
            Close::Gently { time, .. } => nanoseconds(time),
            _ => 0,
        };
        Self {
            begun,
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            unsent: AtomicU64::new(0),
            active: AtomicU64::new(0),
            patience: AtomicU64::new(patience),
        }
    }

    /// When the connection was accepted.
    pub(crate) fn begun(&self) -> Instant {
        self.begun
    }

    /// Bytes that were received.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// Bytes that the kernel has taken over.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// Bytes that wait to be taken over by the kernel.
    pub(crate) fn unsent(&self) -> u64 {
        self.unsent.load(Relaxed)
    }

    /// Bytes that were given to be sent.
    pub(crate) fn given(&self) -> u64 {
        self.sent() + self.unsent()
    }

    /// When bytes last went either way.
    pub(crate) fn active(&self) -> Instant {
        self.begun + Duration::from_nanos(self.active.load(Relaxed))
    }

    /// Bounds how long dropping the stream may wait for the peer's end.
    pub(crate) fn set_patience(&self, time: Duration) {
        self.patience.store(nanoseconds(time), Relaxed);
    }

    /// How the stream is closed when it is dropped.
    pub(super) fn close(&self) -> Close {
        let time = Duration::from_nanos(self.patience.load(Relaxed));
        match Close::GENTLY {
            Close::Gently { bytes, .. } => Close::Gently { bytes, time },
            other => other,
        }
    }

    pub(super) fn note_received(&self, bytes: usize, now: Instant) {
        self.received.fetch_add(bytes as u64, Relaxed);
        self.note_active(now);
    }

    pub(super) fn note_to_send(&self, bytes: usize) {
        self.unsent.fetch_add(bytes as u64, Relaxed);
    }

    /// Of what was to be sent, so much was taken over.
    pub(super) fn note_sent(&self, bytes: usize, now: Instant) {
        self.unsent.fetch_sub(bytes as u64, Relaxed);
        self.sent.fetch_add(bytes as u64, Relaxed);
        self.note_active(now);
    }

    fn note_active(&self, now: Instant) {
        self.active.store(nanoseconds(now.saturating_duration_since(self.begun)), Relaxed);
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
