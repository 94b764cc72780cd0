//! Panics of callbacks, on every engine: each is told once, whatever it was thrown with, and the loop goes on.
#![allow(clippy::disallowed_methods, reason = "the rest of the network module uses the real clock")]

mod network;

use std::cell::{Cell, RefCell};
use std::panic::panic_any;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;
use std::{env, io};

use network::{Network, on_every_engine, pair};
use switchboard::EventLoop;
use switchboard::engine::Close;
use tracing::Level;

on_every_engine! {
    c13_a_panic_is_reported_once_and_the_loop_goes_on,
    c13_a_watch_that_panics_at_its_last_call_is_reported,
    c13_a_completion_that_panics_is_reported,
    c13_what_was_thrown_may_panic_when_it_is_dropped,
    a_failure_says_whose_it_is_and_whether_it_was_a_panic,
    a_panic_in_the_failure_handler_ends_nothing,
    a_failure_handler_may_set_another,
    a_failure_handler_may_be_dropped_by_setting_another,
}

type Log = Rc<RefCell<Vec<&'static str>>>;

fn note(log: &Log, what: &'static str) -> impl FnOnce(&EventLoop) + use<> {
    let log = Rc::clone(log);
    move |_| log.borrow_mut().push(what)
}

/// Keeps what is reported.
fn reported(event_loop: &EventLoop) -> Rc<RefCell<Vec<String>>> {
    let failures = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&failures);
    event_loop.on_failure(move |failure| sink.borrow_mut().push(failure.message().to_owned()));
    failures
}

fn c13_a_panic_is_reported_once_and_the_loop_goes_on(network: &Network) {
    let (event_loop, log) = (network.event_loop(), Log::default());
    let failures = reported(&event_loop);
    event_loop.soon(|_| panic!("in a callback"));
    let number = std::hint::black_box(2);
    event_loop.later(Duration::ZERO, move |_| panic!("in a timer, number {number}"));
    event_loop.soon(|_| panic_any(7));
    event_loop.soon(note(&log, "after"));
    event_loop.run().unwrap();
    let mut failures = failures.borrow().clone();
    failures.sort();
    assert_eq!(failures, ["in a callback", "in a timer, number 2", "something that is no text"]);
    assert_eq!(*log.borrow(), ["after"]);
}

fn a_failure_says_whose_it_is_and_whether_it_was_a_panic(network: &Network) {
    let event_loop = network.event_loop();
    let failures = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&failures);
    event_loop.on_failure(move |failure| {
        sink.borrow_mut().push((failure.task().map(str::to_owned), failure.is_panic()));
    });
    event_loop.soon(|_| panic!("in a callback"));
    event_loop
        .block_on(async {
            switchboard::spawn_named("fails", async { Err::<(), _>("an error") }).detach();
            switchboard::spawn_named("panics", async { panic!("a panic") }).detach();
            switchboard::spawn(async { Err::<(), _>("an error") }).detach();
            switchboard::yield_now().await;
        })
        .unwrap();
    let mut failures = failures.borrow().clone();
    failures.sort();
    let named = |name: &str, is_panic| (Some(name.to_owned()), is_panic);
    assert_eq!(failures, [(None, false), (None, true), named("fails", false), named("panics", true)]);
}

fn a_panic_in_the_failure_handler_ends_nothing(network: &Network) {
    let (event_loop, log) = (network.event_loop(), Log::default());
    event_loop.on_failure(|_| panic!("in the handler"));
    event_loop.soon(|_| panic!("in a callback"));
    event_loop.soon(note(&log, "after"));
    event_loop.run().unwrap();
    assert_eq!(*log.borrow(), ["after"]);
}

fn c13_a_watch_that_panics_at_its_last_call_is_reported(network: &Network) {
    let event_loop = network.event_loop();
    let failures = reported(&event_loop);
    let (ours, _theirs) = pair(&mut **event_loop.engine());
    event_loop.on_readable(ours, |_, ready| {
        ready.expect_err("the socket was closed");
        panic!("in the last call");
    });
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    event_loop.engine().close(ours, Close::Now);
    event_loop.run().unwrap();
    assert_eq!(*failures.borrow(), ["in the last call"]);
}

fn c13_a_completion_that_panics_is_reported(network: &Network) {
    use switchboard::engine::{Done, Failed, Op, Submitted, Ticket};
    struct Panics;
    impl switchboard::event_loop::Completion for Panics {
        fn complete(self: Rc<Self>, _: &EventLoop, _: Ticket, outcome: Result<Done, Failed>) {
            panic!("{:?}", outcome.unwrap_err().error.kind());
        }
    }
    let (event_loop, log) = (network.event_loop(), Log::default());
    let failures = reported(&event_loop);
    let (ours, _theirs) = pair(&mut **event_loop.engine());
    let op = Op::Recv { socket: ours, max: 1, peek: false };
    let Submitted::Pending(_) = event_loop.submit(op, Rc::new(Panics)) else { panic!("there is no data") };
    event_loop.engine().close(ours, Close::Now);
    event_loop.later(Duration::ZERO, note(&log, "after"));
    event_loop.run().unwrap();
    assert_eq!(*failures.borrow(), [format!("{:?}", io::ErrorKind::ConnectionAborted)]);
    assert_eq!(*log.borrow(), ["after"]);
}

/// What is thrown here throws the same again when it is dropped, and so on.
fn c13_what_was_thrown_may_panic_when_it_is_dropped(network: &Network) {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic_any(Self);
        }
    }
    let (event_loop, log) = (network.event_loop(), Log::default());
    let failures = reported(&event_loop);
    event_loop.soon(|_| panic_any(Bomb));
    event_loop.soon(note(&log, "after"));
    event_loop.run().unwrap();
    assert_eq!(*failures.borrow(), ["something that is no text"]);
    assert_eq!(*log.borrow(), ["after"]);
}

fn a_failure_handler_may_set_another(network: &Network) {
    let event_loop = Rc::new(network.event_loop());
    let heard = Rc::new(RefCell::new(Vec::new()));
    let (own, first, second) = (Rc::downgrade(&event_loop), Rc::clone(&heard), Rc::clone(&heard));
    event_loop.on_failure(move |failure| {
        first.borrow_mut().push(format!("first: {}", failure.message()));
        let second = Rc::clone(&second);
        let event_loop = own.upgrade().expect("the loop is running");
        event_loop
            .on_failure(move |failure| second.borrow_mut().push(format!("second: {}", failure.message())));
    });
    event_loop.soon(|_| panic!("one"));
    event_loop.soon(|_| panic!("two"));
    event_loop.run().unwrap();
    assert_eq!(*heard.borrow(), ["first: one", "second: two"]);
}

fn a_failure_handler_may_be_dropped_by_setting_another(network: &Network) {
    struct Guard(Rc<EventLoop>, Rc<Cell<bool>>);
    impl Drop for Guard {
        fn drop(&mut self) {
            let heard = Rc::clone(&self.1);
            self.0.on_failure(move |_| heard.set(true));
        }
    }
    let (event_loop, heard) = (Rc::new(network.event_loop()), Rc::new(Cell::new(false)));
    let guard = Guard(Rc::clone(&event_loop), Rc::clone(&heard));
    event_loop.on_failure(move |_| {
        let _ = &guard;
    });
    event_loop.on_failure(|_| {});
    event_loop.soon(|_| panic!("heard by the handler that the first one's end has set"));
    event_loop.run().unwrap();
    assert!(heard.get());
}

/// The default handler, in a process of its own: whether there is a subscriber is the whole process's matter.
#[test]
fn a_panic_is_reported_on_stderr_or_to_who_has_subscribed() {
    const ROLE: &str = "SWITCHBOARD_TEST_PANICS";
    if let Ok(role) = env::var(ROLE) {
        return panic_once(&role);
    }
    for (role, expected) in [("alone", 1), ("handler", 1), ("subscriber", 0)] {
        let test = env::current_exe().unwrap();
        let name = "a_panic_is_reported_on_stderr_or_to_who_has_subscribed";
        let output =
            Command::new(test).args(["--exact", name, "--nocapture"]).env(ROLE, role).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{role}: {text}");
        assert_eq!(text.matches("a callback panicked: boom").count(), expected, "{role}: {text}");
    }
}

fn panic_once(role: &str) {
    let event_loop = EventLoop::new().unwrap();
    if role == "handler" {
        event_loop.on_failure(|_| panic!("in the handler"));
    }
    let log = network::log::Log::default();
    if role == "subscriber" {
        tracing::subscriber::set_global_default(log.clone()).unwrap();
    }
    event_loop.soon(|_| panic!("boom"));
    event_loop.run().unwrap();
    assert_eq!(log.at(Level::ERROR).len(), usize::from(role == "subscriber"));
}
