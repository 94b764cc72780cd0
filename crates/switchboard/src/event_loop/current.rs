//! The loop whose pass is under way on this thread: set by the pass, and taken back at its end.
//!
//! Loops may share a thread, and one may be turned from a callback of another; so the passes under way are a
//! stack, kept in the frames that turn. A thread that turns no loop has no current one.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::{Callback, Core, EventLoop, Ready, SharedInbox};

thread_local! {
    static CURRENT: RefCell<Option<Rc<Core>>> = const { RefCell::new(None) };
}

/// A pass under way; when it is dropped, the one around it is again.
pub(super) struct Entered {
    outer: Option<Rc<Core>>,
}

/// Makes a loop the current one.
pub(super) fn enter(event_loop: &EventLoop) -> Entered {
    let core = Some(Rc::clone(&event_loop.core));
    // A loop may end with its thread, when there is no current one any more.
    Entered { outer: CURRENT.try_with(|current| current.replace(core)).ok().flatten() }
}

/// Whether a loop can become the current one: not while the thread's own values are being dropped.
pub(super) fn can_be_entered() -> bool {
    CURRENT.try_with(|_| ()).is_ok()
}

/// The current loop.
pub(super) fn get() -> Option<EventLoop> {
    let core = CURRENT.try_with(|current| current.borrow().clone()).ok().flatten();
    core.map(|core| EventLoop { core })
}

/// Makes a callback ready if its loop is the current one. Whether it is.
pub(super) fn make_ready(inbox: &Arc<SharedInbox>, callback: Callback) -> bool {
    let ready = CURRENT.try_with(|current| {
        let current = current.borrow();
        let Some(core) = current.as_ref().filter(|core| Arc::ptr_eq(&core.inbox, inbox)) else {
            return false;
        };
        core.ready.borrow_mut().push_back(Ready::Callback(callback));
        true
    });
    ready.unwrap_or(false)
}

impl Drop for Entered {
    fn drop(&mut self) {
        let inner = CURRENT.try_with(|current| current.replace(self.outer.take()));
        // Not in the line above: it may be the loop's last, and what is dropped with it may ask for the current one.
        drop(inner);
    }
}
