//! What happens to a panic in a callback: it is told, once, and the loop goes on.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A panic of user code that nobody else could have seen.
#[derive(Debug, Clone)]
pub struct Failure {
    message: String,
}

impl Failure {
    /// What the panic said.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a callback panicked: {}", self.message)
    }
}

/// Tells a handler of a panic. One in the handler, or in dropping what was thrown, ends here too.
pub(super) fn tell(handler: &dyn Fn(&Failure), panic: Box<dyn Any + Send>) {
    let message = match panic.downcast_ref::<&str>() {
        Some(text) => (*text).to_owned(),
        None => panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "something that is no text".into()),
    };
    let failure = Failure { message };
    for step in
        [catch_unwind(AssertUnwindSafe(|| handler(&failure))), catch_unwind(AssertUnwindSafe(|| drop(panic)))]
    {
        if let Err(again) = step {
            report(&failure);
            // Dropping this one could panic again, and so on; leaking a few bytes ends it.
            std::mem::forget(again);
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
