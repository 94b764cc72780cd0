//! Where the loops of a test come from: each mechanism of this system, and a network in memory.
//!
//! A mechanism that this system lacks is skipped with the reason, unless `SWITCHBOARD_REQUIRE` names it.
#![allow(dead_code, unused_macros, unused_imports, reason = "each test file uses its part")]
#![allow(clippy::disallowed_methods, reason = "tests guard themselves by the real clock")]

use std::time::{Duration, Instant};

use switchboard::EventLoop;
use switchboard::engine::{
    self, Address, Done, Engine, Fact, Failed, Listen, Mechanism, Op, Plan, Question, Socket, Submitted,
    Ticket,
};

/// Opens loops that can talk to each other.
pub(crate) struct Network {
    mechanism: Option<Mechanism>,
}

/// One test on every engine, each by its own name.
macro_rules! on_every_engine {
    ($($body:ident),* $(,)?) => {
        mod epoll { $(#[test] fn $body() { super::network::Network::run_on("epoll", super::$body); })* }
        mod poll { $(#[test] fn $body() { super::network::Network::run_on("poll", super::$body); })* }
        mod select { $(#[test] fn $body() { super::network::Network::run_on("select", super::$body); })* }
        mod memory { $(#[test] fn $body() { super::network::Network::run_on("memory", super::$body); })* }
    };
}
pub(crate) use on_every_engine;

impl Network {
    /// Runs a test on the engine named, or says why not.
    pub(crate) fn run_on(name: &str, body: impl Fn(&Network)) {
        match Self::open(name) {
            Ok(network) => body(&network),
            Err(reason) => skip(name, &reason),
        }
    }

    fn open(name: &str) -> Result<Self, String> {
        if name == "memory" {
            return Ok(Self { mechanism: None });
        }
        let mechanism: Mechanism = name.parse().map_err(|error| format!("{error}"))?;
        engine::with(mechanism).map_err(|error| error.to_string())?;
        Ok(Self { mechanism: Some(mechanism) })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.mechanism.map_or("memory", Mechanism::name)
    }

    pub(crate) fn engine(&self) -> Box<dyn Engine> {
        match self.mechanism {
            Some(mechanism) => engine::with(mechanism).expect("an engine that was opened before"),
            None => engine::memory::Network::new().engine(),
        }
    }

    pub(crate) fn event_loop(&self) -> EventLoop {
        EventLoop::with(self.engine())
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
    let mut networks = Vec::new();
    for name in ["epoll", "poll", "select"] {
        match Network::open(name) {
            Ok(network) => networks.push(network),
            Err(reason) => skip(name, &reason),
        }
    }
    networks
}

fn skip(name: &str, reason: &str) {
    let required = std::env::var("SWITCHBOARD_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|other| other == name), "{name} is required, and: {reason}");
    println!("skipped on {name}: {reason}");
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

const DEADLINE: Duration = Duration::from_secs(20);
