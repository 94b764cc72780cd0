//! Where the loops of a test come from: each mechanism of this system, and a network in memory.
//!
//! A mechanism that this system lacks is skipped with the reason, unless `SWITCHBOARD_REQUIRE` names it.
#![allow(dead_code, unused_macros, unused_imports, reason = "each test file uses its part")]
#![allow(clippy::disallowed_methods, reason = "tests guard themselves by the real clock")]

#[path = "../rig/engines.rs"]
mod engines;
mod faults;
pub(crate) mod log;
pub(crate) mod recorder;
#[path = "../rig/reserved.rs"]
pub(crate) mod reserved;
pub(crate) mod resident;
pub(crate) mod streams;

use std::rc::Rc;
use std::time::{Duration, Instant};

use engines::Lot;
pub(crate) use faults::Faults;
use switchboard::EventLoop;
use switchboard::engine::{
    self, Address, Done, Engine, Fact, Failed, Listen, Op, Plan, Question, Socket, Submitted, Ticket,
};

/// Opens loops on one kind of engine.
pub(crate) struct Network {
    lot: Lot,
}

/// One test on every engine, each by its own name.
macro_rules! on_every_engine {
    ($($body:ident),* $(,)?) => {
        mod uring { $(#[test] fn $body() { super::network::Network::URING.run_test(super::$body); })* }
        mod epoll { $(#[test] fn $body() { super::network::Network::EPOLL.run_test(super::$body); })* }
        mod poll { $(#[test] fn $body() { super::network::Network::POLL.run_test(super::$body); })* }
        mod select { $(#[test] fn $body() { super::network::Network::SELECT.run_test(super::$body); })* }
        mod sim { $(#[test] fn $body() { super::network::Network::SIM.run_test(super::$body); })* }
        mod sim_oneshot {
            $(#[test] fn $body() { super::network::Network::SIM_ONESHOT.run_test(super::$body); })*
        }
    };
}
pub(crate) use on_every_engine;

impl Network {
    pub(crate) const URING: Self = Self { lot: Lot::Uring };
    pub(crate) const EPOLL: Self = Self { lot: Lot::Epoll };
    pub(crate) const POLL: Self = Self { lot: Lot::Poll };
    pub(crate) const SELECT: Self = Self { lot: Lot::Select };
    pub(crate) const SIM: Self = Self { lot: Lot::Sim };
    pub(crate) const SIM_ONESHOT: Self = Self { lot: Lot::SimOneshot };

    /// Runs a test, unless its engine is not to be had here.
    pub(crate) fn run_test(&self, body: impl Fn(&Self)) {
        if self.lot.open().is_some() {
            body(self);
        }
    }

    pub(crate) fn name(&self) -> String {
        format!("{:?}", self.lot)
    }

    /// Whether a receive takes all that is there and fits, as tests about the pieces need it; said aloud if not.
    pub(crate) fn receives_whole(&self) -> bool {
        let is_so = !engines::may_happen(engine::Fault::Short);
        if !is_so {
            println!("skipped on {:?} under this fault: short", self.lot);
        }
        is_so
    }

    /// Whether time and sleep are real on it.
    pub(crate) fn is_real(&self) -> bool {
        self.lot.is_real()
    }

    pub(crate) fn engine(&self) -> Box<dyn Engine> {
        let (engine, _network) = self.lot.open().expect("an engine that was opened before");
        engine
    }

    pub(crate) fn event_loop(&self) -> EventLoop {
        EventLoop::with(self.engine())
    }

    /// A loop on an engine that errs as it is told.
    pub(crate) fn faulty(&self) -> (EventLoop, Rc<Faults>) {
        let (engine, faults) = faults::Faulty::around(self.engine());
        (EventLoop::with(engine), faults)
    }

    /// Runs a loop until it stops or ends; a guard ends what hangs.
    pub(crate) fn run(&self, event_loop: &EventLoop) {
        let guard = event_loop.later(DEADLINE, |_| panic!("the loop did not end in time"));
        event_loop.run().unwrap();
        event_loop.cancel(guard);
    }
}

/// The mechanisms of this system that could be opened.
pub(crate) fn real() -> Vec<Network> {
    let all = [Network::URING, Network::EPOLL, Network::POLL, Network::SELECT];
    all.into_iter().filter(|network| network.lot.open().is_some()).collect()
}

/// A loop on each engine with these faults, with its name and what was brought about.
pub(crate) fn faulty_loops(
    faults: &engine::Faults,
) -> impl Iterator<Item = (String, EventLoop, engine::Injected)> {
    let real = engine::Mechanism::available().map(|mechanism| {
        let (engine, injected) = engine::with_faults(mechanism, faults, 7).unwrap();
        (mechanism.to_string(), EventLoop::with(engine), injected)
    });
    let simulated = [engine::sim::Lamps::Edge, engine::sim::Lamps::Oneshot].map(|lamps| {
        let network = engine::sim::Network::with_seed(7).lamps(lamps).faults(faults.clone());
        (format!("sim {lamps:?}"), EventLoop::with(network.engine()), network.injected())
    });
    real.chain(simulated)
}

/// A listener on a free port, and where it is.
pub(crate) fn listener(engine: &mut dyn Engine) -> (Socket, Address) {
    let any = "127.0.0.1:0".parse().unwrap();
    let listener = engine.open(Plan::Listen(Listen::at(any))).unwrap();
    let Ok(Fact::Address(address)) = engine.ask(listener, Question::Local) else {
        panic!("no local address")
    };
    (listener, address)
}

/// Two ends of a connection: who accepted, and who connected.
pub(crate) fn pair(engine: &mut dyn Engine) -> (Socket, Socket) {
    let (listener, address) = listener(engine);
    let client = engine.open(Plan::Stream { like: address.clone() }).unwrap();
    let connecting = engine.submit(Op::Connect { socket: client, to: address });
    let accepting = engine.submit(Op::Accept { socket: listener, wait: true });
    finish(engine, connecting).unwrap();
    let Ok(Done::Accepted { socket, .. }) = finish(engine, accepting) else { panic!("nobody accepted") };
    engine.close(listener, engine::Close::Now);
    (socket, client)
}

/// Waits for an operation's end.
pub(crate) fn finish(engine: &mut dyn Engine, submitted: Submitted) -> Result<Done, Failed> {
    let ticket: Ticket = match submitted {
        Submitted::Done(outcome) => return outcome,
        Submitted::Pending(ticket) => ticket,
    };
    let mut finished = Vec::new();
    let begun = Instant::now();
    loop {
        match engine.take(ticket) {
            Err(failed) if failed.error.kind() == std::io::ErrorKind::WouldBlock => {}
            outcome => return outcome,
        }
        assert!(begun.elapsed() < DEADLINE, "an operation did not finish in time");
        let soon = engine.clock() + Duration::from_millis(100);
        engine.wait(Some(soon), &mut finished).unwrap();
    }
}

/// Turns the loop until the condition holds.
pub(crate) fn until(event_loop: &EventLoop, what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < DEADLINE, "did not come about: {what}");
        event_loop.turn(Some(Duration::from_millis(10))).unwrap();
    }
}

/// Turns the loop until the operation is done.
pub(crate) fn complete(event_loop: &EventLoop, op: Op) -> Result<Done, Failed> {
    // Not in the `match` itself: it would hold the engine.
    let submitted = event_loop.engine().submit(op);
    let ticket = match submitted {
        Submitted::Done(outcome) => return outcome,
        Submitted::Pending(ticket) => ticket,
    };
    let mut outcome = None;
    until(event_loop, "the end of an operation", || {
        let taken = event_loop.engine().take(ticket);
        match taken {
            Err(failed) if failed.error.kind() == std::io::ErrorKind::WouldBlock => false,
            taken => {
                outcome = Some(taken);
                true
            }
        }
    });
    outcome.expect("it was done")
}

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
