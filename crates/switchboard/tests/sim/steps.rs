//! The steps that the tests of the network in memory are made of.

use std::io;
use std::time::{Duration, Instant};

use switchboard::Address;
use switchboard::engine::sim::{Lamps, Network};
use switchboard::engine::{
    Close, Done, Engine, Fact, Failed, Lease, Listen, Op, Plan, Question, Socket, Submitted, Ticket,
};

/// Runs an operation to its end, for at most ten seconds of the engine's time.
pub(crate) fn run(engine: &mut dyn Engine, op: Op) -> Result<Done, Failed> {
    match engine.submit(op) {
        Submitted::Done(outcome) => outcome,
        Submitted::Pending(ticket) => finish(engine, ticket),
    }
}

/// Waits for a ticket, for at most ten seconds of the engine's time.
pub(crate) fn finish(engine: &mut dyn Engine, ticket: Ticket) -> Result<Done, Failed> {
    let until = engine.clock() + Duration::from_secs(10);
    let mut finished = Vec::new();
    loop {
        engine.wait(Some(until), &mut finished).unwrap();
        match engine.take(ticket) {
            Err(failed) if failed.error.kind() == io::ErrorKind::WouldBlock && failed.op.is_none() => {
                assert!(engine.clock() < until, "the operation did not finish");
            }
            outcome => return outcome,
        }
    }
}

pub(crate) fn pending(submitted: Submitted) -> Ticket {
    match submitted {
        Submitted::Pending(ticket) => ticket,
        Submitted::Done(outcome) => panic!("it did not wait: {outcome:?}"),
    }
}

pub(crate) fn listen(engine: &mut dyn Engine, address: &str, backlog: u32) -> (Socket, Address) {
    let listen = Listen { backlog, ..Listen::at(address.parse().unwrap()) };
    let socket = engine.open(Plan::Listen(listen)).unwrap();
    (socket, local(engine, socket))
}

pub(crate) fn local(engine: &mut dyn Engine, socket: Socket) -> Address {
    match engine.ask(socket, Question::Local).unwrap() {
        Fact::Address(address) => address,
        other => panic!("not an address: {other:?}"),
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
        other => panic!("not a connection: {other:?}"),
    }
}

/// Both ends of a connection: the client's and the server's.
pub(crate) fn pair(engine: &mut dyn Engine, address: &str) -> (Socket, Socket) {
    let (listener, at) = listen(engine, address, 1);
    let client = connect(engine, &at);
    let server = accept(engine, listener);
    engine.close(listener, Close::Now);
    (client, server)
}

pub(crate) fn send(engine: &mut dyn Engine, socket: Socket, bytes: &[u8]) -> io::Result<usize> {
    match run(engine, Op::Send { socket, parts: vec![Lease::from(bytes)] })? {
        Done::Sent { bytes, .. } => Ok(bytes),
        other => panic!("not sent: {other:?}"),
    }
}

pub(crate) fn recv(engine: &mut dyn Engine, socket: Socket) -> io::Result<Vec<u8>> {
    match run(engine, Op::Recv { socket, max: usize::MAX, peek: false })? {
        Done::Received { lease } => Ok(lease.to_vec()),
        other => panic!("not received: {other:?}"),
    }
}

#[expect(clippy::disallowed_methods, reason = "the real time is what is measured")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "somebody outside has to ring")]
pub(crate) fn spawn(work: impl FnOnce() + Send + 'static) -> std::thread::JoinHandle<()> {
    std::thread::spawn(work)
}

/// Both halves of the engine, over IP and Unix sockets.
pub(crate) fn everywhere(test: impl Fn(&mut dyn Engine, &str)) {
    for lamps in [Lamps::Edge, Lamps::Oneshot] {
        for address in ["127.0.0.1:0", "[::1]:0", "unix:/run/test", "unix:@test"] {
            test(&mut *Network::new().lamps(lamps).engine(), address);
        }
    }
}
