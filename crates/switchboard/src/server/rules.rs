//! How a server treats its clients.

use std::time::Duration;

/// What a [`Server`](super::Server) was told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// How many at once.
    pub(super) limit: usize,
    /// After how long without a byte a connection is ended.
    pub(super) idle: Option<Duration>,
    /// How long handlers may go on when the server drains.
    pub(super) grace: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self { limit: usize::MAX, idle: None, grace: Duration::from_secs(2) }
    }
}

/// How long handlers have to flush when their reading was ended.
pub(super) const FLUSH: Duration = Duration::from_millis(200);
