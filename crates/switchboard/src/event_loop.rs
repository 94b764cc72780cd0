//! The event loop: waits, and calls back.
//!
//! One pass of the loop ([`turn`](EventLoop::turn): wait → settle what finished → take what other threads
//! sent → expire timers → run) runs what was ready when the running began; what becomes ready meanwhile has
//! to wait for the next pass, so no callback can starve the sockets. User code runs in that one place, with
//! nothing of the loop borrowed. Loops are values: several may share a thread, and nothing is global.

mod acceptor;
mod connection;
mod failure;
mod inbox;
mod rows;
mod timers;
mod watch;

use std::cell::{Cell, RefCell, RefMut};
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use slotmap::{SecondaryMap, SlotMap};

pub use acceptor::Acceptor;
pub use connection::{Connection, Handler};
pub use failure::Failure;
pub use inbox::{Handle, LoopEnded};
pub use rows::Callback;

use crate::engine::{self, Done, Engine, Failed, Op, Submitted, Ticket};
use inbox::Inbox;
use rows::{Row, Waiter};
use timers::Timers;

/// An event loop on one engine, for one thread.
///
/// Its methods take `&self`, and callbacks get it as an argument, so a callback can do all that its maker could.
///
/// ```
/// use std::time::Duration;
/// use switchboard::EventLoop;
///
/// let event_loop = EventLoop::new()?;
/// event_loop.later(Duration::from_millis(1), |event_loop| {
///     println!("a millisecond is over");
///     event_loop.soon(|_| println!("and so is the pass after it"));
/// });
/// event_loop.run()?; // returns when nothing is left that could call back
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct EventLoop {
    core: Rc<Core>,
}

/// What is behind a loop. Each part is borrowed for moments only, and never while user code runs.
struct Core {
    engine: RefCell<Box<dyn Engine>>,
    rows: RefCell<SlotMap<Callback, Row>>,
    /// What is ready to run, oldest first.
    ready: RefCell<VecDeque<Ready>>,
    timers: RefCell<Timers>,
    /// Who is to be told of an operation's end.
    waiting: RefCell<SecondaryMap<Ticket, Waiter>>,
    finished: RefCell<Vec<Ticket>>,
    inbox: std::sync::Arc<Inbox>,
    on_failure: RefCell<Rc<OnFailure>>,
    turning: Cell<bool>,
    stopped: Cell<bool>,
}

type OnFailure = dyn Fn(&Failure);

/// Something that is ready to run.
enum Ready {
    Callback(Callback),
    Finished(Ticket),
}

/// How long a host may sleep before the next [`turn`](EventLoop::turn).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Not at all: something is ready.
    Now,
    /// Until then, unless a socket becomes ready or the bell is rung before.
    At(Instant),
    /// For ever, unless a socket becomes ready or the bell is rung.
    Never,
}

/// Somebody who is told that an operation has ended, again and again and without an allocation each time.
pub trait Completion {
    /// Called in the run phase of a pass, with what [`Engine::take`] answered.
    fn complete(self: Rc<Self>, event_loop: &EventLoop, ticket: Ticket, outcome: Result<Done, Failed>);
}

impl EventLoop {
    /// A loop on the best engine of this system.
    ///
    /// # Errors
    ///
    /// As [`engine::best`].
    pub fn new() -> io::Result<Self> {
        Ok(Self::with(engine::best()?))
    }

    /// A loop on this engine.
    #[must_use]
    pub fn with(engine: Box<dyn Engine>) -> Self {
        Self {
            core: Rc::new(Core {
                engine: RefCell::new(engine),
                rows: RefCell::default(),
                ready: RefCell::default(),
                timers: RefCell::default(),
                waiting: RefCell::default(),
                finished: RefCell::default(),
                inbox: std::sync::Arc::default(),
                on_failure: RefCell::new(Rc::new(failure::report)),
                turning: Cell::new(false),
                stopped: Cell::new(false),
            }),
        }
    }

    /// The engine, borrowed: for one call at a time.
    ///
    /// # Panics
    ///
    /// When it is borrowed already. Everything else asked of the loop borrows it for a moment, too, so let go of it
    /// first. Mind that in `match event_loop.engine().submit(op) { … }`, and in `if let`, it is borrowed to the end of
    /// the block; a `let` before it ends the borrow.
    #[must_use]
    pub fn engine(&self) -> RefMut<'_, Box<dyn Engine>> {
        self.core.engine.borrow_mut()
    }

    /// The pass's time, see [`Engine::now`].
    #[must_use]
    pub fn now(&self) -> Instant {
        self.core.engine.borrow().now()
    }

    /// A handle to call the loop from other threads.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(&self.core.inbox, self.engine().bell())
    }

    /// Runs passes until [`stop`](Self::stop) is called or nothing is left that could call back: no callback,
    /// timer, watch, operation, gentle close or [`Handle`].
    ///
    /// # Errors
    ///
    /// As [`turn`](Self::turn).
    pub fn run(&self) -> io::Result<()> {
        self.check_not_turning()?;
        self.core.stopped.set(false);
        while !self.core.stopped.get() && self.has_more() {
            self.turn(None)?;
        }
        Ok(())
    }

    /// Makes the [`run`](Self::run) under way return after this pass. What is left can be gone on with by another
    /// `run`, which knows nothing of this.
    pub fn stop(&self) {
        self.core.stopped.set(true);
    }

    /// One pass, sleeping for as long as [`next`](Self::next) allows and at most for `longest`.
    ///
    /// # Errors
    ///
    /// What [`Engine::wait`] answers, and [`io::ErrorKind::Deadlock`] when called from a callback of this loop.
    pub fn turn(&self, longest: Option<Duration>) -> io::Result<()> {
        self.check_not_turning()?;
        let _turning = Turning::begin(&self.core.turning);
        self.wait(longest)?;
        self.settle();
        let count = self.core.ready.borrow().len();
        for _ in 0..count {
            self.run_one();
        }
        Ok(())
    }

    /// How long a host may sleep before it calls [`turn`](Self::turn).
    #[must_use]
    pub fn next(&self) -> Next {
        if !self.core.ready.borrow().is_empty() || self.core.inbox.has_mail() {
            return Next::Now;
        }
        let engine = self.core.engine.borrow();
        let due = [self.core.timers.borrow().first(), engine.due()].into_iter().flatten().min();
        match due {
            Some(due) if due <= engine.now() => Next::Now,
            Some(due) => Next::At(due),
            None => Next::Never,
        }
    }

    /// Calls back in the next pass.
    pub fn soon(&self, callback: impl FnOnce(&EventLoop) + 'static) -> Callback {
        let key = self.core.rows.borrow_mut().insert(Row::Once(Box::new(callback)));
        self.core.ready.borrow_mut().push_back(Ready::Callback(key));
        key
    }

    /// Calls back when this time is over, counted from this very moment. Never early.
    pub fn later(&self, time: Duration, callback: impl FnOnce(&EventLoop) + 'static) -> Callback {
        let now = self.core.engine.borrow().clock();
        self.at(now.checked_add(time).unwrap_or_else(|| now + FAR), callback)
    }

    /// Calls back at this moment, or in the next pass if it is over. Never early.
    pub fn at(&self, due: Instant, callback: impl FnOnce(&EventLoop) + 'static) -> Callback {
        let key = self.core.rows.borrow_mut().insert(Row::Once(Box::new(callback)));
        let timer = self.core.timers.borrow_mut().insert(due, key);
        if let Some(row) = self.core.rows.borrow_mut().get_mut(key) {
            row.set_timer(timer);
        }
        key
    }

    /// Cancels a callback or a watch. Whether there was one to cancel: it has neither run nor been cancelled.
    pub fn cancel(&self, callback: Callback) -> bool {
        let Some(row) = self.core.rows.borrow_mut().remove(callback) else { return false };
        match &row {
            Row::Once(_) => {}
            Row::Timer(timer, _) => self.core.timers.borrow_mut().remove(*timer),
            Row::Watch(watch) => {
                if let Some(ticket) = watch.ticket {
                    self.withdraw(ticket);
                }
            }
        }
        // Here the row, and with it what the user's closure holds, is dropped: with nothing borrowed.
        true
    }

    /// Begins an operation. If it is pending, `then` will be told of its end, unless the ticket is
    /// [withdrawn](Self::withdraw); if it is done at once, the outcome is the caller's and nobody else is told.
    pub fn submit(&self, op: Op, then: Rc<dyn Completion>) -> Submitted {
        let submitted = self.core.engine.borrow_mut().submit(op);
        if let Submitted::Pending(ticket) = submitted {
            self.core.waiting.borrow_mut().insert(ticket, Waiter::Completion(then));
        }
        submitted
    }

    /// Cancels an operation; nobody is told of its end. What it may have got goes to the next, see [`Engine::cancel`].
    pub fn withdraw(&self, ticket: Ticket) {
        let waiter = self.core.waiting.borrow_mut().remove(ticket);
        self.core.engine.borrow_mut().cancel(ticket);
        drop(waiter);
    }

    /// Sets who is told of what fails with nobody to see it, such as a panic in a callback. The default writes one error with `tracing`, or on stderr if
    /// no subscriber was ever set.
    pub fn on_failure(&self, handler: impl Fn(&Failure) + 'static) {
        let old = self.core.on_failure.replace(Rc::new(handler));
        drop(old);
    }
}

/// The phases of a pass.
impl EventLoop {
    fn check_not_turning(&self) -> io::Result<()> {
        if !self.core.turning.get() {
            return Ok(());
        }
        let message = "a callback cannot turn its own loop: return from it, or use `soon`";
        Err(io::Error::new(io::ErrorKind::Deadlock, message))
    }

    fn wait(&self, longest: Option<Duration>) -> io::Result<()> {
        let core = &*self.core;
        let until = match self.next() {
            Next::Now => Some(core.engine.borrow().now()),
            Next::At(due) => Some(due),
            Next::Never => None,
        };
        let bound = longest.and_then(|longest| core.engine.borrow().clock().checked_add(longest));
        let until = [until, bound].into_iter().flatten().min();
        core.engine.borrow_mut().wait(until, &mut core.finished.borrow_mut())
    }

    /// Queues what has become ready: finished operations, mail of other threads, timers that are due.
    fn settle(&self) {
        let core = &*self.core;
        let mut ready = core.ready.borrow_mut();
        ready.extend(core.finished.borrow_mut().drain(..).map(Ready::Finished));
        let mut rows = core.rows.borrow_mut();
        if core.inbox.has_mail() {
            for callback in core.inbox.take() {
                ready.push_back(Ready::Callback(rows.insert(Row::Once(callback))));
            }
        }
        let now = core.engine.borrow().now();
        let mut timers = core.timers.borrow_mut();
        while let Some(key) = timers.pop_due(now) {
            if let Some(row) = rows.get_mut(key) {
                row.timer_is_over();
            }
            ready.push_back(Ready::Callback(key));
        }
    }

    /// Runs what has been ready longest.
    fn run_one(&self) {
        let Some(first) = self.core.ready.borrow_mut().pop_front() else { return };
        self.protect(|| match first {
            Ready::Callback(key) => self.call(key, Ok(1)),
            Ready::Finished(ticket) => self.complete(ticket),
        });
    }

    /// Tells the failure handler.
    fn report(&self, failure: &Failure) {
        let handler = Rc::clone(&self.core.on_failure.borrow());
        self.protect(|| handler(failure));
    }

    /// Runs user code. A panic in it is reported, and ends nothing else.
    fn protect<R>(&self, callback: impl FnOnce() -> R) -> Option<R> {
        let result = catch_unwind(AssertUnwindSafe(callback));
        result
            .map_err(|panic| {
                let handler = Rc::clone(&self.core.on_failure.borrow());
                failure::tell(&*handler, panic);
            })
            .ok()
    }

    fn complete(&self, ticket: Ticket) {
        // Withdrawn since it finished: then the engine has taken the outcome back.
        let Some(waiter) = self.core.waiting.borrow_mut().remove(ticket) else { return };
        let outcome = self.core.engine.borrow_mut().take(ticket);
        match waiter {
            Waiter::Completion(completion) => completion.complete(self, ticket, outcome),
            Waiter::Watch(key) => self.call(key, watch::count(outcome)),
        }
    }

    fn call(&self, key: Callback, count: io::Result<u64>) {
        let mut rows = self.core.rows.borrow_mut();
        match rows.get_mut(key) {
            Some(Row::Watch(_)) => {
                drop(rows);
                self.call_watch(key, count);
            }
            Some(_) => {
                let row = rows.remove(key);
                drop(rows);
                if let Some(Row::Once(callback) | Row::Timer(_, callback)) = row {
                    callback(self);
                }
            }
            // Cancelled while it was ready.
            None => {}
        }
    }

    fn has_more(&self) -> bool {
        let core = &*self.core;
        !core.rows.borrow().is_empty()
            || !core.waiting.borrow().is_empty()
            || core.inbox.has_handles()
            || core.inbox.has_mail()
            || core.engine.borrow().closing() > 0
    }

    /// The loop again, for those it calls back to hold without keeping it alive.
    fn downgrade(&self) -> Weak<Core> {
        Rc::downgrade(&self.core)
    }

    fn upgrade(core: &Weak<Core>) -> Option<Self> {
        core.upgrade().map(|core| Self { core })
    }
}

/// A pass under way; over when this is dropped, however it ends.
struct Turning<'a> {
    turning: &'a Cell<bool>,
}

impl<'a> Turning<'a> {
    fn begin(turning: &'a Cell<bool>) -> Self {
        turning.set(true);
        Self { turning }
    }
}

impl Drop for Turning<'_> {
    fn drop(&mut self) {
        self.turning.set(false);
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.inbox.end();
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("callbacks", &self.rows.borrow().len())
            .field("operations", &self.waiting.borrow().len())
            .finish_non_exhaustive()
    }
}

/// A moment further away than any program runs, for times that overflow the clock.
const FAR: Duration = Duration::from_secs(100 * 365 * 86_400);
