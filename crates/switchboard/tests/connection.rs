//! Connections and acceptors that call back, on every engine.
#![allow(clippy::disallowed_methods, reason = "tests use the real clock and threads")]

mod network;

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::rc::Rc;
use std::time::{Duration, Instant};

use network::{Network, listener, on_every_engine, pair};
use switchboard::EventLoop;
use switchboard::engine::{
    Address, Close, Done, Failed, Lease, Op, Plan, Question, Setting, Socket, Submitted,
};
use switchboard::event_loop::{Acceptor, Connection, Handler};

on_every_engine! {
    an_echo_of_megabytes_comes_back_whole_and_before_the_end,
    a_peer_that_never_reads_stops_itself,
    f2_a_send_past_the_bound_is_refused_whole,
    one_send_may_be_larger_than_the_bound,
    close_sends_all_that_waits_first,
    e8_a_reply_arrives_whole_although_its_reader_said_more,
    b12_a_reset_is_told_as_one_and_once,
    a_connection_that_ended_refuses_to_send,
    abort_resets_and_tells_why,
    c13_a_handler_that_panics_loses_its_connection_and_no_other,
    an_acceptor_takes_many_in_their_turn,
    an_acceptor_empties_its_queue_before_it_stops,
    an_acceptor_survives_a_callback_that_panics,
    a_reply_in_small_pieces_keeps_its_order,
    a_connection_that_ended_and_was_let_go_is_closed,
    a_closed_connection_drops_its_handler_even_if_that_holds_it,
}

/// What a connection called back.
#[derive(Default)]
struct Seen {
    data: RefCell<Vec<u8>>,
    closed: RefCell<Vec<Result<(), io::ErrorKind>>>,
}

struct Recorder(Rc<Seen>);

impl Handler for Recorder {
    fn on_data(&mut self, _: &Connection, data: &[u8]) {
        self.0.data.borrow_mut().extend_from_slice(data);
    }

    fn on_close(&mut self, _: &Connection, reason: io::Result<()>) {
        self.0.closed.borrow_mut().push(reason.map_err(|error| error.kind()));
    }
}

fn recorded(event_loop: &EventLoop, socket: Socket) -> (Connection, Rc<Seen>) {
    let seen = Rc::new(Seen::default());
    let connection = Connection::start(event_loop, socket, peer(), Recorder(Rc::clone(&seen)));
    (connection, seen)
}

fn echo(event_loop: &EventLoop, socket: Socket) -> Connection {
    Connection::start(event_loop, socket, peer(), |connection: &Connection, data: &[u8]| {
        connection.send(data).expect("an echo never outruns its bound");
    })
}

fn peer() -> Address {
    "127.0.0.1:1".parse().unwrap()
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}

/// Turns the loop until the condition holds.
fn until(event_loop: &EventLoop, what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "did not come about: {what}");
        event_loop.turn(Some(Duration::from_millis(10))).unwrap();
    }
}

/// Turns the loop until the operation is done.
fn finish(event_loop: &EventLoop, op: Op) -> Result<Done, Failed> {
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
            Err(failed) if failed.error.kind() == io::ErrorKind::WouldBlock => false,
            taken => {
                outcome = Some(taken);
                true
            }
        }
    });
    outcome.expect("it was done")
}

/// Receives until the end, or the error that it ends with.
fn receive_all(event_loop: &EventLoop, socket: Socket) -> (Vec<u8>, Option<io::ErrorKind>) {
    let mut all = Vec::new();
    loop {
        match finish(event_loop, Op::Recv { socket, max: usize::MAX, peek: false }) {
            Ok(Done::Received { lease }) if lease.is_empty() => return (all, None),
            Ok(Done::Received { lease }) => all.extend_from_slice(&lease),
            Ok(other) => panic!("not a receive: {other:?}"),
            Err(failed) => return (all, Some(failed.error.kind())),
        }
    }
}

fn an_echo_of_megabytes_comes_back_whole_and_before_the_end(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    echo(&event_loop, ours);
    let sent = pattern(3 << 20);
    let parts = vec![Lease::from(&sent[..])];
    // Neither is waited for before the receiving begins; the end is behind the send in its lane.
    let sending = event_loop.engine().submit(Op::Send { socket: theirs, parts });
    let ending = event_loop.engine().submit(Op::Shutdown { socket: theirs, how: Shutdown::Write });
    drop((sending, ending));
    let (echoed, error) = receive_all(&event_loop, theirs);
    assert_eq!(error, None);
    assert!(echoed == sent, "{} of {} bytes came back", echoed.len(), sent.len());
}

fn a_peer_that_never_reads_stops_itself(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let connection = echo(&event_loop, ours);
    let piece = pattern(64 << 10);
    let (mut sent, mut most, mut quiet) = (0, 0, 0);
    while quiet < 50 {
        let tried = event_loop.engine().try_send(theirs, &[IoSlice::new(&piece)]);
        match tried {
            Ok(count) => (sent, quiet) = (sent + count, 0),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                quiet += 1;
            }
        }
        event_loop.turn(Some(Duration::from_millis(1))).unwrap();
        most = most.max(connection.buffered());
    }
    assert!(most > 0, "the peer could send {sent} bytes and nothing was ever held back");
    assert!(most <= 128 << 10, "{most} bytes wait for a peer that never reads");
    assert_eq!(event_loop.engine().pool().lent(), 0, "and no pool buffer is held meanwhile");
}

fn f2_a_send_past_the_bound_is_refused_whole(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (connection, _seen) = recorded(&event_loop, ours);
    let piece = pattern(256 << 10);
    let mut accepted = Vec::new();
    let refused = loop {
        match connection.send(&piece) {
            Ok(()) => accepted.extend_from_slice(&piece),
            Err(error) => break error,
        }
        assert!(accepted.len() < 64 << 20, "no bound in sight");
    };
    assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
    assert!(connection.buffered() <= Connection::BUFFER_LIMIT);
    connection.close();
    let (arrived, error) = receive_all(&event_loop, theirs);
    assert_eq!(error, None);
    assert!(arrived == accepted, "{} bytes arrived of {} accepted", arrived.len(), accepted.len());
}

fn one_send_may_be_larger_than_the_bound(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (connection, seen) = recorded(&event_loop, ours);
    let large = pattern(5 << 20);
    connection.send(&large).unwrap();
    connection.close();
    assert!(receive_all(&event_loop, theirs).0 == large);
    event_loop.engine().close(theirs, Close::Now);
    until(&event_loop, "the close", || !seen.closed.borrow().is_empty());
    assert_eq!(*seen.closed.borrow(), [Ok(())]);
}

fn close_sends_all_that_waits_first(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    event_loop.engine().set(ours, Setting::SendBuffer(4 << 10)).unwrap();
    let (connection, seen) = recorded(&event_loop, ours);
    let reply = pattern(700 << 10);
    connection.send(&reply).unwrap();
    assert!(connection.buffered() > 0, "some of it waits");
    connection.close();
    assert!(seen.closed.borrow().is_empty(), "it is not closed before all is sent");
    assert!(receive_all(&event_loop, theirs).0 == reply);
    until(&event_loop, "the close", || !seen.closed.borrow().is_empty());
    assert_eq!(*seen.closed.borrow(), [Ok(())]);
}

fn e8_a_reply_arrives_whole_although_its_reader_said_more(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (reply, more) = (pattern(1 << 20), pattern(100 << 10));
    let sending =
        event_loop.engine().submit(Op::Send { socket: theirs, parts: vec![Lease::from(&more[..])] });
    let (connection, _seen) = recorded(&event_loop, ours);
    connection.send(&reply).unwrap();
    connection.close();
    let (arrived, error) = receive_all(&event_loop, theirs);
    assert_eq!((arrived.len(), error), (reply.len(), None));
    assert!(arrived == reply);
    drop(sending);
}

fn b12_a_reset_is_told_as_one_and_once(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (_connection, seen) = recorded(&event_loop, ours);
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    event_loop.engine().close(theirs, Close::Reset);
    until(&event_loop, "the reset", || !seen.closed.borrow().is_empty());
    event_loop.turn(Some(Duration::from_millis(1))).unwrap();
    assert_eq!(*seen.closed.borrow(), [Err(io::ErrorKind::ConnectionReset)]);
}

fn a_connection_that_ended_refuses_to_send(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, _theirs) = pair(&mut **event_loop.engine());
    let (connection, _seen) = recorded(&event_loop, ours);
    connection.close();
    assert_eq!(connection.send(b"late").unwrap_err().kind(), io::ErrorKind::NotConnected);
    connection.close();
    let (ours, _theirs) = pair(&mut **event_loop.engine());
    let (orphan, _seen) = recorded(&event_loop, ours);
    drop(event_loop);
    assert_eq!(orphan.send(b"to nobody").unwrap_err().kind(), io::ErrorKind::NotConnected);
}

fn abort_resets_and_tells_why(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (connection, seen) = recorded(&event_loop, ours);
    connection.abort(io::ErrorKind::TimedOut.into());
    connection.abort(io::ErrorKind::Other.into());
    assert_eq!(receive_all(&event_loop, theirs).1, Some(io::ErrorKind::ConnectionReset));
    until(&event_loop, "the close", || !seen.closed.borrow().is_empty());
    assert_eq!(*seen.closed.borrow(), [Err(io::ErrorKind::TimedOut)]);
}

fn c13_a_handler_that_panics_loses_its_connection_and_no_other(network: &Network) {
    let event_loop = network.event_loop();
    let failures = Rc::new(Cell::new(0));
    let count = Rc::clone(&failures);
    event_loop.on_failure(move |_| count.set(count.get() + 1));
    let (bad, its_peer) = pair(&mut **event_loop.engine());
    let (good, other_peer) = pair(&mut **event_loop.engine());
    Connection::start(&event_loop, bad, peer(), |_: &Connection, _: &[u8]| panic!("boom"));
    echo(&event_loop, good);
    event_loop.engine().try_send(its_peer, &[IoSlice::new(b"boom")]).unwrap();
    assert_eq!(receive_all(&event_loop, its_peer).1, Some(io::ErrorKind::ConnectionReset));
    event_loop.engine().try_send(other_peer, &[IoSlice::new(b"still here")]).unwrap();
    let answer = finish(&event_loop, Op::Recv { socket: other_peer, max: 100, peek: false });
    assert!(matches!(answer, Ok(Done::Received { lease }) if &*lease == b"still here"));
    assert_eq!(failures.get(), 1);
}

/// Clients that connect, and a listener with an acceptor that counts them.
fn accepting(event_loop: &EventLoop, clients: usize) -> (Acceptor, Rc<Cell<usize>>, Vec<Socket>) {
    let (listener, address) = listener(&mut **event_loop.engine());
    let accepted = Rc::new(Cell::new(0));
    let count = Rc::clone(&accepted);
    let acceptor = Acceptor::start(event_loop, listener, move |_, _, _| count.set(count.get() + 1));
    let sockets = (0..clients).map(|_| {
        let socket = event_loop.engine().open(Plan::Stream { like: address.clone() }).unwrap();
        let connecting = event_loop.engine().submit(Op::Connect { socket, to: address.clone() });
        drop(connecting);
        socket
    });
    (acceptor, accepted, sockets.collect())
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
    for &client in &clients {
        // Connected, as far as the clients know, before the acceptor has run even once.
        let ready = Op::Ready { socket: client, direction: switchboard::engine::Direction::Write };
        let submitted = event_loop.engine().submit(ready);
        network::finish(&mut **event_loop.engine(), submitted).unwrap();
    }
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
        finish(&event_loop, Op::Connect { socket: client, to: address.clone() }).unwrap();
        until(&event_loop, "it is accepted", || accepted.get() == expected);
    }
}

fn a_reply_in_small_pieces_keeps_its_order(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    event_loop.engine().set(ours, Setting::SendBuffer(4 << 10)).unwrap();
    let (connection, _seen) = recorded(&event_loop, ours);
    let reply = pattern(300_000);
    for piece in reply.chunks(997) {
        connection.send(piece).unwrap();
    }
    connection.close();
    assert!(receive_all(&event_loop, theirs).0 == reply);
}

/// Stays open when its peer has ended, and holds whatever it is given.
struct Patient {
    closed: Rc<Cell<usize>>,
    connection: Option<Connection>,
}

impl Handler for Patient {
    fn on_data(&mut self, connection: &Connection, _: &[u8]) {
        self.connection = Some(connection.clone());
    }

    fn on_end(&mut self, connection: &Connection) {
        if self.connection.is_some() {
            connection.close();
        }
    }

    fn on_close(&mut self, _: &Connection, _: io::Result<()>) {
        self.closed.set(self.closed.get() + 1);
    }
}

fn a_connection_that_ended_and_was_let_go_is_closed(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let closed = Rc::new(Cell::new(0));
    let handler = Patient { closed: Rc::clone(&closed), connection: None };
    let connection = Connection::start(&event_loop, ours, peer(), handler);
    event_loop.engine().close(theirs, Close::Now);
    event_loop.run().unwrap();
    assert_eq!(closed.get(), 0, "whoever holds it may still send");
    drop(connection);
    event_loop.run().unwrap();
    assert_eq!(closed.get(), 1);
    assert!(event_loop.engine().ask(ours, Question::Local).is_err(), "the socket is still open");
}

fn a_closed_connection_drops_its_handler_even_if_that_holds_it(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let closed = Rc::new(Cell::new(0));
    let handler = Patient { closed: Rc::clone(&closed), connection: None };
    Connection::start(&event_loop, ours, peer(), handler);
    event_loop.engine().try_send(theirs, &[IoSlice::new(b"hold it")]).unwrap();
    event_loop.engine().close(theirs, Close::GENTLY);
    event_loop.run().unwrap();
    assert_eq!((closed.get(), Rc::strong_count(&closed)), (1, 1));
}
