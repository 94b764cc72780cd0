//! Calling the loop from other threads, and naming it from anywhere.

use std::sync::Arc;
use std::{error, fmt};

use super::{EventLoop, SharedInbox, current};
use crate::engine::Bell;

/// Calls a loop from other threads. As long as there is one, [`EventLoop::run`] goes on.
pub struct Handle {
    inbox: Arc<SharedInbox>,
    /// A loop without handles holds no counted bell, and so an engine can tell that nobody is left to ring it.
    bell: Bell,
}

/// A [`Handle`] that keeps no loop running: the loop's name. What futures and sockets hold.
#[derive(Clone)]
pub struct WeakHandle {
    inbox: Arc<SharedInbox>,
}

/// The loop has ended: nothing will be called back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopEnded;

/// What other threads have the loop do.
pub(super) type Letter = Box<dyn FnOnce(&EventLoop) + Send>;

impl Handle {
    pub(super) fn new(inbox: &Arc<SharedInbox>, bell: Bell) -> Self {
        inbox.add_handle();
        Self { inbox: Arc::clone(inbox), bell }
    }

    /// Calls back in a pass that begins after this call, on the loop's thread.
    ///
    /// # Errors
    ///
    /// [`LoopEnded`] when there is no loop any more; the callback is dropped.
    pub fn soon(&self, callback: impl FnOnce(&EventLoop) + Send + 'static) -> Result<(), LoopEnded> {
        post(&self.inbox, callback)
    }

    /// The loop's name, which keeps it running no longer.
    #[must_use]
    pub fn downgrade(&self) -> WeakHandle {
        WeakHandle { inbox: Arc::clone(&self.inbox) }
    }
}

impl WeakHandle {
    pub(super) fn new(inbox: &Arc<SharedInbox>) -> Self {
        Self { inbox: Arc::clone(inbox) }
    }

    /// Calls back in a pass that begins after this call, on the loop's thread.
    ///
    /// # Errors
    ///
    /// [`LoopEnded`] when there is no loop any more; the callback is dropped.
    pub fn soon(&self, callback: impl FnOnce(&EventLoop) + Send + 'static) -> Result<(), LoopEnded> {
        post(&self.inbox, callback)
    }

    /// The loop, if a pass of it is under way on this thread.
    pub(crate) fn current(&self) -> Option<EventLoop> {
        current::get().filter(|event_loop| Arc::ptr_eq(&event_loop.core.inbox, &self.inbox))
    }

    /// Does something on the loop: at once if it can be, otherwise in its next pass, and not at all when it has ended.
    /// For destructors, which may run anywhere, even while the loop is at work on something else.
    pub(crate) fn reach(&self, callback: impl FnOnce(&EventLoop) + Send + 'static) {
        match self.current() {
            Some(event_loop) if event_loop.is_at_rest() => callback(&event_loop),
            _ => drop(self.soon(callback)),
        }
    }

    /// Whether it names this loop.
    pub(crate) fn names(&self, event_loop: &EventLoop) -> bool {
        Arc::ptr_eq(&event_loop.core.inbox, &self.inbox)
    }
}

fn post(inbox: &SharedInbox, callback: impl FnOnce(&EventLoop) + Send + 'static) -> Result<(), LoopEnded> {
    let refused = inbox.post(Box::new(callback)).err();
    refused.map_or(Ok(()), |_dropped| Err(LoopEnded))
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        Self::new(&self.inbox, self.bell.clone())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.inbox.remove_handle();
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}

impl fmt::Debug for WeakHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakHandle")
    }
}

impl fmt::Display for LoopEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the event loop has ended")
    }
}

impl error::Error for LoopEnded {}
