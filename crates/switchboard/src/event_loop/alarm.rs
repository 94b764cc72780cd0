//! Alarms: callbacks that are called when a waker is woken, from whatever thread.
//!
//! A waker that was woken and whose callback has not run since is not queued again. The flag that knows is taken
//! back before the callback runs, so a wake during it is heard in the next pass; and both sides swap it, never
//! merely store, so each sees all that the other did before. An alarm that no waker is left of is used again.

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Wake, Waker};

use super::sync::{AtomicBool, Ordering};
use super::{Callback, SharedInbox, current};

/// Somebody who is called when a waker was woken, again and again and without an allocation each time.
pub trait Woken {
    /// Called in the run phase of the pass after the waker of that name was woken: once, however often it was.
    fn woken(self: Rc<Self>, event_loop: &super::EventLoop, name: Callback);

    /// What [`EventLoop::waiting`](super::EventLoop::waiting) calls who waits by the waker of that name: the name of this
    /// type, unless it has a better one. `None` if nobody does, as while it runs.
    fn who(&self, name: Callback) -> Option<String> {
        let _ = name;
        Some(std::any::type_name::<Self>().to_owned())
    }
}

/// What is behind such a waker.
pub(super) struct Alarm {
    inbox: Arc<SharedInbox>,
    name: Callback,
    queued: AtomicBool,
}

impl Alarm {
    pub(super) fn new(inbox: &Arc<SharedInbox>, name: Callback) -> Arc<Self> {
        Arc::new(Self { inbox: Arc::clone(inbox), name, queued: AtomicBool::new(false) })
    }

    /// The alarm as one of another name, if nobody else holds it.
    pub(super) fn renamed(mut alarm: Arc<Self>, name: Callback) -> Option<Arc<Self>> {
        let free = Arc::get_mut(&mut alarm)?;
        free.name = name;
        free.queued = AtomicBool::new(false);
        Some(alarm)
    }

    pub(super) fn is_free(alarm: &mut Arc<Self>) -> bool {
        Arc::get_mut(alarm).is_some()
    }

    pub(super) fn waker(self: &Arc<Self>) -> Waker {
        Arc::clone(self).into()
    }

    /// Whether it was woken, and its callback has not run since.
    pub(super) fn is_queued(&self) -> bool {
        self.queued.load(Ordering::Acquire)
    }

    /// Lets it be queued again. To be called before the callback.
    pub(super) fn rearm(&self) {
        self.queued.swap(false, Ordering::AcqRel);
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) && !current::make_ready(&self.inbox, self.name) {
            self.inbox.wake(self.name);
        }
    }
}
