//! Cancelling a task without holding its handle.

use crate::event_loop::{Callback, WeakHandle};

use super::tasks::Tasks;

/// The name of a task, to cancel it by.
#[derive(Debug, Clone)]
pub(crate) struct Canceller {
    pub(super) home: WeakHandle,
    pub(super) name: Callback,
}

impl Canceller {
    /// Cancels it, if it has not ended.
    pub(crate) fn cancel(&self) {
        let name = self.name;
        self.home.reach(move |event_loop| Tasks::cancel(event_loop, name));
    }
}
