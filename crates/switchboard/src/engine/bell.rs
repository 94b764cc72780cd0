//! The bell: ends a wait, from any thread.

use std::fmt;
use std::sync::Arc;

/// Ends the wait of the engine it came from: the one that sleeps, or else the next.
///
/// Ringing never blocks and is harmless when the engine is gone. Rung often, it may be heard once.
#[derive(Clone)]
pub struct Bell {
    ring: Arc<dyn Fn() + Send + Sync>,
}

impl Bell {
    pub(crate) fn new(ring: impl Fn() + Send + Sync + 'static) -> Self {
        Self { ring: Arc::new(ring) }
    }

    /// Rings it.
    pub fn ring(&self) {
        (self.ring)();
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bell")
    }
}
