//! What a server says to a connection about its flow, on every engine: when to receive, how much at once, and being told
//! when there is room to send more.
#![allow(clippy::disallowed_methods, reason = "the rest of the network module uses the real clock")]

mod network;

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::rc::Rc;
use std::time::Duration;

use network::recorder::{fill, pattern, peer, receive_all, recorded};
use network::{Network, complete, on_every_engine, pair, until};
use switchboard::EventLoop;
use switchboard::engine::{Close, Op, Question, Setting, Socket};
use switchboard::event_loop::{Connection, Handler};

on_every_engine! {
    paused_it_hears_nothing_and_resumed_all_of_it,
    paused_from_within_on_data_it_hears_no_more_of_what_is_there,
    paused_while_a_receive_has_just_ended_it_does_not_hear_of_it,
    a_pause_keeps_the_end_back_too,
    resumed_often_it_receives_as_once,
    a_paused_connection_goes_on_sending,
    a_paused_connection_that_nobody_holds_is_closed,
    it_receives_no_more_at_once_than_it_was_told,
    the_bound_on_a_receive_holds_for_the_one_under_way,
    all_that_waited_having_gone_is_told_once_each_time,
    a_send_that_went_at_once_is_told_of_by_nobody,
    what_is_sent_when_all_has_gone_is_told_of_in_its_turn,
    a_close_is_told_of_rather_than_that_all_has_gone,
    a_handler_that_panics_when_all_has_gone_loses_its_connection,
    a_reset_is_no_failure,
}

/// What was called back, one by one.
#[derive(Default)]
struct Calls {
    pieces: RefCell<Vec<Vec<u8>>>,
    sent: Cell<usize>,
    /// How much waited when it was told that all had gone.
    left: Cell<usize>,
    ended: Cell<usize>,
    closed: RefCell<Vec<Result<(), io::ErrorKind>>>,
}

impl Calls {
    fn bytes(&self) -> Vec<u8> {
        self.pieces.borrow().concat()
    }
}

/// Does this on every piece, and this when all has gone.
struct Does<D, S>(Rc<Calls>, D, S);

impl<D: FnMut(&Connection), S: FnMut(&Connection)> Handler for Does<D, S> {
    fn on_data(&mut self, connection: &Connection, data: &[u8]) {
        self.0.pieces.borrow_mut().push(data.to_vec());
        (self.1)(connection);
    }

    fn on_sent(&mut self, connection: &Connection) {
        self.0.sent.set(self.0.sent.get() + 1);
        self.0.left.set(self.0.left.get() + connection.buffered());
        (self.2)(connection);
    }

    fn on_end(&mut self, _: &Connection) {
        self.0.ended.set(self.0.ended.get() + 1);
    }

    fn on_close(&mut self, _: &Connection, reason: io::Result<()>) {
        self.0.closed.borrow_mut().push(reason.map_err(|error| error.kind()));
    }
}

fn start(
    event_loop: &EventLoop,
    socket: Socket,
    on_data: impl FnMut(&Connection) + 'static,
    on_sent: impl FnMut(&Connection) + 'static,
) -> (Connection, Rc<Calls>) {
    let calls = Rc::new(Calls::default());
    let handler = Does(Rc::clone(&calls), on_data, on_sent);
    (Connection::start(event_loop, socket, peer(), handler), calls)
}

fn say(event_loop: &EventLoop, socket: Socket, bytes: &[u8]) {
    let sent = event_loop.engine().try_send(socket, &[IoSlice::new(bytes)]).unwrap();
    assert_eq!(sent, bytes.len());
}

/// Long enough for what is there to be heard, if it is listened to.
fn turn(event_loop: &EventLoop) {
    for _ in 0..5 {
        event_loop.turn(Some(Duration::from_millis(1))).unwrap();
    }
}

/// What was sent to it arrives, a little at a time.
fn drain(event_loop: &EventLoop, socket: Socket) {
    event_loop.engine().try_recv(socket, &mut [0; 64 << 10]).ok();
}

fn paused_it_hears_nothing_and_resumed_all_of_it(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (connection, seen) = recorded(&event_loop, ours);
    // A receive is under way by now.
    turn(&event_loop);
    connection.pause();
    let sent = pattern(100 << 10);
    for piece in sent.chunks(10 << 10) {
        event_loop.engine().try_send(theirs, &[IoSlice::new(piece)]).unwrap();
        turn(&event_loop);
    }
    assert!(seen.data.borrow().is_empty());
    connection.resume();
    assert!(seen.data.borrow().is_empty(), "nothing is called back from within a method");
    until(&event_loop, "all of it", || *seen.data.borrow() == sent);
}

fn paused_from_within_on_data_it_hears_no_more_of_what_is_there(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (connection, calls) = start(&event_loop, ours, Connection::pause, |_| {});
    connection.receive_at_most(2);
    say(&event_loop, theirs, b"abcd");
    for expected in [&b"ab"[..], b"abcd"] {
        until(&event_loop, "a piece", || calls.bytes() == expected);
        turn(&event_loop);
        assert_eq!(calls.bytes(), expected);
        connection.resume();
    }
}

/// The engine is done with the receive, and what it got has not been told: it must neither be told nor be lost.
fn paused_while_a_receive_has_just_ended_it_does_not_hear_of_it(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (connection, seen) = recorded(&event_loop, ours);
    turn(&event_loop);
    say(&event_loop, theirs, b"just now");
    let other = connection.clone();
    // It runs before the completion that this pass finds.
    event_loop.soon(move |_| other.pause());
    turn(&event_loop);
    assert!(seen.data.borrow().is_empty());
    connection.resume();
    until(&event_loop, "it", || *seen.data.borrow() == b"just now");
}

fn a_pause_keeps_the_end_back_too(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (connection, calls) = start(&event_loop, ours, |_| {}, |_| {});
    turn(&event_loop);
    connection.pause();
    say(&event_loop, theirs, b"last words");
    complete(&event_loop, Op::Shutdown { socket: theirs, how: Shutdown::Write }).unwrap();
    turn(&event_loop);
    assert_eq!((calls.bytes().len(), calls.ended.get()), (0, 0));
    connection.resume();
    until(&event_loop, "the end", || calls.ended.get() == 1);
    assert_eq!(calls.bytes(), b"last words");
}

fn resumed_often_it_receives_as_once(network: &Network) {
    let (event_loop, faults) = network.faulty();
    let (ours, _theirs) = pair(&mut **event_loop.engine());
    let (connection, calls) = start(&event_loop, ours, |_| {}, |_| {});
    faults.flood.set(Some(ours));
    turn(&event_loop);
    let in_one_pass = || {
        let before = calls.pieces.borrow().len();
        event_loop.turn(Some(Duration::ZERO)).unwrap();
        calls.pieces.borrow().len() - before
    };
    let usual = in_one_pass();
    for _ in 0..10 {
        connection.pause();
        connection.resume();
    }
    connection.resume();
    assert_eq!([in_one_pass(), in_one_pass()], [usual, usual]);
    connection.reset();
}

fn a_paused_connection_goes_on_sending(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    event_loop.engine().set(ours, Setting::SendBuffer(4 << 10)).unwrap();
    let (connection, _seen) = recorded(&event_loop, ours);
    connection.pause();
    let reply = pattern(500 << 10);
    connection.send(&reply).unwrap();
    connection.close();
    assert!(receive_all(&event_loop, theirs).0 == reply);
}

fn a_paused_connection_that_nobody_holds_is_closed(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (connection, calls) = start(&event_loop, ours, |_| {}, |_| {});
    turn(&event_loop);
    connection.pause();
    turn(&event_loop);
    assert!(calls.closed.borrow().is_empty(), "whoever holds it may resume it");
    drop(connection);
    assert_eq!(receive_all(&event_loop, theirs), (Vec::new(), None));
    event_loop.engine().close(theirs, Close::Now);
    event_loop.run().unwrap();
    assert_eq!(*calls.closed.borrow(), [Ok(())]);
    assert!(event_loop.engine().ask(ours, Question::Local).is_err(), "the socket is still open");
}

fn it_receives_no_more_at_once_than_it_was_told(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (connection, calls) = start(&event_loop, ours, |_| {}, |_| {});
    connection.receive_at_most(7);
    let sent = pattern(1000);
    say(&event_loop, theirs, &sent);
    until(&event_loop, "all of it", || calls.bytes().len() == sent.len());
    assert!(calls.bytes() == sent);
    let most = calls.pieces.borrow().iter().map(Vec::len).max();
    assert_eq!(most, Some(7));
    // None at all would be taken for the end.
    connection.receive_at_most(0);
    say(&event_loop, theirs, b"ab");
    until(&event_loop, "both", || calls.bytes().ends_with(b"ab"));
    assert_eq!(calls.pieces.borrow().last().map(Vec::len), Some(1));
    assert_eq!(calls.ended.get(), 0);
}

fn the_bound_on_a_receive_holds_for_the_one_under_way(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (connection, calls) = start(&event_loop, ours, |_| {}, |_| {});
    turn(&event_loop);
    connection.receive_at_most(3);
    say(&event_loop, theirs, b"abcdef");
    until(&event_loop, "all of it", || calls.bytes() == b"abcdef");
    assert_eq!(*calls.pieces.borrow(), [b"abc", b"def"]);
}

fn all_that_waited_having_gone_is_told_once_each_time(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    event_loop.engine().set(ours, Setting::SendBuffer(4 << 10)).unwrap();
    let (connection, calls) = start(&event_loop, ours, |_| {}, |_| {});
    for _ in 0..3 {
        fill(&event_loop, &connection);
        let before = calls.sent.get();
        // One behind the other: that the first has gone is nothing to be told of.
        connection.send(&pattern(60 << 10)).unwrap();
        until(&event_loop, "all has gone", || {
            drain(&event_loop, theirs);
            connection.buffered() == 0
        });
        turn(&event_loop);
        assert_eq!((calls.sent.get() - before, calls.left.get()), (1, 0));
    }
}

fn a_send_that_went_at_once_is_told_of_by_nobody(network: &Network) {
    let (event_loop, faults) = network.faulty();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (connection, calls) = start(&event_loop, ours, |_| {}, |_| {});
    connection.send(b"at once").unwrap();
    // No room at first, and there is some by the time the engine tries itself: it never waited, either.
    faults.full.set(1);
    connection.send(b", too").unwrap();
    // Where what is submitted goes on in the background, that one has waited for it.
    let waited = connection.buffered() > 0;
    assert_eq!(calls.sent.get(), 0);
    until(&event_loop, "all has gone", || connection.buffered() == 0);
    turn(&event_loop);
    assert_eq!(calls.sent.get(), usize::from(waited));
    connection.close();
    assert_eq!(receive_all(&event_loop, theirs).0, b"at once, too");
}

/// How a server sends something long: a piece whenever the last one has gone, and no memory for more than that.
fn what_is_sent_when_all_has_gone_is_told_of_in_its_turn(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    event_loop.engine().set(ours, Setting::SendBuffer(4 << 10)).unwrap();
    let (all, at, most) = (pattern(3 << 20), Cell::new(0), Rc::new(Cell::new(0)));
    let (expected, seen) = (all.clone(), Rc::clone(&most));
    let go_on = move |connection: &Connection| {
        while connection.buffered() == 0 && at.get() < all.len() {
            let end = all.len().min(at.get() + (100 << 10));
            connection.send(&all[at.replace(end)..end]).unwrap();
            seen.set(connection.buffered().max(seen.get()));
        }
        if at.get() == all.len() && connection.buffered() == 0 {
            connection.close();
        }
    };
    let go_on = Rc::new(go_on);
    let again = Rc::clone(&go_on);
    let (_connection, calls) = start(&event_loop, ours, move |it| go_on(it), move |it| again(it));
    say(&event_loop, theirs, b"send it");
    assert!(receive_all(&event_loop, theirs).0 == expected);
    assert!(calls.sent.get() > 1, "it had to wait more than once");
    assert!(most.get() <= 100 << 10, "{} waited", most.get());
}

fn a_close_is_told_of_rather_than_that_all_has_gone(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (connection, calls) = start(&event_loop, ours, |_| {}, |_| {});
    // In one piece: while it is filled little by little, all may have gone for a moment.
    connection.send(&pattern(24 << 20)).unwrap();
    assert!(connection.buffered() > 0, "the kernel took all of it");
    connection.close();
    assert_eq!(receive_all(&event_loop, theirs).1, None);
    event_loop.engine().close(theirs, Close::Now);
    until(&event_loop, "the close", || !calls.closed.borrow().is_empty());
    assert_eq!((calls.sent.get(), &calls.closed.borrow()[..]), (0, &[Ok(())][..]));
}

fn a_handler_that_panics_when_all_has_gone_loses_its_connection(network: &Network) {
    let event_loop = network.event_loop();
    let failures = Rc::new(Cell::new(0));
    let count = Rc::clone(&failures);
    event_loop.on_failure(move |_| count.set(count.get() + 1));
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (connection, calls) = start(&event_loop, ours, |_| {}, |_| panic!("boom"));
    // In one piece: while it is filled little by little, all may have gone for a moment.
    connection.send(&pattern(24 << 20)).unwrap();
    assert!(connection.buffered() > 0, "the kernel took all of it");
    assert_eq!(receive_all(&event_loop, theirs).1, Some(io::ErrorKind::ConnectionReset));
    until(&event_loop, "the close", || !calls.closed.borrow().is_empty());
    assert_eq!((failures.get(), &calls.closed.borrow()[..]), (1, &[Err(io::ErrorKind::Other)][..]));
}

fn a_reset_is_no_failure(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (connection, calls) = start(&event_loop, ours, |_| {}, |_| {});
    fill(&event_loop, &connection);
    connection.reset();
    connection.reset();
    assert!(calls.closed.borrow().is_empty(), "it is told in a later pass");
    assert_eq!(connection.buffered(), 0, "what waited is dropped");
    assert_eq!(receive_all(&event_loop, theirs).1, Some(io::ErrorKind::ConnectionReset));
    until(&event_loop, "the close", || !calls.closed.borrow().is_empty());
    turn(&event_loop);
    assert_eq!((calls.sent.get(), &calls.closed.borrow()[..]), (0, &[Ok(())][..]));
}
