//! What only the inside shows: buffers that run out, and what is in flight for whom.

mod closing;
mod rivals;

use std::io::{IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::Uring;
use crate::engine::lanes::Lanes;
use crate::engine::{
    Address, Close, Done, Engine, Fact, Listen, Op, Plan, Question, Socket, Submitted, Ticket,
};

type Engines = Lanes<Uring>;

/// An engine whose kernel has so many buffers and never more; nothing if there is no io_uring here.
fn engine(buffers: usize) -> Option<Engines> {
    growing(buffers, buffers)
}

/// The same with so many at first.
fn growing(buffers: usize, most_buffers: usize) -> Option<Engines> {
    match Uring::with_buffers(buffers, most_buffers) {
        Ok(uring) => Some(Lanes::new(uring)),
        Err(error) => {
            let required = std::env::var("SWITCHBOARD_REQUIRE").unwrap_or_default();
            assert!(!required.contains("uring"), "uring is required here, but cannot be opened: {error}");
            println!("skipped: {error}");
            None
        }
    }
}

fn listen(engine: &mut Engines) -> (Socket, SocketAddr) {
    let plan = Plan::Listen(Listen::at("127.0.0.1:0".parse().unwrap()));
    let listener = engine.open(plan).unwrap();
    match engine.ask(listener, Question::Local).unwrap() {
        Fact::Address(Address::Ip(address)) => (listener, address),
        other => panic!("{other:?} is no address"),
    }
}

/// So many connections: the ends of the engine, and the peers'.
fn connect(engine: &mut Engines, count: usize) -> Vec<(Socket, TcpStream)> {
    let (listener, address) = listen(engine);
    let pairs = (0..count)
        .map(|_| {
            let peer = TcpStream::connect(address).unwrap();
            peer.set_read_timeout(Some(DEADLINE)).unwrap();
            match run(engine, Op::Accept { socket: listener, wait: true }) {
                Done::Accepted { socket, .. } => (socket, peer),
                other => panic!("not accepted: {other:?}"),
            }
        })
        .collect();
    engine.close(listener, Close::Now);
    pairs
}

fn pend(engine: &mut Engines, op: Op) -> Ticket {
    match engine.submit(op) {
        Submitted::Pending(ticket) => ticket,
        Submitted::Done(outcome) => panic!("should have to wait, but: {outcome:?}"),
    }
}

fn run(engine: &mut Engines, op: Op) -> Done {
    match engine.submit(op) {
        Submitted::Done(outcome) => outcome.unwrap(),
        Submitted::Pending(ticket) => finish(engine, ticket),
    }
}

fn finish(engine: &mut Engines, ticket: Ticket) -> Done {
    until(engine, |engine| match engine.take(ticket) {
        Ok(done) => Some(done),
        Err(failed) if failed.error.kind() == std::io::ErrorKind::WouldBlock => None,
        Err(failed) => panic!("{failed}"),
    })
}

fn until<T>(engine: &mut Engines, mut so: impl FnMut(&mut Engines) -> Option<T>) -> T {
    let end = engine.clock() + DEADLINE;
    loop {
        if let Some(value) = so(engine) {
            return value;
        }
        assert!(engine.clock() < end, "not in {DEADLINE:?}");
        let soon = engine.clock() + Duration::from_millis(100);
        engine.wait(Some(soon), &mut Vec::new()).unwrap();
    }
}

fn glance(engine: &mut Engines) {
    let now = engine.clock();
    engine.wait(Some(now), &mut Vec::new()).unwrap();
}

fn recv(socket: Socket) -> Op {
    Op::Recv { socket, max: usize::MAX, peek: false }
}

fn send(socket: Socket, count: usize) -> Op {
    Op::Send { socket, parts: vec![vec![1; count].into()] }
}

/// G6: nobody is closed and nobody starves where there are far fewer buffers than connections that need one.
#[test]
fn g6_a_hundred_are_served_with_four_buffers() {
    let Some(mut engine) = engine(4) else { return };
    let mut pairs = connect(&mut engine, 100);
    for round in 0..5_u8 {
        let waiting: Vec<_> = pairs.iter().map(|(socket, _)| pend(&mut engine, recv(*socket))).collect();
        glance(&mut engine);
        for (index, (_, peer)) in pairs.iter_mut().enumerate() {
            peer.write_all(&[index as u8, round]).unwrap();
        }
        for (index, ticket) in waiting.into_iter().enumerate() {
            match finish(&mut engine, ticket) {
                Done::Received { lease } => assert_eq!(&*lease, &[index as u8, round]),
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(engine.kernel().dry > 0, "four buffers were enough, which proves nothing");
    for (socket, mut peer) in pairs {
        assert_eq!(engine.try_send(socket, &[IoSlice::new(b"still here")]).unwrap(), 10);
        let mut heard = [0; 10];
        peer.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"still here");
    }
}

#[test]
fn those_for_whom_there_was_no_buffer_are_served_in_the_order_they_came() {
    let Some(mut engine) = engine(1) else { return };
    let mut pairs = connect(&mut engine, 6);
    let waiting: Vec<_> = pairs.iter().map(|(socket, _)| pend(&mut engine, recv(*socket))).collect();
    glance(&mut engine);
    for (_, peer) in &mut pairs {
        peer.write_all(b"x").unwrap();
    }
    let mut finished = Vec::new();
    until(&mut engine, |engine| {
        let now = engine.clock();
        engine.wait(Some(now), &mut finished).unwrap();
        (finished.len() == waiting.len()).then_some(())
    });
    assert_eq!(finished, waiting);
    assert!(engine.kernel().dry > 1, "one buffer was enough, which proves nothing");
}

/// The kernel takes a buffer before it looks for bytes: who found none may have nothing to receive yet.
#[test]
fn who_found_no_buffer_and_has_nothing_to_receive_waits_on() {
    let Some(mut engine) = engine(1) else { return };
    let mut pairs = connect(&mut engine, 2);
    pairs[0].1.write_all(b"x").unwrap();
    let waiting: Vec<_> = pairs.iter().map(|(socket, _)| pend(&mut engine, recv(*socket))).collect();
    glance(&mut engine);
    assert!(engine.kernel().dry > 0, "a buffer was found, which proves nothing");
    pairs[1].1.write_all(b"y").unwrap();
    assert!(matches!(finish(&mut engine, waiting[1]), Done::Received { lease } if &*lease == b"y"));
}

#[test]
fn buffers_that_run_out_become_more_and_never_too_many() {
    let Some(mut engine) = growing(2, 8) else { return };
    let mut pairs = connect(&mut engine, 40);
    for _ in 0..5 {
        let waiting: Vec<_> = pairs.iter().map(|(socket, _)| pend(&mut engine, recv(*socket))).collect();
        glance(&mut engine);
        for (_, peer) in &mut pairs {
            peer.write_all(b"x").unwrap();
        }
        for ticket in waiting {
            finish(&mut engine, ticket);
        }
    }
    glance(&mut engine);
    assert_eq!(engine.kernel().ring.provided(), 8);
}

/// What is behind a full buffer can be tried for in the same pass.
#[test]
fn a_full_receive_does_not_hide_what_is_behind_it() {
    let Some(mut engine) = engine(8) else { return };
    let (socket, mut peer) = connect(&mut engine, 1).pop().unwrap();
    let ticket = pend(&mut engine, recv(socket));
    peer.write_all(&[7; 20_000]).unwrap();
    match finish(&mut engine, ticket) {
        Done::Received { lease } => assert_eq!(lease.len(), 16_384),
        other => panic!("{other:?}"),
    }
    assert_eq!(engine.try_recv(socket, &mut [0; 20_000]).unwrap(), 20_000 - 16_384);
}

/// A receive stops at urgent data: that it was short says nothing then.
#[test]
fn a_receive_cut_short_by_urgent_data_does_not_hide_what_is_behind_it() {
    let Some(mut engine) = engine(8) else { return };
    let (socket, mut peer) = connect(&mut engine, 1).pop().unwrap();
    let ticket = pend(&mut engine, recv(socket));
    peer.write_all(b"before").unwrap();
    rustix::net::send(&peer, b"!", rustix::net::SendFlags::OOB).unwrap();
    peer.write_all(b"behind").unwrap();
    assert!(matches!(finish(&mut engine, ticket), Done::Received { lease } if &*lease == b"before"));
    assert_eq!(engine.try_recv(socket, &mut [0; 100]).unwrap(), 6);
}

/// What a receive that was given up brings counts among what had arrived when the read side was ended.
#[test]
fn what_is_on_its_way_when_the_read_side_is_ended_is_followed_by_the_end() {
    let Some(mut engine) = engine(8) else { return };
    let (socket, mut peer) = connect(&mut engine, 1).pop().unwrap();
    let ticket = pend(&mut engine, recv(socket));
    glance(&mut engine);
    engine.cancel(ticket);
    peer.write_all(b"in time").unwrap();
    run(&mut engine, Op::Shutdown { socket, how: Shutdown::Read });
    glance(&mut engine);
    assert!(matches!(run(&mut engine, recv(socket)), Done::Received { lease } if &*lease == b"in time"));
    assert!(matches!(run(&mut engine, recv(socket)), Done::Received { lease } if lease.is_empty()));
}

/// A peer that sends without end fills what it is asked for, and leaves the other buffers to the others.
#[test]
fn one_hog_does_not_drain_the_buffers() {
    let Some(mut engine) = engine(4) else { return };
    let mut pairs = connect(&mut engine, 3);
    let (hog, mut peer) = pairs.pop().unwrap();
    let ticket = pend(&mut engine, recv(hog));
    glance(&mut engine);
    engine.cancel(ticket);
    peer.set_nonblocking(true).unwrap();
    while peer.write(&[7; 65_536]).is_ok() {}
    for _ in 0..50 {
        glance(&mut engine);
    }
    // What was cancelled has left one buffer's worth to whoever receives next, and nothing was asked for since.
    assert_eq!(engine.pool().lent(), 1);
    for (socket, mut peer) in pairs {
        peer.write_all(b"heard").unwrap();
        assert!(matches!(run(&mut engine, recv(socket)), Done::Received { lease } if &*lease == b"heard"));
    }
    assert_eq!(engine.kernel().dry, 0);
    assert!(
        matches!(run(&mut engine, recv(hog)), Done::Received { lease } if lease.iter().all(|&byte| byte == 7))
    );
}

#[test]
fn who_waits_holds_no_buffer() {
    let Some(mut engine) = engine(8) else { return };
    let pairs = connect(&mut engine, 200);
    for (socket, _) in &pairs {
        pend(&mut engine, recv(*socket));
    }
    glance(&mut engine);
    assert_eq!((engine.pool().lent(), engine.kernel().ring.provided()), (0, 8));
}

/// G4: however often receives are cancelled before and after their bytes have come, every buffer is where it belongs.
#[test]
fn g4_cancelled_receives_return_their_buffers() {
    let Some(mut engine) = engine(8) else { return };
    let (socket, mut peer) = connect(&mut engine, 1).pop().unwrap();
    let mut sent = 0_u32;
    let mut received = Vec::new();
    for round in 0..20_000_u32 {
        let ticket = pend_or_keep(&mut engine, socket, &mut received);
        if round % 3 == 0 {
            peer.write_all(&sent.to_ne_bytes()).unwrap();
            sent += 1;
        }
        if round % 2 == 0 {
            glance(&mut engine);
        }
        if let Some(ticket) = ticket {
            engine.cancel(ticket);
        }
    }
    while received.len() < 4 * sent as usize {
        match run(&mut engine, recv(socket)) {
            Done::Received { lease } => received.extend_from_slice(&lease),
            other => panic!("{other:?}"),
        }
    }
    let numbers: Vec<_> = (0..sent).flat_map(u32::to_ne_bytes).collect();
    assert!(received == numbers, "the bytes are not those that were sent");
    glance(&mut engine);
    assert_eq!((engine.pool().lent(), engine.kernel().ring.provided()), (0, 8));
}

fn pend_or_keep(engine: &mut Engines, socket: Socket, received: &mut Vec<u8>) -> Option<Ticket> {
    match engine.submit(recv(socket)) {
        Submitted::Pending(ticket) => Some(ticket),
        Submitted::Done(Ok(Done::Received { lease })) => {
            received.extend_from_slice(&lease);
            None
        }
        Submitted::Done(other) => panic!("{other:?}"),
    }
}

/// Whoever sleeps elsewhere must not sleep over what is begun in the next wait.
#[test]
fn what_was_submitted_and_not_begun_is_due() {
    let Some(mut engine) = engine(8) else { return };
    let (socket, _peer) = connect(&mut engine, 1).pop().unwrap();
    glance(&mut engine);
    assert_eq!(engine.due(), None);
    let sent = pend(&mut engine, send(socket, 5));
    assert!(engine.due().is_some_and(|due| due <= engine.clock()));
    finish(&mut engine, sent);
    glance(&mut engine);
    assert_eq!(engine.due(), None);
}

/// A receive that was woken 128 times in vain waits on a thread of the kernel's, and keeps a buffer there. Whoever finds
/// none, and no bytes either, is not to ask for one again and again.
#[test]
fn g6_who_has_nothing_to_receive_does_not_spin_for_a_buffer() {
    let Some(mut engine) = engine(1) else { return };
    let (robbed, mut peer) = connect(&mut engine, 1).pop().unwrap();
    let descriptor = engine.kernel().entries[robbed].source.as_fd().try_clone_to_owned().unwrap();
    let mut rival = TcpStream::from(descriptor);
    pend(&mut engine, recv(robbed));
    glance(&mut engine);
    for _ in 0..127 {
        peer.write_all(b"!").unwrap();
        assert_eq!(rival.read(&mut [0; 1]).unwrap(), 1);
        glance(&mut engine);
    }
    let end = engine.clock() + DEADLINE;
    let mut idle = Vec::new();
    while engine.kernel().dry == 0 {
        assert!(engine.clock() < end, "the buffer is not kept, which proves nothing");
        idle.extend(connect(&mut engine, 1));
        pend(&mut engine, recv(idle[idle.len() - 1].0));
        glance(&mut engine);
    }
    for _ in 0..100 {
        glance(&mut engine);
    }
    assert_eq!(engine.kernel().dry, 1);
}

/// A pass costs one system call, timeouts and bells included: what a ring is for.
#[test]
fn bells_and_timeouts_cost_no_system_call_of_their_own() {
    let Some(mut engine) = engine(8) else { return };
    let bell = engine.bell();
    glance(&mut engine);
    let before = engine.kernel().ring.counts().enters;
    for round in 0..100_u64 {
        bell.ring();
        let until = engine.clock() + Duration::from_secs(10);
        let begun: Instant = engine.clock();
        engine.wait(Some(until), &mut Vec::new()).unwrap();
        assert!(engine.clock() - begun < Duration::from_secs(5), "round {round}: the bell was not heard");
    }
    assert_eq!(engine.kernel().ring.counts().enters - before, 100);
}

const DEADLINE: Duration = Duration::from_secs(10);
