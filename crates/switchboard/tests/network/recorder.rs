//! A connection that records what it calls back, and what its peer does by hand.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use switchboard::EventLoop;
use switchboard::engine::{Address, Done, Op, Socket};
use switchboard::event_loop::{Connection, Handler};

use super::complete;

/// What a connection called back.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) data: RefCell<Vec<u8>>,
    pub(crate) closed: RefCell<Vec<Result<(), io::ErrorKind>>>,
}

pub(crate) struct Recorder(pub(crate) Rc<Seen>);

impl Handler for Recorder {
    fn on_data(&mut self, _: &Connection, data: &[u8]) {
        self.0.data.borrow_mut().extend_from_slice(data);
    }

    fn on_close(&mut self, _: &Connection, reason: io::Result<()>) {
        self.0.closed.borrow_mut().push(reason.map_err(|error| error.kind()));
    }
}

pub(crate) fn recorded(event_loop: &EventLoop, socket: Socket) -> (Connection, Rc<Seen>) {
    let seen = Rc::new(Seen::default());
    let connection = Connection::start(event_loop, socket, peer(), Recorder(Rc::clone(&seen)));
    (connection, seen)
}

pub(crate) fn peer() -> Address {
    "127.0.0.1:1".parse().unwrap()
}

pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}

/// Receives until the end, or the error that it ends with.
pub(crate) fn receive_all(event_loop: &EventLoop, socket: Socket) -> (Vec<u8>, Option<io::ErrorKind>) {
    let mut all = Vec::new();
    loop {
        match complete(event_loop, Op::Recv { socket, max: usize::MAX, peek: false }) {
            Ok(Done::Received { lease }) if lease.is_empty() => return (all, None),
            Ok(Done::Received { lease }) => all.extend_from_slice(&lease),
            Ok(other) => panic!("not a receive: {other:?}"),
            Err(failed) => return (all, Some(failed.error.kind())),
        }
    }
}

/// It fills all that is between the two ends, so that sends wait, and says how many bytes that took.
pub(crate) fn fill(event_loop: &EventLoop, connection: &Connection) -> usize {
    let mut sent = 0;
    while connection.buffered() == 0 {
        connection.send(&pattern(100 << 10)).unwrap();
        sent += 100 << 10;
        event_loop.turn(Some(Duration::ZERO)).unwrap();
    }
    sent
}

/// Sends back what it receives.
pub(crate) fn echo(event_loop: &EventLoop, socket: Socket) -> Connection {
    Connection::start(event_loop, socket, peer(), |connection: &Connection, data: &[u8]| {
        connection.send(data).expect("an echo never outruns its bound");
    })
}
