//! Watches, on every engine: called again and again, until they are cancelled, fail or panic.
#![allow(clippy::disallowed_methods, reason = "the rest of the network module uses the real clock")]

mod network;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use network::{Network, on_every_engine, pair, until};
use switchboard::EventLoop;
use switchboard::engine::Close;
use switchboard::engine::sim::{Lamps, Network as Simulated};
use switchboard::event_loop::Next;

on_every_engine! {
    a_watch_is_called_as_long_as_the_socket_is_readable,
    a_watch_of_a_closed_socket_hears_so_and_ends,
    a_socket_with_room_is_writable_every_pass,
    a_watch_that_cancels_itself_is_over,
    a_watch_that_cancelled_itself_waits_for_nothing,
    a_watch_that_panicked_is_not_called_again,
}

fn a_watch_that_cancelled_itself_waits_for_nothing(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (done, itself) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(None)));
    let (end, own) = (Rc::clone(&done), Rc::clone(&itself));
    itself.set(Some(event_loop.on_readable(ours, move |event_loop, _| {
        let mut some = [0; 10];
        // Dry after this, so that another wait would last.
        if event_loop.engine().try_recv(ours, &mut some).is_ok() {
            end.set(event_loop.cancel(own.get().unwrap()));
        }
    })));
    event_loop.engine().try_send(theirs, &[io::IoSlice::new(b"x")]).unwrap();
    until(&event_loop, "the call", || done.get());
    // A run would wait for whatever is left.
    assert!(format!("{event_loop:?}").contains("callbacks: 0, operations: 0"), "{event_loop:?}");
    event_loop.run().unwrap();
}

fn a_watch_that_panicked_is_not_called_again(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, _theirs) = pair(&mut **event_loop.engine());
    let failures = Rc::new(Cell::new(0));
    let count = Rc::clone(&failures);
    event_loop.on_failure(move |_| count.set(count.get() + 1));
    event_loop.on_writable(ours, |_, _| panic!("in a watch"));
    event_loop.run().unwrap();
    assert_eq!(failures.get(), 1);
}

fn a_watch_is_called_as_long_as_the_socket_is_readable(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let bytes = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&bytes);
    event_loop.on_readable(ours, move |event_loop, ready| {
        ready.unwrap();
        let mut byte = [0];
        let count = event_loop.engine().try_recv(ours, &mut byte);
        match count {
            Ok(0) => event_loop.stop(),
            Ok(_) => sink.borrow_mut().push(byte[0]),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    });
    event_loop.engine().try_send(theirs, &[io::IoSlice::new(b"one at a time")]).unwrap();
    event_loop.engine().close(theirs, Close::Now);
    network.run(&event_loop);
    assert_eq!(*bytes.borrow(), b"one at a time");
}

fn a_watch_of_a_closed_socket_hears_so_and_ends(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, _theirs) = pair(&mut **event_loop.engine());
    let heard = Rc::new(Cell::new(0));
    let count = Rc::clone(&heard);
    event_loop.on_readable(ours, move |_, ready| {
        assert_eq!(ready.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        count.set(count.get() + 1);
    });
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    event_loop.engine().close(ours, Close::Now);
    event_loop.run().unwrap();
    assert_eq!(heard.get(), 1);
}

fn a_socket_with_room_is_writable_every_pass(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, _theirs) = pair(&mut **event_loop.engine());
    let calls = Rc::new(Cell::new(0));
    let count = Rc::clone(&calls);
    let watch = event_loop.on_writable(ours, move |event_loop, _| {
        count.set(count.get() + 1);
        if count.get() == 3 {
            event_loop.stop();
        }
    });
    network.run(&event_loop);
    assert_eq!(calls.get(), 3);
    assert!(event_loop.cancel(watch));
}

fn a_watch_that_cancels_itself_is_over(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, _theirs) = pair(&mut **event_loop.engine());
    let (calls, itself) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(None)));
    let (count, own) = (Rc::clone(&calls), Rc::clone(&itself));
    itself.set(Some(event_loop.on_writable(ours, move |event_loop, _| {
        count.set(count.get() + 1);
        assert!(event_loop.cancel(own.get().unwrap()), "there was one to cancel");
    })));
    until(&event_loop, "the call", || calls.get() > 0);
    for _ in 0..3 {
        event_loop.turn(Some(Duration::ZERO)).unwrap();
    }
    assert_eq!(calls.get(), 1);
    assert_eq!(event_loop.next(), Next::Never, "nothing is waited for");
    event_loop.run().unwrap();
}

/// In memory, two of a kind can be pending at once.
#[test]
fn a_signal_that_came_twice_counts_twice() {
    for lamps in [Lamps::Edge, Lamps::Oneshot] {
        let network = Simulated::new().lamps(lamps);
        let event_loop = EventLoop::with(network.engine());
        let seen = Rc::new(RefCell::new(Vec::new()));
        let counts = Rc::clone(&seen);
        event_loop.on_signal(signal(12), move |_, times| counts.borrow_mut().push(times.unwrap()));
        network.raise(signal(12));
        network.raise(signal(12));
        until(&event_loop, "the signal", || !seen.borrow().is_empty());
        network.raise(signal(12));
        until(&event_loop, "the next", || seen.borrow().len() > 1);
        assert_eq!(*seen.borrow(), [2, 1]);
    }
}

#[test]
fn signals_are_counted_and_called_back() {
    for net in network::real() {
        let event_loop = net.event_loop();
        let seen = Rc::new(Cell::new(0));
        let count = Rc::clone(&seen);
        event_loop.on_signal(signal(12), move |event_loop, times| {
            count.set(count.get() + times.unwrap());
            if count.get() == 3 {
                return event_loop.stop();
            }
            // One after the other: two of a kind that are pending at once are one (signal(7)).
            raise();
        });
        raise();
        net.run(&event_loop);
        assert_eq!(seen.get(), 3, "on {}", net.name());
    }
}

fn raise() {
    let this = rustix::process::getpid();
    rustix::process::kill_process(this, rustix::process::Signal::USR2).unwrap();
}

#[test]
fn a_signal_that_cannot_be_taken_over_is_an_error() {
    for net in network::real() {
        let event_loop = net.event_loop();
        let kind = Rc::new(Cell::new(None));
        let seen = Rc::clone(&kind);
        event_loop.on_signal(signal(9), move |_, times| seen.set(times.err().map(|error| error.kind())));
        event_loop.run().unwrap();
        assert_eq!(kind.get(), Some(io::ErrorKind::InvalidInput));
    }
}

/// A signal number, so that no bare one stands among other numbers.
const fn signal(number: i32) -> i32 {
    number
}
