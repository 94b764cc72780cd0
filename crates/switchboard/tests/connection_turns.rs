//! When a connection goes on: on engines that take only half of what is tried, whatever their sockets hold.
#![allow(clippy::disallowed_methods, reason = "tests use the real clock")]

mod network;

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::time::{Duration, Instant};

use network::{Network, on_every_engine, pair};
use switchboard::EventLoop;
use switchboard::engine::{
    Address, Bell, Close, Done, Engine, Fact, Failed, Op, Plan, Pool, Question, Setting, Socket, Submitted,
    Ticket,
};
use switchboard::event_loop::Connection;

on_every_engine! {
    a_connection_whose_backlog_is_gone_at_once_goes_on_receiving,
    c11_a_connection_has_one_turn_a_pass_whatever_its_sends_do,
}

/// An engine that takes half of what is tried, and counts receives.
struct Half {
    whole: Box<dyn Engine>,
    received: Rc<Cell<usize>>,
}

impl Engine for Half {
    fn name(&self) -> &str {
        self.whole.name()
    }

    fn now(&self) -> Instant {
        self.whole.now()
    }

    fn clock(&self) -> Instant {
        self.whole.clock()
    }

    fn random(&mut self) -> u64 {
        self.whole.random()
    }

    fn open(&mut self, plan: Plan) -> io::Result<Socket> {
        self.whole.open(plan)
    }

    fn ask(&mut self, socket: Socket, question: Question) -> io::Result<Fact> {
        self.whole.ask(socket, question)
    }

    fn set(&mut self, socket: Socket, setting: Setting) -> io::Result<()> {
        self.whole.set(socket, setting)
    }

    fn close(&mut self, socket: Socket, how: Close) {
        self.whole.close(socket, how);
    }

    fn closing(&self) -> usize {
        self.whole.closing()
    }

    fn due(&self) -> Option<Instant> {
        self.whole.due()
    }

    fn try_recv(&mut self, socket: Socket, into: &mut [u8]) -> io::Result<usize> {
        self.whole.try_recv(socket, into)
    }

    fn try_send(&mut self, socket: Socket, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let half = &parts[0][..parts[0].len().div_ceil(2)];
        self.whole.try_send(socket, &[IoSlice::new(half)])
    }

    fn submit(&mut self, op: Op) -> Submitted {
        if let Op::Recv { .. } = op {
            self.received.set(self.received.get() + 1);
        }
        self.whole.submit(op)
    }

    fn wait(&mut self, until: Option<Instant>, finished: &mut Vec<Ticket>) -> io::Result<()> {
        self.whole.wait(until, finished)
    }

    fn take(&mut self, ticket: Ticket) -> Result<Done, Failed> {
        self.whole.take(ticket)
    }

    fn cancel(&mut self, ticket: Ticket) {
        self.whole.cancel(ticket);
    }

    fn bell(&self) -> Bell {
        self.whole.bell()
    }

    fn pool(&self) -> &Pool {
        self.whole.pool()
    }
}

/// A loop on half an engine, two ends of a connection, and a count of what was received.
fn halves(network: &Network) -> (EventLoop, Socket, Socket, Rc<Cell<usize>>) {
    let received = Rc::new(Cell::new(0));
    let half = Half { whole: network.engine(), received: Rc::clone(&received) };
    let event_loop = EventLoop::with(Box::new(half));
    let (ours, theirs) = pair(&mut **event_loop.engine());
    (event_loop, ours, theirs, received)
}

fn buffers(event_loop: &EventLoop, from: Socket, to: Socket, size: usize) {
    event_loop.engine().set(from, Setting::SendBuffer(size)).unwrap();
    event_loop.engine().set(to, Setting::ReceiveBuffer(size)).unwrap();
}

fn peer() -> Address {
    "127.0.0.1:1".parse().unwrap()
}

fn a_connection_whose_backlog_is_gone_at_once_goes_on_receiving(network: &Network) {
    let (event_loop, ours, theirs, _) = halves(network);
    buffers(&event_loop, ours, theirs, 1 << 20);
    let heard = Rc::new(RefCell::new(Vec::new()));
    let hearing = Rc::clone(&heard);
    let connection = Connection::start(&event_loop, ours, peer(), move |_: &Connection, data: &[u8]| {
        hearing.borrow_mut().extend_from_slice(data);
    });
    // What the first half leaves is more than pauses it, and is gone before the call returns.
    connection.send(&vec![1; 150 << 10]).unwrap();
    assert_eq!(connection.buffered(), 0);
    event_loop.engine().try_send(theirs, &[IoSlice::new(b"go on")]).unwrap();
    let begun = Instant::now();
    while heard.borrow().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it receives no more");
        event_loop.turn(Some(Duration::from_millis(1))).unwrap();
    }
}

fn c11_a_connection_has_one_turn_a_pass_whatever_its_sends_do(network: &Network) {
    let (event_loop, ours, theirs, received) = halves(network);
    buffers(&event_loop, theirs, ours, 16 << 20);
    buffers(&event_loop, ours, theirs, 4 << 10);
    let connection = Connection::start(&event_loop, ours, peer(), |_: &Connection, _: &[u8]| {});
    let (flood, mut sink) = (vec![7; 8 << 20], vec![0; 1 << 20]);
    for _ in 0..50 {
        // More to receive than one turn allows, and a send that ends in each pass.
        while event_loop.engine().try_send(theirs, &[IoSlice::new(&flood)]).is_ok() {}
        while connection.buffered() == 0 {
            connection.send(&[1; 4000]).unwrap();
        }
        while event_loop.engine().try_recv(theirs, &mut sink).is_ok() {}
        received.set(0);
        event_loop.turn(Some(Duration::ZERO)).unwrap();
        assert!(received.get() <= 17, "{} receives in one pass", received.get());
    }
}
