//! Blocking work, beside the loop.

use std::any::Any;
use std::panic::resume_unwind;

use super::outcome::Outcome;
use super::spawn::{current, start};
use super::{Task, operation};
use crate::engine::{Done, Op, Work};

/// Runs blocking work on a helper thread of the engine: what reads a file, or computes for long. A panic in it is the
/// task's.
///
/// Work that has begun cannot be stopped: when its task is cancelled, or the loop ends, it goes on to its end on its
/// thread, and what it returns is dropped there. Work that waits for a helper (there are 64) is dropped unbegun when
/// the loop ends. In a simulated network it runs at once, in place.
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
    start(&event_loop, None, spawned, async move {
        let work: Work = Box::new(move || Box::new(work()) as Box<dyn Any + Send>);
        let outcome = match operation(Op::Call { work }).await {
            Ok(Done::Called { outcome }) => outcome,
            Ok(other) => unreachable!("a call was answered with {other:?}"),
            Err(failed) => panic!("spawn_blocking: no helper thread could be started: {}", failed.error),
        };
        match outcome {
            Ok(value) => *value.downcast().expect("what the work returned has the type the work returns"),
            Err(panic) => resume_unwind(panic),
        }
    })
}
