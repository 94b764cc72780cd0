//! The end of connections that call back, on every engine: told once, with its reason, and after all that was sent.
#![allow(clippy::disallowed_methods, reason = "the rest of the network module uses the real clock")]

mod network;

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::rc::Rc;
use std::time::Duration;

use network::recorder::{Seen, echo, fill, pattern, peer, receive_all, recorded};
use network::{Network, complete, on_every_engine, pair, until};
use switchboard::engine::{Close, Done, Lease, Op, Setting};
use switchboard::event_loop::{Connection, Handler};

on_every_engine! {
    close_sends_all_that_waits_first,
    e8_a_reply_arrives_whole_although_its_reader_said_more,
    b12_a_reset_is_told_as_one_and_once,
    a_connection_that_ended_refuses_to_send,
    abort_resets_and_tells_why,
    c13_a_handler_that_panics_loses_its_connection_and_no_other,
    what_arrives_after_a_close_is_told_to_nobody,
    who_has_ended_its_side_is_answered,
    an_error_of_sending_alone_is_told,
    closed_twice_is_closed_once,
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
    event_loop.engine().set(ours, Setting::SendBuffer(4 << 10)).unwrap();
    connection.send(&pattern(5 << 20)).unwrap();
    assert!(connection.buffered() > 0, "some of it waits");
    connection.abort(io::ErrorKind::TimedOut.into());
    connection.abort(io::ErrorKind::Other.into());
    connection.close();
    assert!(seen.closed.borrow().is_empty(), "it is told in a later pass");
    assert_eq!(connection.buffered(), 0, "what waited is dropped");
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
    let answer = complete(&event_loop, Op::Recv { socket: other_peer, max: 100, peek: false });
    assert!(matches!(answer, Ok(Done::Received { lease }) if &*lease == b"still here"));
    assert_eq!(failures.get(), 1);
}

fn what_arrives_after_a_close_is_told_to_nobody(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (connection, seen) = recorded(&event_loop, ours);
    fill(&event_loop, &connection);
    connection.close();
    assert_eq!(connection.send(b"more").unwrap_err().kind(), io::ErrorKind::NotConnected);
    event_loop.engine().try_send(theirs, &[IoSlice::new(b"too late")]).unwrap();
    assert_eq!(receive_all(&event_loop, theirs).1, None);
    event_loop.engine().close(theirs, Close::Now);
    until(&event_loop, "the close", || !seen.closed.borrow().is_empty());
    assert!(seen.data.borrow().is_empty());
}

fn who_has_ended_its_side_is_answered(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let seen = Rc::new(Seen::default());
    Connection::start(&event_loop, ours, peer(), Answers(Rc::clone(&seen), b"the answer"));
    event_loop.engine().try_send(theirs, &[IoSlice::new(b"the question")]).unwrap();
    complete(&event_loop, Op::Shutdown { socket: theirs, how: Shutdown::Write }).unwrap();
    let (answer, error) = receive_all(&event_loop, theirs);
    assert_eq!((&answer[..], error), (&b"the answer"[..], None));
    event_loop.run().unwrap();
    assert_eq!(*seen.data.borrow(), b"the question|", "the end comes once, and last");
    assert_eq!(*seen.closed.borrow(), [Ok(())]);
}

/// Nothing is received any more, so only a send can tell that the peer is gone: one that waits, or a new one.
fn an_error_of_sending_alone_is_told(network: &Network) {
    for waiting in [true, false] {
        let event_loop = network.event_loop();
        let (ours, theirs) = pair(&mut **event_loop.engine());
        let seen = Rc::new(Seen::default());
        let connection = Connection::start(&event_loop, ours, peer(), Answers(Rc::clone(&seen), b""));
        complete(&event_loop, Op::Shutdown { socket: theirs, how: Shutdown::Write }).unwrap();
        until(&event_loop, "the end", || *seen.data.borrow() == b"|");
        if waiting {
            fill(&event_loop, &connection);
        }
        event_loop.engine().close(theirs, Close::Reset);
        until(&event_loop, "the error", || {
            if !waiting {
                connection.send(b"anybody there?").ok();
            }
            !seen.closed.borrow().is_empty()
        });
        event_loop.turn(Some(Duration::ZERO)).unwrap();
        let closed = seen.closed.borrow();
        assert!(matches!(closed[..], [Err(_)]), "waiting: {waiting}: {closed:?}");
        assert_eq!(connection.send(b"late").unwrap_err().kind(), io::ErrorKind::NotConnected);
    }
}

fn closed_twice_is_closed_once(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (connection, seen) = recorded(&event_loop, ours);
    connection.close();
    connection.close();
    assert!(seen.closed.borrow().is_empty(), "it is told in a later pass");
    event_loop.engine().close(theirs, Close::Now);
    event_loop.run().unwrap();
    assert_eq!(*seen.closed.borrow(), [Ok(())]);
}

/// A handler that answers at the end rather than to close.
struct Answers(Rc<Seen>, &'static [u8]);

impl Handler for Answers {
    fn on_data(&mut self, _: &Connection, data: &[u8]) {
        self.0.data.borrow_mut().extend_from_slice(data);
    }

    fn on_end(&mut self, connection: &Connection) {
        self.0.data.borrow_mut().extend_from_slice(b"|");
        if !self.1.is_empty() {
            connection.send(self.1).unwrap();
            connection.close();
        }
    }

    fn on_close(&mut self, _: &Connection, reason: io::Result<()>) {
        self.0.closed.borrow_mut().push(reason.map_err(|error| error.kind()));
    }
}
