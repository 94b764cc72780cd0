//! The bell: ends a wait, from any thread.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// Ends the wait of the engine it came from: the one that sleeps, or else the next.
///
/// Ringing never blocks and is harmless when the engine is gone. Rung often, it may be heard once.
#[derive(Clone)]
pub struct Bell {
    ring: Arc<dyn Fn() + Send + Sync>,
    /// What counts this one among those that somebody may ring, where that is counted.
    held: Option<Arc<dyn Any + Send + Sync>>,
}

impl Bell {
    pub(crate) fn new(ring: impl Fn() + Send + Sync + 'static) -> Self {
        Self { ring: Arc::new(ring), held: None }
    }

    /// One that is counted for as long as `held` lives.
    pub(crate) fn counted(
        ring: impl Fn() + Send + Sync + 'static,
        held: impl Any + Send + Sync + 'static,
    ) -> Self {
        Self { ring: Arc::new(ring), held: Some(Arc::new(held)) }
    }

    /// The same bell, from which no engine concludes that somebody will ring it: an engine that can tell that nothing
    /// will ever happen again does not wait for this one.
    #[must_use]
    pub fn uncounted(&self) -> Self {
        Self { ring: Arc::clone(&self.ring), held: None }
    }

    /// Rings it.
    pub fn ring(&self) {
        (self.ring)();
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell").field("is_counted", &self.held.is_some()).finish()
    }
}
