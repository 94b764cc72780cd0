//! An engine that errs as it is told: the rest of what it does is a real engine's.
//!
//! So what the kernel does once in a million times is done when a test wants it, on every engine.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use switchboard::engine::{
    Bell, Close, Done, Engine, Fact, Failed, Lease, Op, Plan, Pool, Question, Setting, Socket, Submitted,
    Ticket,
};

/// What goes wrong, and what was seen.
#[derive(Default)]
pub(crate) struct Faults {
    /// How the next accepts fail.
    pub(crate) accepts: RefCell<VecDeque<Errno>>,
    /// How all accepts behind those fail.
    pub(crate) every_accept: Cell<Option<Errno>>,
    /// How many accepts were asked for.
    pub(crate) accepts_asked: Cell<usize>,
    /// How many of the next attempts to send find no room.
    pub(crate) full: Cell<usize>,
    /// From here, there is always something to receive.
    pub(crate) flood: Cell<Option<Socket>>,
    /// How the next wait fails.
    pub(crate) wait: Cell<Option<Errno>>,
    /// How long ago the last wait was, besides the time that really went by.
    pub(crate) elapsed: Cell<Duration>,
    /// How much more goes by between the next wait and what is done after it.
    pub(crate) late: Cell<Duration>,
    /// Until when the last wait was to last.
    pub(crate) until: Cell<Option<Instant>>,
    /// How many tickets were handed in to a wait that were told of before.
    pub(crate) told_again: Cell<usize>,
}

pub(super) struct Faulty {
    engine: Box<dyn Engine>,
    faults: Rc<Faults>,
    /// What had elapsed at the last wait.
    passed: Duration,
}

impl Faulty {
    pub(super) fn around(engine: Box<dyn Engine>) -> (Box<dyn Engine>, Rc<Faults>) {
        let faults = Rc::new(Faults::default());
        let this = Self { engine, faults: Rc::clone(&faults), passed: Duration::ZERO };
        (Box::new(this), faults)
    }

    fn accept_fails(&self) -> Option<Errno> {
        let faults = &self.faults;
        faults.accepts_asked.set(faults.accepts_asked.get() + 1);
        let next = faults.accepts.borrow_mut().pop_front();
        next.or(faults.every_accept.get())
    }
}

impl Engine for Faulty {
    fn name(&self) -> &str {
        self.engine.name()
    }

    fn now(&self) -> Instant {
        self.engine.now() + self.passed
    }

    fn clock(&self) -> Instant {
        self.engine.clock() + self.faults.elapsed.get()
    }

    fn random(&mut self) -> u64 {
        self.engine.random()
    }

    fn open(&mut self, plan: Plan) -> io::Result<Socket> {
        self.engine.open(plan)
    }

    fn ask(&mut self, socket: Socket, question: Question) -> io::Result<Fact> {
        self.engine.ask(socket, question)
    }

    fn set(&mut self, socket: Socket, setting: Setting) -> io::Result<()> {
        self.engine.set(socket, setting)
    }

    fn close(&mut self, socket: Socket, how: Close) {
        self.engine.close(socket, how);
    }

    fn hurry(&mut self, socket: Socket, until: Instant) {
        self.engine.hurry(socket, until);
    }

    fn closing(&self) -> usize {
        self.engine.closing()
    }

    fn prepare(&mut self) {
        self.engine.prepare();
    }

    fn due(&self) -> Option<Instant> {
        self.engine.due().map(|due| due + self.passed)
    }

    fn try_recv(&mut self, socket: Socket, into: &mut [u8]) -> io::Result<usize> {
        self.engine.try_recv(socket, into)
    }

    fn try_send(&mut self, socket: Socket, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.faults.full.get() {
            0 => self.engine.try_send(socket, parts),
            times => {
                self.faults.full.set(times - 1);
                Err(io::ErrorKind::WouldBlock.into())
            }
        }
    }

    fn submit(&mut self, op: Op) -> Submitted {
        match op {
            Op::Recv { socket, .. } if self.faults.flood.get() == Some(socket) => {
                Submitted::Done(Ok(Done::Received { lease: Lease::from(&b"more"[..]) }))
            }
            Op::Accept { .. } => match self.accept_fails() {
                Some(error) => Submitted::Done(Err(Failed { error: error.into(), op: Some(op) })),
                None => self.engine.submit(op),
            },
            op => self.engine.submit(op),
        }
    }

    fn wait(&mut self, until: Option<Instant>, finished: &mut Vec<Ticket>) -> io::Result<()> {
        let faults = &self.faults;
        faults.told_again.set(faults.told_again.get() + finished.len());
        faults.until.set(until);
        if let Some(error) = faults.wait.take() {
            return Err(error.into());
        }
        self.passed = faults.elapsed.get();
        // The engine's own clock knows nothing of what elapsed here.
        let until = until.map(|until| until.checked_sub(self.passed).unwrap_or(until));
        let result = self.engine.wait(until, finished);
        faults.elapsed.set(faults.elapsed.get() + faults.late.take());
        result
    }

    fn take(&mut self, ticket: Ticket) -> Result<Done, Failed> {
        self.engine.take(ticket)
    }

    fn operation(&self, ticket: Ticket) -> Option<&Op> {
        self.engine.operation(ticket)
    }

    fn cancel(&mut self, ticket: Ticket) {
        self.engine.cancel(ticket);
    }

    fn bell(&self) -> Bell {
        self.engine.bell()
    }

    fn pool(&self) -> &Pool {
        self.engine.pool()
    }
}
