//! Acceptors, on every engine: all who connect are served, in turn, whatever befalls one of them.
#![allow(clippy::disallowed_methods, reason = "tests use the real clock")]

mod network;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use network::log::Log;
use network::reserved::ReservedPort;
use network::{Network, complete, listener, on_every_engine, until};
use rustix::io::Errno;
use switchboard::EventLoop;
use switchboard::engine::{Address, Close, Listen, Op, Plan, Socket};
use switchboard::event_loop::{Acceptor, Next};
use tracing::Level;

on_every_engine! {
    an_acceptor_takes_many_in_their_turn,
    c11_many_who_wait_do_not_keep_others_from_their_turn,
    c11_accepts_that_fail_for_ever_do_not_keep_others_from_their_turn,
    an_acceptor_empties_its_queue_before_it_stops,
    e6_who_was_accepted_for_an_acceptor_that_stops_is_called_back,
    e16_a_port_is_free_again_once_its_acceptor_has_stopped,
    e17_stopping_ends_although_the_queue_never_does,
    an_acceptor_that_was_stopped_at_once_never_accepts,
    an_acceptor_can_be_stopped_by_its_own_callback,
    an_acceptor_survives_a_callback_that_panics,
    who_was_gone_before_it_was_accepted_ends_nothing,
    who_was_gone_before_it_was_accepted_does_not_end_the_emptying,
    e4_out_of_descriptors_it_tries_again_once_a_pause,
    out_of_descriptors_is_said_once_each_time,
    an_error_that_will_not_go_away_ends_accepting_and_is_said,
}

/// Clients that connect, and a listener with an acceptor that counts them.
fn accepting(event_loop: &EventLoop, clients: usize) -> (Acceptor, Rc<Cell<usize>>, Vec<Socket>) {
    let (listener, address) = listener(&mut **event_loop.engine());
    let accepted = Rc::new(Cell::new(0));
    let count = Rc::clone(&accepted);
    let acceptor = Acceptor::start(event_loop, listener, move |event_loop, socket, _| {
        // The engine is free while it is called.
        event_loop.engine().close(socket, Close::Now);
        count.set(count.get() + 1);
    });
    let sockets = (0..clients).map(|_| {
        let socket = event_loop.engine().open(Plan::Stream { like: address.clone() }).unwrap();
        let connecting = event_loop.engine().submit(Op::Connect { socket, to: address.clone() });
        drop(connecting);
        socket
    });
    (acceptor, accepted, sockets.collect())
}

/// Waits until they are connected, as far as they know, before the acceptor has run even once.
fn are_connected(event_loop: &EventLoop, clients: &[Socket]) {
    for &socket in clients {
        let ready = Op::Ready { socket, direction: switchboard::engine::Direction::Write };
        let submitted = event_loop.engine().submit(ready);
        network::finish(&mut **event_loop.engine(), submitted).unwrap();
    }
}

fn an_acceptor_takes_many_in_their_turn(network: &Network) {
    let event_loop = network.event_loop();
    let (acceptor, accepted, _clients) = accepting(&event_loop, 200);
    until(&event_loop, "all are accepted", || accepted.get() == 200);
    acceptor.stop(&event_loop);
}

fn an_acceptor_empties_its_queue_before_it_stops(network: &Network) {
    let event_loop = network.event_loop();
    let (acceptor, accepted, clients) = accepting(&event_loop, 50);
    are_connected(&event_loop, &clients);
    assert_eq!(accepted.get(), 0);
    acceptor.stop(&event_loop);
    assert_eq!(accepted.get(), 50);
    acceptor.stop(&event_loop);
}

fn an_acceptor_survives_a_callback_that_panics(network: &Network) {
    let event_loop = network.event_loop();
    event_loop.on_failure(|_| {});
    let (listener, address) = listener(&mut **event_loop.engine());
    let accepted = Rc::new(Cell::new(0));
    let count = Rc::clone(&accepted);
    Acceptor::start(&event_loop, listener, move |_, _, _| {
        count.set(count.get() + 1);
        assert!(count.get() > 1, "the first one panics");
    });
    for expected in 1..=2 {
        let client = event_loop.engine().open(Plan::Stream { like: address.clone() }).unwrap();
        complete(&event_loop, Op::Connect { socket: client, to: address.clone() }).unwrap();
        until(&event_loop, "it is accepted", || accepted.get() == expected);
    }
}

fn connect(event_loop: &EventLoop, address: &Address) -> Socket {
    let client = event_loop.engine().open(Plan::Stream { like: address.clone() }).unwrap();
    complete(event_loop, Op::Connect { socket: client, to: address.clone() }).unwrap();
    client
}

fn c11_many_who_wait_do_not_keep_others_from_their_turn(network: &Network) {
    let event_loop = network.event_loop();
    let (acceptor, accepted, clients) = accepting(&event_loop, 150);
    are_connected(&event_loop, &clients);
    let (seen, count) = (Rc::new(Cell::new(0)), Rc::clone(&accepted));
    let first = Rc::clone(&seen);
    event_loop.soon(move |_| first.set(count.get()));
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    assert!((1..150).contains(&seen.get()), "{} accepted before another had its turn", seen.get());
    until(&event_loop, "all are accepted", || accepted.get() == 150);
    acceptor.stop(&event_loop);
}

fn c11_accepts_that_fail_for_ever_do_not_keep_others_from_their_turn(network: &Network) {
    let (event_loop, faults) = network.faulty();
    let (acceptor, ..) = accepting(&event_loop, 0);
    faults.every_accept.set(Some(Errno::CONNABORTED));
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    let once = faults.accepts_asked.get();
    assert!((1..1000).contains(&once), "{once} accepts in one pass");
    event_loop.turn(None).unwrap();
    assert!(faults.accepts_asked.get() > once, "it went on in the next pass");
    acceptor.stop(&event_loop);
}

fn e6_who_was_accepted_for_an_acceptor_that_stops_is_called_back(network: &Network) {
    let event_loop = network.event_loop();
    let (listener, address) = listener(&mut **event_loop.engine());
    let accepted = Rc::new(Cell::new(0));
    let count = Rc::clone(&accepted);
    let acceptor = Acceptor::start(&event_loop, listener, move |_, _, _| count.set(count.get() + 1));
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    let client = event_loop.engine().open(Plan::Stream { like: address.clone() }).unwrap();
    let connecting = event_loop.engine().submit(Op::Connect { socket: client, to: address });
    // The engine accepts for the acceptor, which has not been told yet.
    network::finish(&mut **event_loop.engine(), connecting).unwrap();
    assert_eq!(accepted.get(), 0);
    acceptor.stop(&event_loop);
    assert_eq!(accepted.get(), 1);
    event_loop.run().unwrap();
    assert_eq!(accepted.get(), 1);
}

fn e16_a_port_is_free_again_once_its_acceptor_has_stopped(network: &Network) {
    let event_loop = network.event_loop();
    let port = ReservedPort::new();
    let listen = || Plan::Listen(Listen::at(port.address().into()));
    let listener = event_loop.engine().open(listen()).unwrap();
    let acceptor = Acceptor::start(&event_loop, listener, |_, _, _| {});
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    acceptor.stop(&event_loop);
    event_loop.engine().open(listen()).unwrap();
    event_loop.run().unwrap();
}

fn e17_stopping_ends_although_the_queue_never_does(network: &Network) {
    let (event_loop, faults) = network.faulty();
    let (acceptor, ..) = accepting(&event_loop, 0);
    faults.every_accept.set(Some(Errno::CONNABORTED));
    acceptor.stop(&event_loop);
    assert!(faults.accepts_asked.get() >= 4096, "as many as a queue holds");
    faults.accepts_asked.set(0);
    acceptor.stop(&event_loop);
    event_loop.run().unwrap();
    assert_eq!(faults.accepts_asked.get(), 0, "stopped, it asks for nothing");
}

fn an_acceptor_that_was_stopped_at_once_never_accepts(network: &Network) {
    let (event_loop, faults) = network.faulty();
    let (acceptor, ..) = accepting(&event_loop, 0);
    acceptor.stop(&event_loop);
    let asked = faults.accepts_asked.get();
    event_loop.run().unwrap();
    assert_eq!(faults.accepts_asked.get(), asked);
}

/// While the callback is being called, it cannot be called with those who wait: they have to wait for its end.
fn an_acceptor_can_be_stopped_by_its_own_callback(network: &Network) {
    let event_loop = network.event_loop();
    let failures = Rc::new(Cell::new(0));
    let count = Rc::clone(&failures);
    event_loop.on_failure(move |_| count.set(count.get() + 1));
    let (listener, address) = listener(&mut **event_loop.engine());
    let (accepted, itself) = (Rc::new(Cell::new(0)), Rc::new(RefCell::new(None::<Acceptor>)));
    let (count, own) = (Rc::clone(&accepted), Rc::clone(&itself));
    let acceptor = Acceptor::start(&event_loop, listener, move |event_loop, _, _| {
        count.set(count.get() + 1);
        if let Some(acceptor) = own.take() {
            acceptor.stop(event_loop);
        }
    });
    itself.replace(Some(acceptor));
    let clients: Vec<Socket> = (0..3)
        .map(|_| {
            let client = event_loop.engine().open(Plan::Stream { like: address.clone() }).unwrap();
            let connecting = event_loop.engine().submit(Op::Connect { socket: client, to: address.clone() });
            network::finish(&mut **event_loop.engine(), connecting).unwrap();
            client
        })
        .collect();
    until(&event_loop, "all are accepted", || accepted.get() == clients.len());
    assert_eq!(failures.get(), 0);
    event_loop.run().unwrap();
}

fn who_was_gone_before_it_was_accepted_ends_nothing(network: &Network) {
    let (event_loop, faults) = network.faulty();
    let (listener, address) = listener(&mut **event_loop.engine());
    let accepted = Rc::new(Cell::new(0));
    let count = Rc::clone(&accepted);
    let acceptor = Acceptor::start(&event_loop, listener, move |_, _, _| count.set(count.get() + 1));
    faults.accepts.borrow_mut().extend(TRANSIENT);
    connect(&event_loop, &address);
    until(&event_loop, "it is accepted", || accepted.get() == 1);
    assert!(faults.accepts.borrow().is_empty());
    acceptor.stop(&event_loop);
}

fn who_was_gone_before_it_was_accepted_does_not_end_the_emptying(network: &Network) {
    let (event_loop, faults) = network.faulty();
    let (acceptor, accepted, clients) = accepting(&event_loop, 3);
    are_connected(&event_loop, &clients);
    faults.accepts.borrow_mut().extend(TRANSIENT);
    acceptor.stop(&event_loop);
    assert_eq!(accepted.get(), 3);
}

fn e4_out_of_descriptors_it_tries_again_once_a_pause(network: &Network) {
    for error in EXHAUSTION {
        let (event_loop, faults) = network.faulty();
        let (acceptor, accepted, _clients) = accepting(&event_loop, 2);
        faults.every_accept.set(Some(error));
        for tries in 1..=3 {
            event_loop.turn(None).unwrap();
            assert_eq!(faults.accepts_asked.get(), tries, "{error}: one try a pause");
            let Next::At(next) = event_loop.next() else { panic!("{error}: it does not sleep") };
            let pause = next.duration_since(event_loop.now());
            assert!(pause > Duration::from_millis(50), "{error}: only {pause:?}");
            // The pause is over.
            faults.elapsed.set(faults.elapsed.get() + Duration::from_secs(1));
        }
        faults.every_accept.set(None);
        until(&event_loop, "all are accepted", || accepted.get() == 2);
        acceptor.stop(&event_loop);
    }
}

fn out_of_descriptors_is_said_once_each_time(network: &Network) {
    let (event_loop, faults) = network.faulty();
    let (listener, address) = listener(&mut **event_loop.engine());
    let accepted = Rc::new(Cell::new(0));
    let count = Rc::clone(&accepted);
    let acceptor = Acceptor::start(&event_loop, listener, move |_, _, _| count.set(count.get() + 1));
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), || {
        for times in 1..=2 {
            faults.accepts.borrow_mut().extend([Errno::MFILE; 3]);
            connect(&event_loop, &address);
            until(&event_loop, "it is accepted after three failures", || {
                faults.elapsed.set(faults.elapsed.get() + Duration::from_secs(1));
                accepted.get() == times && faults.accepts.borrow().is_empty()
            });
            assert_eq!(log.at(Level::WARN).len(), times);
        }
    });
    acceptor.stop(&event_loop);
}

fn an_error_that_will_not_go_away_ends_accepting_and_is_said(network: &Network) {
    let (event_loop, faults) = network.faulty();
    let (acceptor, ..) = accepting(&event_loop, 0);
    faults.accepts.borrow_mut().push_back(Errno::INVAL);
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), || event_loop.run().unwrap());
    assert_eq!(faults.accepts_asked.get(), 1);
    let said = log.at(Level::ERROR);
    assert!(matches!(&said[..], [one] if one.contains("stopped accepting")), "{said:?}");
    acceptor.stop(&event_loop);
}

/// What befalls one client, or the way to it (accept(2), "error handling").
const TRANSIENT: [Errno; 10] = [
    Errno::CONNABORTED,
    Errno::INTR,
    Errno::PROTO,
    Errno::NETDOWN,
    Errno::NETUNREACH,
    Errno::HOSTDOWN,
    Errno::HOSTUNREACH,
    Errno::NOPROTOOPT,
    Errno::OPNOTSUPP,
    Errno::PERM,
];

/// What has run out, and may come back.
const EXHAUSTION: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
