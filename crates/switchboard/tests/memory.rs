//! What only the network in memory does: its time, its order, its limits, and that it says when all is over.

use std::io;
use std::net::Shutdown;
use std::time::Duration;

use switchboard::Address;
use switchboard::engine::memory::{Lamps, Network};
use switchboard::engine::{
    Close, Done, Engine, Fact, Failed, Lease, Listen, Op, Plan, Question, Socket, Submitted, Ticket,
};

/// Runs an operation to its end, for at most ten seconds of the engine's time.
fn run(engine: &mut dyn Engine, op: Op) -> Result<Done, Failed> {
    match engine.submit(op) {
        Submitted::Done(outcome) => outcome,
        Submitted::Pending(ticket) => finish(engine, ticket),
    }
}

/// Waits for a ticket, for at most ten seconds of the engine's time.
fn finish(engine: &mut dyn Engine, ticket: Ticket) -> Result<Done, Failed> {
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

fn pending(submitted: Submitted) -> Ticket {
    match submitted {
        Submitted::Pending(ticket) => ticket,
        Submitted::Done(outcome) => panic!("it did not wait: {outcome:?}"),
    }
}

fn listen(engine: &mut dyn Engine, address: &str, backlog: u32) -> (Socket, Address) {
    let listen = Listen { backlog, ..Listen::at(address.parse().unwrap()) };
    let socket = engine.open(Plan::Listen(listen)).unwrap();
    (socket, local(engine, socket))
}

fn local(engine: &mut dyn Engine, socket: Socket) -> Address {
    match engine.ask(socket, Question::Local).unwrap() {
        Fact::Address(address) => address,
        other => panic!("not an address: {other:?}"),
    }
}

fn connect(engine: &mut dyn Engine, to: &Address) -> Socket {
    let socket = engine.open(Plan::Stream { like: to.clone() }).unwrap();
    run(engine, Op::Connect { socket, to: to.clone() }).unwrap();
    socket
}

fn accept(engine: &mut dyn Engine, socket: Socket) -> Socket {
    match run(engine, Op::Accept { socket, wait: true }).unwrap() {
        Done::Accepted { socket, .. } => socket,
        other => panic!("not a connection: {other:?}"),
    }
}

/// Both ends of a connection: the client's and the server's.
fn pair(engine: &mut dyn Engine, address: &str) -> (Socket, Socket) {
    let (listener, at) = listen(engine, address, 1);
    let client = connect(engine, &at);
    let server = accept(engine, listener);
    engine.close(listener, Close::Now);
    (client, server)
}

fn send(engine: &mut dyn Engine, socket: Socket, bytes: &[u8]) -> io::Result<usize> {
    match run(engine, Op::Send { socket, parts: vec![Lease::from(bytes)] })? {
        Done::Sent { bytes, .. } => Ok(bytes),
        other => panic!("not sent: {other:?}"),
    }
}

fn recv(engine: &mut dyn Engine, socket: Socket) -> io::Result<Vec<u8>> {
    match run(engine, Op::Recv { socket, max: usize::MAX, peek: false })? {
        Done::Received { lease } => Ok(lease.to_vec()),
        other => panic!("not received: {other:?}"),
    }
}

/// Both halves of the engine, over IP and Unix sockets.
fn everywhere(test: impl Fn(&mut dyn Engine, &str)) {
    for lamps in [Lamps::Edge, Lamps::Oneshot] {
        for address in ["127.0.0.1:0", "[::1]:0", "unix:/run/test", "unix:@test"] {
            test(&mut *Network::new().lamps(lamps).engine(), address);
        }
    }
}

#[test]
fn bytes_go_both_ways_and_end() {
    everywhere(|engine, address| {
        let (client, server) = pair(engine, address);
        assert_eq!(send(engine, client, b"hello").unwrap(), 5);
        assert_eq!(recv(engine, server).unwrap(), b"hello");
        let waits = pending(engine.submit(Op::Recv { socket: client, max: 100, peek: false }));
        assert_eq!(send(engine, server, b"world").unwrap(), 5);
        run(engine, Op::Shutdown { socket: server, how: Shutdown::Write }).unwrap();
        match finish(engine, waits).unwrap() {
            Done::Received { lease } => assert_eq!(&*lease, b"world"),
            other => panic!("{other:?}"),
        }
        assert_eq!(recv(engine, client).unwrap(), b"");
        assert_eq!(send(engine, client, b"still").unwrap(), 5);
        assert_eq!(recv(engine, server).unwrap(), b"still");
    });
}
