//! The event loop: waits, and calls back.
//!
//! One pass of the loop ([`turn`](EventLoop::turn): wait → settle what finished → take what other threads
//! sent → expire timers → run) runs what was ready when the running began; what becomes ready meanwhile has
//! to wait for the next pass, so no callback can starve the sockets. User code runs in that one place, with
//! nothing of the loop borrowed. Loops are values: several may share a thread, and nothing is global.

mod acceptor;
mod alarm;
mod connection;
mod current;
mod dump;
mod end;
mod failure;
mod handle;
mod inbox;
mod local;
mod pass;
mod rows;
mod sync;
mod timers;
mod waiting;
mod watch;

use std::cell::{Cell, RefCell, RefMut};
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use slotmap::{SecondaryMap, SlotMap};

pub use acceptor::Acceptor;
pub use alarm::Woken;
pub use connection::{Connection, Handler};
pub use dump::Waiting;
pub use failure::Failure;
pub use handle::{Handle, LoopEnded, WeakHandle};
pub(crate) use local::Local;
pub use rows::Callback;

use crate::engine::{self, Bell, Done, Engine, Failed, Op, Submitted, Ticket};
use alarm::Alarm;
use handle::Letter;
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
    inbox: Arc<SharedInbox>,
    /// Alarms that nobody holds, to be used again.
    spare_alarms: RefCell<Vec<Arc<Alarm>>>,
    locals: RefCell<Vec<Rc<dyn Local>>>,
    on_failure: RefCell<Rc<OnFailure>>,
    turning: Cell<bool>,
    stopped: Cell<bool>,
    ending: Cell<bool>,
}

type SharedInbox = Inbox<Letter, Callback>;

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

    /// What [`EventLoop::waiting`] calls it: the name of its type, unless it has a better one.
    fn who(&self) -> String {
        std::any::type_name::<Self>().to_owned()
    }
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
        let inbox = Arc::new(Inbox::new(engine.bell().uncounted()));
        Self {
            core: Rc::new(Core {
                engine: RefCell::new(engine),
                rows: RefCell::default(),
                ready: RefCell::default(),
                timers: RefCell::default(),
                waiting: RefCell::default(),
                finished: RefCell::default(),
                inbox,
                spare_alarms: RefCell::default(),
                locals: RefCell::default(),
                on_failure: RefCell::new(Rc::new(failure::report)),
                turning: Cell::new(false),
                stopped: Cell::new(false),
                ending: Cell::new(false),
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

    /// A handle that does not keep [`run`](Self::run) going: the loop's name.
    #[must_use]
    pub fn weak_handle(&self) -> WeakHandle {
        WeakHandle::new(&self.core.inbox)
    }

    /// Calls this with the loop whose pass is under way on this thread, if there is one: how a task reaches its loop.
    ///
    /// ```
    /// use switchboard::EventLoop;
    ///
    /// switchboard::run(async {
    ///     let handle = EventLoop::with_current(EventLoop::handle);
    ///     assert!(handle.is_some());
    /// })?;
    /// assert!(EventLoop::with_current(EventLoop::handle).is_none());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn with_current<R>(code: impl FnOnce(&Self) -> R) -> Option<R> {
        Self::current().map(|event_loop| code(&event_loop))
    }

    /// The loop whose pass is under way on this thread. Kept beyond it, it keeps the loop from ending.
    pub(crate) fn current() -> Option<Self> {
        current::get()
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

    /// How long a host may sleep before it calls [`turn`](Self::turn).
    #[must_use]
    pub fn next(&self) -> Next {
        self.core.engine.borrow_mut().prepare();
        self.due()
    }

    /// Calls back in the next pass.
    pub fn soon(&self, callback: impl FnOnce(&EventLoop) + 'static) -> Callback {
        let key = self.core.rows.borrow_mut().insert(Row::Once(Box::new(callback)));
        self.core.ready.borrow_mut().push_back(Ready::Callback(key));
        key
    }

    /// Calls back when this time is over, counted from this very moment. Never early.
    pub fn later(&self, time: Duration, callback: impl FnOnce(&EventLoop) + 'static) -> Callback {
        self.at(self.deadline(time), callback)
    }

    /// The moment that comes so long after this very one ([`Engine::clock`]).
    #[must_use]
    pub fn deadline(&self, time: Duration) -> Instant {
        let now = self.core.engine.borrow().clock();
        now.checked_add(time).unwrap_or_else(|| now + FAR)
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
            Row::Timer(timer, _) | Row::Sleep(timer, _) => self.core.timers.borrow_mut().remove(*timer),
            Row::Alarm(..) => {}
            Row::Watch(watch) => {
                if let Some(ticket) = watch.ticket {
                    self.withdraw(ticket);
                }
            }
        }
        // Here the row, and with it what the user's closure holds, is dropped: with nothing borrowed.
        if let Row::Alarm(mut alarm, woken) = row {
            drop(woken);
            let mut spare = self.core.spare_alarms.borrow_mut();
            if Alarm::is_free(&mut alarm) && spare.len() < MOST_SPARE_ALARMS {
                spare.push(alarm);
            }
        }
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

/// What the parts of the loop share.
impl EventLoop {
    /// Whether nothing of the loop is borrowed, as in user code it never is, but for destructors that the engine runs.
    fn is_at_rest(&self) -> bool {
        self.core.engine.try_borrow_mut().is_ok()
    }

    /// Tells the failure handler.
    pub(crate) fn report(&self, failure: &Failure) {
        let handler = Rc::clone(&self.core.on_failure.borrow());
        self.protect(|| handler(failure));
    }

    /// Runs user code. A panic in it is reported, and ends nothing else.
    pub(crate) fn protect<R>(&self, callback: impl FnOnce() -> R) -> Option<R> {
        let result = catch_unwind(AssertUnwindSafe(callback));
        result
            .map_err(|panic| {
                let handler = Rc::clone(&self.core.on_failure.borrow());
                failure::tell(&*handler, panic);
            })
            .ok()
    }

    /// What is due that the loop knows of itself. Its engine prepares whatever sleeps in it.
    fn due(&self) -> Next {
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

/// How many unused alarms are kept.
const MOST_SPARE_ALARMS: usize = 1024;
