//! What happens to what nobody else could hear of, such as a panic in a callback: it is told, once, and the
//! loop goes on.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::WeakHandle;
use crate::engine::discard_payload;

/// What failed with nobody to see it: a panic of user code, an acceptor that cannot go on.
#[derive(Debug, Clone)]
pub struct Failure {
    what: Cow<'static, str>,
    message: String,
    task: Option<Cow<'static, str>>,
    is_panic: bool,
}

impl Failure {
    pub(crate) fn new(what: impl Into<Cow<'static, str>>, message: String) -> Self {
        Self { what: what.into(), message, task: None, is_panic: false }
    }

    /// The same, of the task of this name.
    pub(crate) fn of(self, task: Option<Cow<'static, str>>) -> Self {
        Self { task, ..self }
    }

    /// The same, by a panic.
    pub(crate) fn by_panic(self) -> Self {
        Self { is_panic: true, ..self }
    }

    /// What a panic says, if it says something.
    pub(crate) fn message_of(panic: &(dyn Any + Send)) -> String {
        match panic.downcast_ref::<&str>() {
            Some(text) => (*text).to_owned(),
            None => {
                panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "something that is no text".into())
            }
        }
    }

    /// Tells of it where no loop's handler can.
    pub(crate) fn report(&self) {
        report(self);
    }

    /// What the panic or the error said.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The name of the task that failed, if it has one. A server names the tasks of its clients: `client 127.0.0.1:50000`.
    #[must_use]
    pub fn task(&self) -> Option<&str> {
        self.task.as_deref()
    }

    /// Whether it was a panic, which is a bug, and no error, which may be the world's doing.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        self.is_panic
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.message)
    }
}

impl WeakHandle {
    /// Tells the loop's failure handler, from whatever thread. When the loop has ended, the default one is told.
    pub(crate) fn tell(&self, failure: Failure) {
        let mut untold = Untold { failure: Some(failure), home: self.clone() };
        self.reach(move |_| untold.tell());
    }
}

/// A failure on its way to the handler. Should the loop end before it arrives, it is told by being dropped.
struct Untold {
    failure: Option<Failure>,
    home: WeakHandle,
}

impl Untold {
    fn tell(&mut self) {
        let Some(failure) = self.failure.take() else { return };
        match self.home.current() {
            Some(event_loop) => event_loop.report(&failure),
            None => failure.report(),
        }
    }
}

impl Drop for Untold {
    fn drop(&mut self) {
        self.tell();
    }
}

/// Tells a handler of a panic. One in the handler, or in dropping what was thrown, ends here too.
pub(super) fn tell(handler: &dyn Fn(&Failure), panic: Box<dyn Any + Send>) {
    let message = Failure::message_of(&*panic);
    let failure = Failure::new("a callback panicked", message).by_panic();
    for step in
        [catch_unwind(AssertUnwindSafe(|| handler(&failure))), catch_unwind(AssertUnwindSafe(|| drop(panic)))]
    {
        if let Err(again) = step {
            report(&failure);
            discard_payload(again);
        }
    }
}

/// The default handler.
pub(super) fn report(failure: &Failure) {
    if tracing::dispatcher::has_been_set() {
        tracing::error!("{failure}");
    } else {
        use std::io::Write;
        // A closed stderr is no reason to fail as well.
        writeln!(std::io::stderr(), "{failure}").ok();
    }
}
