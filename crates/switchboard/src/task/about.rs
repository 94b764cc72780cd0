//! What is known of a task beside its future: its name, where it was spawned, and who hears of its failure.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};

use crate::engine::discard_payload;
use crate::event_loop::{Failure, WeakHandle};

/// One task's.
pub(super) struct About {
    pub(super) name: Option<Cow<'static, str>>,
    pub(super) spawned: &'static Location<'static>,
    pub(super) home: WeakHandle,
}

impl About {
    /// Tells the loop's failure handler, from whatever thread. When the loop has ended, the default one is told.
    pub(super) fn report(&self, what: &str, message: String) {
        self.tell(Failure::new(format!("{self} {what}"), message));
    }

    fn tell(&self, failure: Failure) {
        self.home.tell(failure.of(self.name.clone()));
    }

    fn tell_panic(&self, what: &str, panic: &(dyn Any + Send)) {
        let message = Failure::message_of(panic);
        self.tell(Failure::new(format!("{self} {what}"), message).by_panic());
    }

    /// Tells of a panic, and gets rid of what was thrown.
    pub(super) fn report_panic(&self, what: &str, panic: Box<dyn Any + Send>) {
        self.tell_panic(what, &*panic);
        self.guard("panicked when what it had thrown was dropped", || drop(panic));
    }

    /// Runs user code; a panic in it is reported as what happened to this task, and ends nothing else.
    pub(super) fn guard<R>(&self, what: &str, code: impl FnOnce() -> R) -> Option<R> {
        match catch_unwind(AssertUnwindSafe(code)) {
            Ok(value) => Some(value),
            Err(panic) => {
                self.tell_panic(what, &*panic);
                discard_payload(panic);
                None
            }
        }
    }
}

/// `task "name" (spawned at src/main.rs:10:5)`.
impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "task {name:?} (spawned at {})", self.spawned),
            None => write!(f, "task (spawned at {})", self.spawned),
        }
    }
}
