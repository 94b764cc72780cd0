//! What a bell strikes when the network is in memory: a flag, and a condition for the one real sleep there is.
//!
//! It counts who could still ring. A sleep without a limit goes on only while somebody could; when the last
//! bell is dropped, the sleeper is told so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::engine::Bell;

/// One engine's.
pub(super) struct Chime {
    state: Mutex<State>,
    /// The same as in the state, for who asks each time a loop could be turned.
    is_rung: AtomicBool,
    changed: Condvar,
    /// The thread of the engine.
    home: ThreadId,
    rung_from_elsewhere: AtomicBool,
}

#[derive(Default)]
struct State {
    rung: bool,
    ringers: usize,
}

/// How a sleep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slept {
    Rung,
    /// Nobody is left who could ring.
    Forsaken,
    /// Somebody could, and has not.
    InVain,
}

/// Counts one bell, while it lives.
struct Ringer(Arc<Chime>);

impl Default for Chime {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            is_rung: AtomicBool::new(false),
            changed: Condvar::new(),
            home: thread::current().id(),
            rung_from_elsewhere: AtomicBool::new(false),
        }
    }
}

impl Chime {
    /// A new bell.
    pub(super) fn bell(self: &Arc<Self>) -> Bell {
        self.lock().ringers += 1;
        let chime = Arc::clone(self);
        Bell::counted(move || chime.ring(), Ringer(Arc::clone(self)))
    }

    /// Whether it was rung, and nobody has heard it yet.
    pub(super) fn is_rung(&self) -> bool {
        self.is_rung.load(Ordering::Acquire)
    }

    /// Whether it was rung since the last call.
    pub(super) fn take(&self) -> bool {
        self.hear(&mut self.lock())
    }

    /// Sleeps until it is rung, for so long at most if it is said how long; at once or later, there may be nobody left who could.
    pub(super) fn wait(&self, longest: Option<Duration>) -> Slept {
        let state = self.lock();
        let is_in_vain = |state: &mut State| !state.rung && state.ringers > 0;
        let mut state = match longest {
            None => self.changed.wait_while(state, is_in_vain).unwrap_or_else(PoisonError::into_inner),
            Some(longest) => {
                let waited = self.changed.wait_timeout_while(state, longest, is_in_vain);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        match (self.hear(&mut state), state.ringers) {
            (true, _) => Slept::Rung,
            (false, 0) => Slept::Forsaken,
            (false, _) => Slept::InVain,
        }
    }

    /// Whether another thread has rung it, ever.
    pub(super) fn was_rung_from_elsewhere(&self) -> bool {
        self.rung_from_elsewhere.load(Ordering::Relaxed)
    }

    fn hear(&self, state: &mut State) -> bool {
        self.is_rung.store(false, Ordering::Release);
        std::mem::take(&mut state.rung)
    }

    fn ring(&self) {
        if thread::current().id() != self.home {
            self.rung_from_elsewhere.store(true, Ordering::Relaxed);
        }
        let mut state = self.lock();
        state.rung = true;
        self.is_rung.store(true, Ordering::Release);
        drop(state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ringer {
    fn drop(&mut self) {
        self.0.lock().ringers -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_rings_are_heard_once() {
        let chime = Arc::new(Chime::default());
        let bell = chime.bell();
        bell.ring();
        bell.ring();
        assert_eq!(chime.wait(None), Slept::Rung);
        assert!(!chime.take());
    }

    #[test]
    fn with_nobody_to_ring_a_sleep_ends_at_once() {
        let chime = Arc::new(Chime::default());
        assert_eq!(chime.wait(None), Slept::Forsaken);
        drop(chime.bell().clone());
        assert_eq!(chime.wait(None), Slept::Forsaken);
    }

    #[test]
    fn dropping_the_last_bell_ends_a_sleep() {
        let chime = Arc::new(Chime::default());
        let bell = chime.bell();
        #[expect(clippy::disallowed_methods, reason = "a bell is dropped by another thread")]
        let thread = thread::spawn(move || drop(bell));
        assert_eq!(chime.wait(None), Slept::Forsaken);
        thread.join().unwrap();
    }

    #[test]
    fn a_sleep_that_is_long_enough_ends_though_somebody_could_ring() {
        let chime = Arc::new(Chime::default());
        let bell = chime.bell();
        assert_eq!(chime.wait(Some(Duration::from_millis(1))), Slept::InVain);
        bell.ring();
        assert_eq!(chime.wait(Some(Duration::from_secs(60))), Slept::Rung);
    }
}
