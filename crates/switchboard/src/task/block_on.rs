//! Running a future to its end, from outside the loop.

use std::cell::Cell;
use std::io;
use std::panic::Location;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::budget;
use super::tasks::Tasks;
use crate::event_loop::{Callback, EventLoop, Failure, Local, Woken};

/// Runs a future on a loop of its own, to its end: what `#[switchboard::main]` does with `main`.
///
/// Tasks that still run then are cancelled; connections that close gently are waited for. The loop is on the best
/// engine of this system, or the one named by the environment's `SWITCHBOARD_ENGINE`.
///
/// # Errors
///
/// When no engine could be opened or it became unusable; and as [`EventLoop::block_on`].
#[track_caller]
pub fn run<F: Future>(future: F) -> io::Result<F::Output> {
    let event_loop = EventLoop::with(crate::engine::from_environment()?);
    let output = event_loop.block_on(future)?;
    if let Err(error) = event_loop.wind_up() {
        // What the future said matters more than how the last connections were closed.
        Failure::new("cannot wait for the last connections to be closed", error.to_string()).report();
    }
    Ok(output)
}

impl EventLoop {
    /// Runs a future to its end, and with it all else the loop has to do. What is not finished by then goes on with the
    /// next `block_on`, [`run`](Self::run) or [`turn`](Self::turn).
    ///
    /// # Errors
    ///
    /// As [`turn`](Self::turn); [`io::ErrorKind::Deadlock`] from within a task or callback of this loop: there, await
    /// the future instead. The future is dropped then.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> io::Result<F::Output> {
        self.check_not_turning()?;
        let root = Root::new(Location::caller());
        let woken = Rc::clone(&root.woken);
        let (name, waker) = self.on_wake(Rc::new(root));
        let _alarm = Registered { event_loop: self, name };
        let mut future = pin!(future);
        loop {
            if woken.get() {
                let _budget = budget::begin();
                let polled = self.within(|| future.as_mut().poll(&mut Context::from_waker(&waker)));
                if let Poll::Ready(output) = polled {
                    return Ok(output);
                }
                woken.set(false);
            }
            self.turn(None)?;
        }
    }

    /// Cancels all tasks, and runs passes until the last gentle close is done.
    ///
    /// # Errors
    ///
    /// As [`turn`](Self::turn).
    pub fn wind_up(&self) -> io::Result<()> {
        self.check_not_turning()?;
        // One more pass at least, for what the destructors wanted.
        loop {
            self.cancel_tasks();
            self.turn(Some(std::time::Duration::ZERO))?;
            if self.engine().closing() == 0 {
                return Ok(());
            }
            self.turn(None)?;
        }
    }
}

impl EventLoop {
    /// Cancels all tasks. Their destructors may leave word of what they want closed, or spawn more.
    pub(crate) fn cancel_tasks(&self) {
        self.within(|| self.local::<Tasks>().end(self));
    }
}

/// The future that is run.
struct Root {
    /// It is to be polled, or being polled: nothing calls [`woken`](Woken::woken) while it is.
    woken: Rc<Cell<bool>>,
    run: &'static Location<'static>,
}

impl Root {
    fn new(run: &'static Location<'static>) -> Self {
        Self { woken: Rc::new(Cell::new(true)), run }
    }
}

impl Woken for Root {
    fn woken(self: Rc<Self>, _: &EventLoop, _: Callback) {
        self.woken.set(true);
    }

    fn who(&self, _: Callback) -> Option<String> {
        (!self.woken.get()).then(|| format!("the main future (run at {})", self.run))
    }
}

struct Registered<'a> {
    event_loop: &'a EventLoop,
    name: Callback,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.event_loop.cancel(self.name);
    }
}
