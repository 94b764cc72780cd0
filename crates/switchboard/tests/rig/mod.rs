//! The rig under the law suites: one body, every engine, a deadline on everything.
//!
//! [`on_every_engine!`] makes of each body one test per engine, so that a failure names the engine. The rig
//! itself keeps two promises on behalf of every body: a ticket told twice, or told after it was cancelled,
//! fails the test whatever the test is about (law 2); and a body that hangs fails with the name of its last
//! step. Both ends of every connection live in the one engine, so that bodies run on the simulated network, too.
//!
//! An engine this system lacks is skipped, and said to be; `SWITCHBOARD_REQUIRE=epoll,poll` makes that a failure.
#![allow(dead_code, reason = "each suite uses its own part of the rig")]
#![allow(unused_macros, reason = "each suite uses its own part of the rig")]
#![allow(unused_imports, reason = "each suite uses its own part of the rig")]

mod engines;
mod reserved;
mod steps;

use std::collections::HashSet;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};
use std::{io, panic, thread};

use switchboard::engine::sim::Network;
use switchboard::engine::{Done, Engine, Failed, Fault, Op, Submitted, Ticket};

pub(crate) use engines::{Lot, may_happen};
use reserved::ReservedPort;
pub(crate) use steps::*;

/// Makes one test per engine of each body.
macro_rules! on_every_engine {
    ($($body:ident),+ $(,)?) => {
        mod uring { $(#[test] fn $body() { crate::rig::run(crate::rig::Lot::Uring, super::$body); })+ }
        mod epoll { $(#[test] fn $body() { crate::rig::run(crate::rig::Lot::Epoll, super::$body); })+ }
        mod poll { $(#[test] fn $body() { crate::rig::run(crate::rig::Lot::Poll, super::$body); })+ }
        mod select { $(#[test] fn $body() { crate::rig::run(crate::rig::Lot::Select, super::$body); })+ }
        mod sim { $(#[test] fn $body() { crate::rig::run(crate::rig::Lot::Sim, super::$body); })+ }
        mod sim_oneshot {
            $(#[test] fn $body() { crate::rig::run(crate::rig::Lot::SimOneshot, super::$body); })+
        }
    };
}

/// The same for bodies that need a real descriptor, thread or clock, which a simulation has not.
macro_rules! on_every_kernel {
    ($($body:ident),+ $(,)?) => {
        mod uring_alone { $(#[test] fn $body() { crate::rig::run(crate::rig::Lot::Uring, super::$body); })+ }
        mod epoll_alone { $(#[test] fn $body() { crate::rig::run(crate::rig::Lot::Epoll, super::$body); })+ }
        mod poll_alone { $(#[test] fn $body() { crate::rig::run(crate::rig::Lot::Poll, super::$body); })+ }
        mod select_alone { $(#[test] fn $body() { crate::rig::run(crate::rig::Lot::Select, super::$body); })+ }
    };
}

pub(crate) use {on_every_engine, on_every_kernel};

/// An engine under test, and what it has told so far.
pub(crate) struct Rig {
    engine: Box<dyn Engine>,
    /// What is below a simulated one.
    network: Option<Network>,
    reserved: Vec<ReservedPort>,
    pub(crate) lot: Lot,
    told: HashSet<Ticket>,
    /// In the order they were told.
    pub(crate) order: Vec<Ticket>,
    cancelled: HashSet<Ticket>,
    step: Arc<Mutex<String>>,
    waiting: Arc<AtomicBool>,
}

/// Runs a body on an engine, on a thread of its own so that one that hangs can be told from one that is slow.
pub(crate) fn run(lot: Lot, body: fn(&mut Rig)) {
    let step = Arc::new(Mutex::new("opening the engine".to_owned()));
    let last = Arc::clone(&step);
    let (ended, end) = mpsc::channel();
    let name = thread::current().name().unwrap_or("?").to_owned();
    let body = move || {
        if let Some(mut rig) = Rig::new(lot, step) {
            body(&mut rig);
            rig.end();
        }
        ended.send(()).ok();
    };
    #[expect(clippy::disallowed_methods, reason = "the watchdog of a test")]
    let thread = thread::Builder::new().name(name).spawn(body).unwrap();
    if end.recv_timeout(HANGS_AFTER) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("hangs on {lot:?}; last step: {}", locked(&last));
    }
    if let Err(cause) = thread.join() {
        panic::resume_unwind(cause);
    }
}

impl Rig {
    fn new(lot: Lot, step: Arc<Mutex<String>>) -> Option<Self> {
        let (engine, network) = lot.open()?;
        Some(Self {
            engine,
            network,
            reserved: Vec::new(),
            lot,
            told: HashSet::new(),
            order: Vec::new(),
            cancelled: HashSet::new(),
            step,
            waiting: Arc::default(),
        })
    }

    /// One wait. Returns what it told, in order.
    pub(crate) fn turn(&mut self, until: Option<Instant>) -> Vec<Ticket> {
        let mut finished = Vec::new();
        self.waiting.store(true, Ordering::SeqCst);
        self.engine.wait(until, &mut finished).expect("the engine must be able to wait");
        self.waiting.store(false, Ordering::SeqCst);
        for &ticket in &finished {
            assert!(self.told.insert(ticket), "{ticket:?} was told twice");
            assert!(!self.cancelled.contains(&ticket), "{ticket:?} was told after it was cancelled");
        }
        self.order.extend(&finished);
        finished
    }

    /// One wait that does not sleep.
    pub(crate) fn glance(&mut self) -> Vec<Ticket> {
        let now = self.clock();
        self.turn(Some(now))
    }

    /// One wait until then; another after one that faults ended for nothing.
    pub(crate) fn sleep(&mut self, until: Instant) -> Vec<Ticket> {
        let told = self.turn(Some(until));
        let is_early = told.is_empty() && self.now() < until;
        if is_early && may_happen(Fault::Spurious) { self.turn(Some(until)) } else { told }
    }

    /// Whether a receive takes all that is there and fits, as bodies about the pieces need it; said aloud if not.
    pub(crate) fn receives_whole(&self) -> bool {
        let is_so = !may_happen(Fault::Short);
        if !is_so {
            println!("skipped on {:?} under this fault: short", self.lot);
        }
        is_so
    }

    /// Waits until something is so.
    pub(crate) fn until(&mut self, what: &str, mut so: impl FnMut(&mut Self) -> bool) {
        self.note(what);
        let deadline = self.clock() + GUARD;
        while !so(self) {
            assert!(self.clock() < deadline, "not in {GUARD:?}: {what}");
            self.turn(Some(deadline));
        }
    }

    /// The same where no operation tells of it: looks again every millisecond.
    pub(crate) fn until_seen(&mut self, what: &str, mut so: impl FnMut(&mut Self) -> bool) {
        self.note(what);
        let deadline = self.clock() + GUARD;
        while !so(self) {
            assert!(self.clock() < deadline, "not in {GUARD:?}: {what}");
            let soon = self.clock() + Duration::from_millis(1);
            self.turn(Some(soon));
        }
    }

    pub(crate) fn was_told(&self, ticket: Ticket) -> bool {
        self.told.contains(&ticket)
    }

    /// Waits until an operation is told to be finished.
    pub(crate) fn told(&mut self, ticket: Ticket) {
        self.until(&format!("{ticket:?} finishes"), |rig| rig.was_told(ticket));
    }

    /// Waits until an operation is finished, and takes it.
    pub(crate) fn finish(&mut self, ticket: Ticket) -> Result<Done, Failed> {
        self.told(ticket);
        self.engine.take(ticket)
    }

    /// As [`finish`](Self::finish), and makes sure that the ticket names nothing afterwards.
    pub(crate) fn finish_once(&mut self, ticket: Ticket) -> Result<Done, Failed> {
        let outcome = self.finish(ticket);
        assert_error(self.engine.take(ticket), io::ErrorKind::NotFound);
        // Were it told again, the rig would say so.
        self.glance();
        self.glance();
        outcome
    }

    /// Begins an operation that cannot be done yet.
    pub(crate) fn pending(&mut self, op: Op) -> Ticket {
        let name = op.name();
        match self.engine.submit(op) {
            Submitted::Pending(ticket) => ticket,
            Submitted::Done(outcome) => panic!("{name} should have to wait, but: {outcome:?}"),
        }
    }

    /// Begins an operation that is done at once.
    pub(crate) fn at_once(&mut self, op: Op) -> Result<Done, Failed> {
        let name = op.name();
        match self.engine.submit(op) {
            Submitted::Done(outcome) => outcome,
            Submitted::Pending(_) => panic!("{name} should be done at once, but waits"),
        }
    }

    /// Does an operation, at once or not.
    pub(crate) fn run(&mut self, op: Op) -> Result<Done, Failed> {
        self.note(op.name());
        match self.engine.submit(op) {
            Submitted::Done(outcome) => outcome,
            Submitted::Pending(ticket) => self.finish(ticket),
        }
    }

    /// Gives an operation up; that it is told later would fail the test.
    pub(crate) fn give_up(&mut self, ticket: Ticket) {
        self.engine.cancel(ticket);
        self.cancelled.insert(ticket);
    }

    /// Calls something that must not block: the watchdog says its name if it never comes back.
    pub(crate) fn swiftly<T>(&mut self, what: &str, call: impl FnOnce(&mut Self) -> T) -> T {
        self.note(&format!("{what}, which must not block"));
        let start = real_now();
        let answer = call(self);
        let took = start.elapsed();
        assert!(took < SWIFT, "{what} took {took:?}");
        answer
    }

    /// What the watchdog says if the body hangs from here on.
    pub(crate) fn note(&self, step: &str) {
        step.clone_into(&mut locked(&self.step));
    }

    /// Whether the engine is inside its wait, for work that runs wherever it runs.
    pub(crate) fn in_wait(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.waiting)
    }

    /// The end of every body: nothing is told any more that was told or cancelled.
    fn end(&mut self) {
        self.note("the last two waits");
        self.glance();
        self.glance();
    }
}

impl Deref for Rig {
    type Target = dyn Engine;

    fn deref(&self) -> &Self::Target {
        &*self.engine
    }
}

impl DerefMut for Rig {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut *self.engine
    }
}

/// The kind of error an operation failed with.
#[track_caller]
pub(crate) fn error_of(outcome: Result<Done, Failed>) -> io::ErrorKind {
    match outcome {
        Ok(done) => panic!("should have failed, but: {done:?}"),
        Err(failed) => failed.error.kind(),
    }
}

#[track_caller]
pub(crate) fn assert_error(outcome: Result<Done, Failed>, kind: io::ErrorKind) {
    assert_eq!(error_of(outcome), kind);
}

/// One test at a time that changes something of the whole process.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The real time, for bounds on what a call takes.
#[expect(clippy::disallowed_methods, reason = "a test measures engines from outside")]
pub(crate) fn real_now() -> Instant {
    Instant::now()
}

/// Runs something on another thread.
pub(crate) fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    #[expect(clippy::disallowed_methods, reason = "a peer outside of the engine")]
    thread::spawn(work)
}

/// Gives other threads their turn until something is so, or the guard's time is over.
pub(crate) fn spin_until(mut so: impl FnMut() -> bool) {
    let end = real_now() + GUARD;
    while !so() && real_now() < end {
        thread::yield_now();
    }
}

fn locked(step: &Mutex<String>) -> MutexGuard<'_, String> {
    step.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long an engine may take for what it must do.
pub(crate) const GUARD: Duration = Duration::from_secs(10);

/// How long a call may take that must not block: far less than for ever, far more than a busy machine adds.
const SWIFT: Duration = Duration::from_secs(3);

/// When a body counts as hanging.
const HANGS_AFTER: Duration = Duration::from_secs(20);
