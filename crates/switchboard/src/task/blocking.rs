//! Blocking work, beside the loop.
//!
//! The result goes from the helper thread to the task past the engine, so that one nobody wants any more is dropped
//! on the helper thread, never within the engine's wait.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{mem, thread};

use super::outcome::Outcome;
use super::spawn::{current, start};
use super::{Task, operation};
use crate::engine::{Done, Op, Work, discard_payload};

/// Runs blocking work on a helper thread of the engine: what reads a file, or computes for long. A panic in it is the
/// task's.
///
/// Work that has begun cannot be stopped: when its task is cancelled, or the loop ends, it goes on to its end on its
/// thread, and what it returns is dropped there. Work that waits for a helper (there are 64) is dropped unbegun then.
/// In a simulated network it runs at once, in place.
///
/// # Panics
///
/// When no loop runs this code.
#[track_caller]
pub fn spawn_blocking<T, W>(work: W) -> Task<T>
where
    W: FnOnce() -> T + Send + 'static,
    T: Outcome + Send + 'static,
{
    let event_loop = current("spawn_blocking");
    let spawned = std::panic::Location::caller();
    let working = async move {
        let desk = Desk { result: Arc::default() };
        let result = Arc::clone(&desk.result);
        // Caught here, with all that user code can do, so that no destructor of its runs within the engine.
        let work: Work = Box::new(move || {
            let end = catch_unwind(AssertUnwindSafe(move || deliver(&result, work)));
            end.unwrap_or_else(discard_payload);
            Box::new(())
        });
        match operation(Op::Call { work }).await {
            Ok(Done::Called { .. }) => {}
            Ok(other) => unreachable!("a call was answered with {other:?}"),
            Err(failed) => panic!("spawn_blocking: no helper thread could be started: {}", failed.error),
        }
        match desk.take() {
            Some(Ok(value)) => value,
            Some(Err(panic)) => resume_unwind(panic),
            None => unreachable!("the work is done, and nobody else takes its result"),
        }
    };
    start(&event_loop, None, spawned, working, |value: &T| value.failure().map(ToString::to_string))
}

/// Where the result is laid down, for as long as somebody wants it.
struct Desk<T> {
    result: Arc<Mutex<State<T>>>,
}

#[derive(Default)]
enum State<T> {
    #[default]
    Wanted,
    There(thread::Result<T>),
    Unwanted,
}

/// Does the work on a helper thread, unless its task was cancelled while it waited for one. A result that nobody wants any more is dropped right there.
fn deliver<T>(result: &Mutex<State<T>>, work: impl FnOnce() -> T) {
    if let State::Unwanted = *lock(result) {
        return;
    }
    let end = catch_unwind(AssertUnwindSafe(work));
    let mut state = lock(result);
    if let State::Wanted = *state {
        *state = State::There(end);
        return;
    }
    drop(state);
    drop(end);
}

impl<T> Desk<T> {
    fn take(&self) -> Option<thread::Result<T>> {
        let old = mem::replace(&mut *lock(&self.result), State::Unwanted);
        if let State::There(end) = old { Some(end) } else { None }
    }
}

impl<T> Drop for Desk<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

fn lock<T>(result: &Mutex<State<T>>) -> MutexGuard<'_, State<T>> {
    result.lock().unwrap_or_else(PoisonError::into_inner)
}
