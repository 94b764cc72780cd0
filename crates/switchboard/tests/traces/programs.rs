//! Programs to be recorded, on any engine.

use std::io::{self, IoSlice};
use std::time::Duration;

use switchboard::engine::{
    Address, Done, Engine, Fact, Failed, Lease, Listen, Op, Plan, Question, Socket, Submitted, Ticket,
};

pub(crate) fn listen(engine: &mut dyn Engine) -> (Socket, Address) {
    let listener = engine.open(Plan::Listen(Listen::at(anywhere()))).unwrap();
    (listener, local(engine, listener))
}

pub(crate) fn datagrams(engine: &mut dyn Engine) -> (Socket, Address) {
    let socket = engine.open(Plan::Datagram { bind: anywhere() }).unwrap();
    (socket, local(engine, socket))
}

pub(crate) fn local(engine: &mut dyn Engine, socket: Socket) -> Address {
    match engine.ask(socket, Question::Local).unwrap() {
        Fact::Address(address) => address,
        other => panic!("no address: {other:?}"),
    }
}

pub(crate) fn connect(engine: &mut dyn Engine, to: &Address) -> Socket {
    let socket = engine.open(Plan::Stream { like: to.clone() }).unwrap();
    run(engine, Op::Connect { socket, to: to.clone() }).unwrap();
    socket
}

pub(crate) fn accept(engine: &mut dyn Engine, socket: Socket) -> Socket {
    match run(engine, Op::Accept { socket, wait: true }).unwrap() {
        Done::Accepted { socket, .. } => socket,
        other => panic!("no connection: {other:?}"),
    }
}

pub(crate) fn send(engine: &mut dyn Engine, socket: Socket, text: &[u8]) {
    run(engine, Op::Send { socket, parts: vec![Lease::from(text)] }).unwrap();
}

pub(crate) fn recv(engine: &mut dyn Engine, socket: Socket) -> Vec<u8> {
    match run(engine, Op::Recv { socket, max: usize::MAX, peek: false }).unwrap() {
        Done::Received { lease } => lease.to_vec(),
        other => panic!("no bytes: {other:?}"),
    }
}

pub(crate) fn try_send(engine: &mut dyn Engine, socket: Socket, text: &[u8]) -> io::Result<usize> {
    engine.try_send(socket, &[IoSlice::new(text)])
}

pub(crate) fn run(engine: &mut dyn Engine, op: Op) -> Result<Done, Failed> {
    let submitted = engine.submit(op);
    settled(engine, submitted)
}

pub(crate) fn settled(engine: &mut dyn Engine, submitted: Submitted) -> Result<Done, Failed> {
    match submitted {
        Submitted::Done(outcome) => outcome,
        Submitted::Pending(ticket) => finish(engine, ticket),
    }
}

pub(crate) fn pending(engine: &mut dyn Engine, op: Op) -> Ticket {
    match engine.submit(op) {
        Submitted::Pending(ticket) => ticket,
        Submitted::Done(outcome) => panic!("it should have to wait, but: {outcome:?}"),
    }
}

pub(crate) fn finish(engine: &mut dyn Engine, ticket: Ticket) -> Result<Done, Failed> {
    let until = engine.clock() + DEADLINE;
    loop {
        match engine.take(ticket) {
            Err(failed) if failed.op.is_none() && failed.error.kind() == io::ErrorKind::WouldBlock => {}
            outcome => return outcome,
        }
        assert!(engine.clock() < until, "an operation did not finish in time");
        engine.wait(Some(until), &mut Vec::new()).unwrap();
    }
}

/// Lets gentle closes come to their end.
pub(crate) fn settle(engine: &mut dyn Engine) {
    while engine.closing() > 0 {
        let until = engine.clock() + DEADLINE;
        engine.wait(Some(until), &mut Vec::new()).unwrap();
    }
}

pub(crate) fn anywhere() -> Address {
    "127.0.0.1:0".parse().unwrap()
}

const DEADLINE: Duration = Duration::from_secs(10);
