//! What can be spawned.

use std::fmt::Display;

use super::outcome::Outcome;

/// A future that a task can be: its output is an [`Outcome`], or it goes on for ever (`!`). Implemented for all of them.
pub trait TaskFuture: Future {
    /// The failure that an output means, if it means one.
    fn failure_of(output: &Self::Output) -> Option<&dyn Display>;
}

impl<F> TaskFuture for F
where
    F: Future,
    fn() -> F::Output: Judge<F::Output>,
{
    fn failure_of(output: &Self::Output) -> Option<&dyn Display> {
        <fn() -> F::Output as Judge<F::Output>>::failure(output)
    }
}

/// Judges outputs by the functions that would return them: `!` has a name in `fn() -> !` only, and to implement
/// [`Outcome`] for it by way of that would keep everybody else from implementing it for anything.
#[diagnostic::on_unimplemented(
    message = "`{T}` does not say whether it is a failure",
    label = "the output of this future",
    note = "a `Result` does, and plain values do; for a type of your own, `impl Outcome for {T} {{}}`"
)]
pub trait Judge<T> {
    /// The failure it is, if it is one.
    fn failure(output: &T) -> Option<&dyn Display>;
}

impl<T: Outcome> Judge<T> for fn() -> T {
    fn failure(output: &T) -> Option<&dyn Display> {
        output.failure()
    }
}

impl Judge<Never> for fn() -> ! {
    fn failure(_: &Never) -> Option<&dyn Display> {
        None
    }
}

type Never = <fn() -> ! as Returns>::Output;

/// What a function returns.
pub trait Returns {
    /// This.
    type Output;
}

impl<T> Returns for fn() -> T {
    type Output = T;
}
