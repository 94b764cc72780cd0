//! Where the clients of one event loop are, and how that loop ends.
//!
//! There is one for each thread. They share the rules and the books; each keeps its own clients, and goes through the
//! steps of the end by itself once it was told when that began.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use switchboard::EventLoop;
use switchboard::engine::{Address, Descriptor, Plan, Setting, Socket};
use switchboard::server::Why;

use super::guest::Guest;
use super::post::Home;
use crate::error::reason;
use crate::explain::Explain;
use crate::serve::drain::{Drain, Phase};
use crate::serve::ledger::{Gone, Ledger, Visit};
use crate::serve::options::Options;
use crate::session::Opening;

/// What holds for all clients, whatever the loop.
pub(crate) struct Rules {
    pub(crate) opening: Opening,
    pub(crate) read_size: usize,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) limit: Option<usize>,
    pub(crate) grace: Duration,
    pub(crate) explain: Explain,
}

/// What all loops of a server share.
pub(crate) struct Shared {
    pub(crate) rules: Rules,
    pub(crate) home: Arc<Home>,
    ledger: Mutex<Ledger>,
}

/// See the top of this file.
pub(crate) struct Hall {
    pub(crate) shared: Arc<Shared>,
    guests: RefCell<BTreeMap<u64, Rc<Guest>>>,
    /// How many have ever been here.
    count: Cell<u64>,
    drain: RefCell<Drain>,
    phase: Cell<Phase>,
    /// Nobody comes any more.
    is_closed: Cell<bool>,
    /// Of whoever waits for its end.
    waiting: RefCell<Option<Waker>>,
}

impl Hall {
    pub(crate) fn new(shared: Arc<Shared>) -> Rc<Self> {
        let drain = Drain::told(shared.rules.grace);
        Rc::new(Self {
            shared,
            guests: RefCell::default(),
            count: Cell::new(0),
            drain: RefCell::new(drain),
            phase: Cell::new(Phase::Serving),
            is_closed: Cell::new(false),
            waiting: RefCell::default(),
        })
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.shared.rules
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Serves somebody from elsewhere, who is in the ledger already.
    pub(crate) fn admit(self: &Rc<Self>, event_loop: &EventLoop, descriptor: OwnedFd, peer: Address) {
        let plan = Plan::Adopt(Descriptor::Owned(descriptor));
        let opened = event_loop.engine().open(plan);
        match opened {
            Ok(socket) => self.seat(event_loop, socket, peer),
            Err(error) => self.turn_away(&peer, &error, event_loop.now()),
        }
    }

    /// Somebody who is in the ledger cannot be served.
    pub(crate) fn turn_away(&self, peer: &Address, error: &io::Error, now: Instant) {
        let visit = Visit { peer, since: now, received: 0, sent: 0 };
        self.shared.went(&visit, &Gone::Failed(reason(error)), now);
        self.change();
    }

    /// Serves somebody whose socket this loop's engine has, and who is in the ledger already.
    pub(crate) fn seat(self: &Rc<Self>, event_loop: &EventLoop, socket: Socket, peer: Address) {
        if let Address::Ip(_) = peer {
            // Pieces are sent when they come: a typist waits for each. Where it cannot be set, it is only slower.
            event_loop.engine().set(socket, Setting::NoDelay(true)).ok();
        }
        let number = self.count.replace(self.count.get() + 1);
        let guest = Guest::start(event_loop, self, number, (socket, peer));
        self.guests.borrow_mut().insert(number, Rc::clone(&guest));
        guest.go_on(event_loop);
        self.bring_to_phase(event_loop, &guest);
    }

    /// Somebody has left.
    pub(crate) fn dismiss(&self, number: u64, visit: &Visit<'_>, gone: &Gone, now: Instant) {
        self.guests.borrow_mut().remove(&number);
        self.shared.went(visit, gone, now);
        self.change();
    }

    /// Does this to the drain, and what follows from it.
    pub(crate) fn drain(self: &Rc<Self>, event_loop: &EventLoop, what: impl FnOnce(&mut Drain)) {
        what(&mut self.drain.borrow_mut());
        self.look_at_the_clock(event_loop);
    }

    /// Nobody comes any more.
    pub(crate) fn close(&self) {
        self.is_closed.set(true);
        self.change();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    /// Whether nobody is here, and nobody will be.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_closed.get() && self.guests.borrow().is_empty()
    }

    /// Has this woken when that may have changed, or the phase.
    pub(crate) fn wake_at_change(&self, waker: &Waker) {
        self.waiting.replace(Some(waker.clone()));
    }

    /// The same, and nothing is left to do for it. Who was just here is still taken leave of, but not for ever.
    pub(crate) fn is_done(&self, event_loop: &EventLoop) -> bool {
        self.is_empty() && (self.phase.get() == Phase::Over || event_loop.engine().closing() == 0)
    }

    /// Runs its loop until then.
    pub(crate) fn run(&self, event_loop: &EventLoop) -> io::Result<()> {
        while !self.is_done(event_loop) {
            event_loop.turn(None)?;
        }
        Ok(())
    }

    fn look_at_the_clock(self: &Rc<Self>, event_loop: &EventLoop) {
        let now = event_loop.now();
        let phase = self.drain.borrow_mut().phase(now);
        if self.phase.replace(phase) != phase {
            let guests: Vec<_> = self.guests.borrow().values().cloned().collect();
            for guest in guests {
                self.bring_to_phase(event_loop, &guest);
            }
            self.change();
        }
        let next = self.drain.borrow().next(now);
        if let Some(next) = next {
            let hall = Rc::clone(self);
            event_loop.at(next, move |event_loop| hall.look_at_the_clock(event_loop));
        }
    }

    fn change(&self) {
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    fn bring_to_phase(&self, event_loop: &EventLoop, guest: &Rc<Guest>) {
        match self.phase.get() {
            Phase::Serving | Phase::Draining | Phase::AtOnce(_) => {}
            Phase::LastWords => guest.end_reading(event_loop),
            Phase::Over => guest.cancel(event_loop, Why::Drain),
        }
    }
}

impl Shared {
    pub(crate) fn new(options: &Options, home: Home) -> Arc<Self> {
        let Options { read_size, idle_timeout, limit, grace, explain, .. } = *options;
        let rules = Rules { opening: options.opening(), read_size, idle_timeout, limit, grace, explain };
        Arc::new(Self { rules, home: Arc::new(home), ledger: Mutex::default() })
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down that somebody has left. If others wait for the place, the door is told.
    fn went(&self, visit: &Visit<'_>, gone: &Gone, now: Instant) {
        let mut ledger = self.ledger();
        let was_full = self.rules.limit.is_some_and(|limit| ledger.served() >= limit);
        ledger.went(visit, gone, now);
        drop(ledger);
        if was_full {
            self.home.wake();
        }
    }
}
