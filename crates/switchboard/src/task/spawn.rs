//! Spawning: from a task, from whoever has the loop, and from other threads.

use std::borrow::Cow;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::Task;
use super::about::About;
use super::future::TaskFuture;
use super::slot::{Ended, Slot};
use super::tasks::Tasks;
use crate::event_loop::{EventLoop, Handle, LoopEnded};

/// Spawns a task on the loop that runs this code.
///
/// ```
/// switchboard::run(async {
///     let task = switchboard::spawn(async { 6 * 7 });
///     assert_eq!(task.await, 42);
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
///
/// When no loop runs it. There [`EventLoop::spawn`] and [`Handle::spawn`] do the same.
#[track_caller]
pub fn spawn<F>(future: F) -> Task<F::Output>
where
    F: TaskFuture + 'static,
    F::Output: 'static,
{
    start(&current("spawn"), None, Location::caller(), future, message::<F>)
}

/// [`spawn`], with a name that failures are reported with.
///
/// # Panics
///
/// As [`spawn`].
#[track_caller]
pub fn spawn_named<F>(name: impl Into<Cow<'static, str>>, future: F) -> Task<F::Output>
where
    F: TaskFuture + 'static,
    F::Output: 'static,
{
    start(&current("spawn_named"), Some(name.into()), Location::caller(), future, message::<F>)
}

impl EventLoop {
    /// Spawns a task on this loop.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Task<F::Output>
    where
        F: TaskFuture + 'static,
        F::Output: 'static,
    {
        start(self, None, Location::caller(), future, message::<F>)
    }
}

impl Handle {
    /// Spawns a task on the loop, from any thread. It can be awaited there, too.
    ///
    /// # Errors
    ///
    /// [`LoopEnded`] when there is no loop any more; the future is dropped.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Result<Task<F::Output>, LoopEnded>
    where
        F: TaskFuture + Send + 'static,
        F::Output: Send + 'static,
    {
        let about = About { name: None, spawned: Location::caller(), home: self.downgrade() };
        let slot = Arc::new(Slot::new(about, message::<F>));
        let mut letter = Unborn { slot: Arc::clone(&slot), future: Some(future) };
        self.soon(move |event_loop| {
            if let Some(future) = letter.future.take() {
                begin(event_loop, &letter.slot, future);
            }
        })?;
        Ok(Task { slot })
    }
}

/// A task on its way to the loop. Lost on it, it has been cancelled.
struct Unborn<F: Future> {
    slot: Arc<Slot<F::Output>>,
    future: Option<F>,
}

impl<F: Future> Drop for Unborn<F> {
    fn drop(&mut self) {
        if let Some(future) = self.future.take() {
            self.slot.about().guard("panicked when it was dropped", || drop(future));
            self.slot.end(Err(Ended::Cancelled));
        }
    }
}

/// The loop that runs this code.
#[track_caller]
pub(super) fn current(what: &str) -> EventLoop {
    let Some(event_loop) = EventLoop::current() else {
        panic!("{what}: no event loop runs this code; call it from a task, or from what `block_on` runs")
    };
    event_loop
}

/// Spawns a task on behalf of the code at that place.
pub(crate) fn spawn_for<F>(
    event_loop: &EventLoop,
    name: impl Into<Cow<'static, str>>,
    spawned: &'static Location<'static>,
    future: F,
) -> Task<F::Output>
where
    F: TaskFuture + 'static,
    F::Output: 'static,
{
    start(event_loop, Some(name.into()), spawned, future, message::<F>)
}

pub(super) fn start<F>(
    event_loop: &EventLoop,
    name: Option<Cow<'static, str>>,
    spawned: &'static Location<'static>,
    future: F,
    failure: fn(&F::Output) -> Option<String>,
) -> Task<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let about = About { name, spawned, home: event_loop.weak_handle() };
    let slot = Arc::new(Slot::new(about, failure));
    begin(event_loop, &slot, future);
    Task { slot }
}

fn begin<F>(event_loop: &EventLoop, slot: &Arc<Slot<F::Output>>, future: F)
where
    F: Future + 'static,
    F::Output: 'static,
{
    if event_loop.is_ending() {
        slot.about().guard("panicked when it was dropped", || drop(future));
        return slot.end(Err(Ended::Cancelled));
    }
    let body = Box::pin(Body { future: Some(future), slot: Arc::clone(slot) });
    let name = Tasks::add(event_loop, Arc::<Slot<F::Output>>::clone(slot), body);
    if !slot.begin(name) {
        Tasks::cancel(event_loop, name);
    }
}

pin_project! {
    /// A task's future, and the end that it brings about. An async block around it would store it twice.
    struct Body<F: Future> {
        #[pin]
        future: Option<F>,
        slot: Arc<Slot<F::Output>>,
    }
}

impl<F: Future> Future for Body<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut().expect("a task is not polled after its end");
        let output = ready!(future.poll(cx));
        this.slot.about().guard("panicked when it was dropped", || this.future.set(None));
        this.slot.end(Ok(output));
        Poll::Ready(())
    }
}

/// The failure that an output of this future means, as text.
pub(super) fn message<F: TaskFuture>(output: &F::Output) -> Option<String> {
    F::failure_of(output).map(ToString::to_string)
}
