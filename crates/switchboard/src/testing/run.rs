//! One run of a body, on a loop of its own: how it ends, and how one notices that it never will.
//!
//! The body is a task. So a panic comes out as it was thrown, whoever waits for it is told with all the others, and when
//! it is over the loop is wound up as that of a `main`: what its tasks and connections do then belongs to the run.

use std::any::Any;
use std::cell::RefCell;
use std::fmt::Write;
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use super::ground::Ground;
use crate::event_loop::{EventLoop, Failure};
use crate::task::{Ended, Outcome, Task, TaskFuture, spawn_for};

/// Why a run failed.
pub(super) enum Why {
    /// The body panicked, and this is what it threw.
    Panicked(Box<dyn Any + Send>),
    /// Anything else, in words.
    Failed(String),
}

/// What the body's end said: its failure, if it was one.
struct Said(Option<String>);

impl Outcome for Said {}

/// Runs the body to its end.
#[track_caller]
pub(super) fn once<F>(
    event_loop: &EventLoop,
    ground: Ground,
    timeout: Duration,
    body: impl Fn() -> F,
) -> Result<(), Why>
where
    F: TaskFuture + 'static,
    F::Output: 'static,
{
    let unseen = Rc::<RefCell<Option<Failure>>>::default();
    let first = Rc::clone(&unseen);
    event_loop.on_failure(move |failure| {
        if failure.is_panic() {
            first.borrow_mut().get_or_insert_with(|| failure.clone());
        } else {
            // Not on the real stderr: it belongs to the output of this test.
            eprintln!("{failure}");
        }
    });
    let future = catch_unwind(AssertUnwindSafe(body)).map_err(Why::Panicked)?;
    let task = spawn_for(event_loop, "the test", Location::caller(), async move {
        let output = future.await;
        Said(F::failure_of(&output).map(ToString::to_string))
    });
    let is_over = || task.is_finished() || unseen.borrow().is_some();
    turn_until(event_loop, ground, timeout, is_over)?;
    end_of(task)?;
    let wound_up = event_loop.wind_up();
    if let Some(failure) = unseen.take() {
        return Err(Why::Failed(format!("nobody waited for this: {failure}")));
    }
    wound_up
        .map_err(|error| Why::Failed(format!("cannot wait for the last connections to be closed: {error}")))
}

/// Turns the loop until it is over, and not for ever.
fn turn_until(
    event_loop: &EventLoop,
    ground: Ground,
    timeout: Duration,
    is_over: impl Fn() -> bool,
) -> Result<(), Why> {
    let deadline = event_loop.deadline(timeout);
    let mut turns = 0_u64;
    while !is_over() {
        let left = deadline.saturating_duration_since(event_loop.now());
        turns += 1;
        if left.is_zero() {
            return Err(hang(&format!("it has not come to an end after {timeout:?}"), event_loop));
        }
        if turns > MOST_TURNS && !ground.is_real() {
            return Err(hang("it never sleeps, and never comes to an end", event_loop));
        }
        // A simulated clock that is asked to would jump to the end, and nobody would hear that nothing can happen.
        match event_loop.turn(ground.is_real().then_some(left)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Deadlock => {
                return Err(hang("nothing can ever happen again", event_loop));
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                return Err(hang(
                    "nothing can happen but by another thread, and none does anything",
                    event_loop,
                ));
            }
            Err(error) => return Err(Why::Failed(format!("the event loop cannot go on: {error}"))),
        }
    }
    Ok(())
}

/// How the body ended, if it did: it did not, if a task of it panicked before.
fn end_of(task: Task<Said>) -> Result<(), Why> {
    match task.end() {
        Some(Ok(Said(Some(message)))) => Err(Why::Failed(format!("the test returned a failure: {message}"))),
        Some(Err(Ended::Panicked(payload))) => Err(Why::Panicked(payload)),
        Some(Ok(Said(None)) | Err(Ended::Cancelled)) | None => Ok(()),
    }
}

/// Why nobody should wait any longer, and who does.
fn hang(what: &str, event_loop: &EventLoop) -> Why {
    let mut message = what.to_owned();
    let waiting = event_loop.waiting();
    if waiting.is_empty() {
        message.push_str("; nobody waits, so something is always about to run");
    } else {
        message.push_str(", and these wait:");
    }
    for one in waiting.iter().take(MOST_TOLD) {
        write!(message, "\n  {one}").expect("a string takes what it is given");
    }
    if waiting.len() > MOST_TOLD {
        write!(message, "\n  and {} more", waiting.len() - MOST_TOLD)
            .expect("a string takes what it is given");
    }
    Why::Failed(message)
}

/// How often a simulated loop is turned at most: time passes very slowly for those who never sleep.
const MOST_TURNS: u64 = 5_000_000;

/// How many of those who wait are listed.
const MOST_TOLD: usize = 100;
