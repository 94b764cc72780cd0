//! Acceptors whose callback stops them, holds them or panics, on every engine.

mod network;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use network::{Network, finish, listener, on_every_engine};
use switchboard::EventLoop;
use switchboard::engine::{Address, Op, Plan, Question, Socket};
use switchboard::event_loop::Acceptor;

on_every_engine! {
    an_acceptor_stopped_in_its_callback_empties_its_queue_first,
    a_stopped_acceptor_drops_its_callback_even_if_that_holds_it,
    a11_a_connection_whose_callback_panics_is_reset,
}

/// Clients that wait in the listener's queue.
fn queue(event_loop: &EventLoop, address: &Address, count: usize) -> Vec<Socket> {
    let connected = (0..count).map(|_| {
        let mut engine = event_loop.engine();
        let socket = engine.open(Plan::Stream { like: address.clone() }).unwrap();
        let connecting = engine.submit(Op::Connect { socket, to: address.clone() });
        finish(&mut **engine, connecting).unwrap();
        socket
    });
    connected.collect()
}

fn an_acceptor_stopped_in_its_callback_empties_its_queue_first(network: &Network) {
    let event_loop = network.event_loop();
    event_loop.on_failure(|failure| panic!("{failure}"));
    let (listener, address) = listener(&mut **event_loop.engine());
    let _clients = queue(&event_loop, &address, 5);
    let (accepted, itself) = (Rc::new(Cell::new(0)), Rc::<RefCell<Option<Acceptor>>>::default());
    let (count, to_stop) = (Rc::clone(&accepted), Rc::clone(&itself));
    let acceptor = Acceptor::start(&event_loop, listener, move |event_loop, _, _| {
        count.set(count.get() + 1);
        if let Some(acceptor) = to_stop.take() {
            acceptor.stop(event_loop);
        }
    });
    itself.replace(Some(acceptor));
    event_loop.run().unwrap();
    assert_eq!(accepted.get(), 5);
    assert!(event_loop.engine().ask(listener, Question::Local).is_err(), "the listener is still open");
}

fn a_stopped_acceptor_drops_its_callback_even_if_that_holds_it(network: &Network) {
    let event_loop = network.event_loop();
    let (listener, _) = listener(&mut **event_loop.engine());
    let (held, itself) = (Rc::new(()), Rc::<RefCell<Option<Acceptor>>>::default());
    let (holding, cycle) = (Rc::clone(&held), Rc::clone(&itself));
    let acceptor = Acceptor::start(&event_loop, listener, move |_, _, _| {
        let _ = (&holding, &cycle);
    });
    itself.replace(Some(acceptor.clone()));
    acceptor.stop(&event_loop);
    assert_eq!(Rc::strong_count(&held), 1);
}

fn a11_a_connection_whose_callback_panics_is_reset(network: &Network) {
    let event_loop = network.event_loop();
    event_loop.on_failure(|_| {});
    let (listener, address) = listener(&mut **event_loop.engine());
    let client = queue(&event_loop, &address, 1)[0];
    let acceptor = Acceptor::start(&event_loop, listener, |_, _, _| panic!("boom"));
    event_loop.soon(move |event_loop| acceptor.stop(event_loop));
    event_loop.run().unwrap();
    let mut engine = event_loop.engine();
    let receiving = engine.submit(Op::Recv { socket: client, max: 1, peek: false });
    match finish(&mut **engine, receiving) {
        Err(failed) => assert_eq!(failed.error.kind(), io::ErrorKind::ConnectionReset),
        Ok(done) => panic!("should have been reset, but: {done:?}"),
    }
}
