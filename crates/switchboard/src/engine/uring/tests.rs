//! What only the inside shows: buffers that run out, and what is in flight for whom.

use std::io::{IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::Uring;
use crate::engine::kernel::Kernel;
use crate::engine::lanes::Lanes;
use crate::engine::{
    Address, Close, Descriptor, Direction, Done, Engine, Fact, Listen, Op, Plan, Question, Socket, Submitted,
    Ticket,
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

/// Closing a socket enters the ring, where others may find no buffer; the next wait must not sleep over them.
#[test]
fn who_finds_no_buffer_while_another_is_closed_is_served_by_the_next_wait() {
    let Some(mut engine) = engine(1) else { return };
    let mut pairs = connect(&mut engine, 3);
    let waiting: Vec<_> = pairs.iter().map(|(socket, _)| pend(&mut engine, recv(*socket))).collect();
    glance(&mut engine);
    // What the first gets is for whoever comes, and nobody waits for the one that is closed: so nobody is told.
    engine.cancel(waiting[0]);
    engine.cancel(waiting[2]);
    for (_, peer) in &mut pairs[..2] {
        peer.write_all(b"x").unwrap();
    }
    engine.close(pairs[2].0, Close::Now);
    assert!(!engine.kernel().starved.is_empty(), "a buffer was found, which proves nothing");
    let begun = engine.clock();
    assert!(engine.due().is_some_and(|due| due <= begun));
    engine.wait(Some(begun + DEADLINE), &mut Vec::new()).unwrap();
    assert!(engine.clock() - begun < DEADLINE / 2);
    assert!(matches!(engine.take(waiting[1]), Ok(Done::Received { lease }) if &*lease == b"x"));
}

/// The same for who was served meanwhile.
#[test]
fn who_receives_while_another_is_closed_is_told_by_the_next_wait() {
    let Some(mut engine) = engine(8) else { return };
    let mut pairs = connect(&mut engine, 2);
    let waiting: Vec<_> = pairs.iter().map(|(socket, _)| pend(&mut engine, recv(*socket))).collect();
    glance(&mut engine);
    engine.cancel(waiting[0]);
    pairs[1].1.write_all(b"x").unwrap();
    engine.close(pairs[0].0, Close::Now);
    let begun = engine.clock();
    let mut finished = Vec::new();
    engine.wait(Some(begun + DEADLINE), &mut finished).unwrap();
    assert_eq!(finished, waiting[1..]);
    assert!(engine.clock() - begun < DEADLINE / 2);
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

/// E16: what is armed on a listener keeps its file; closing it must end that at once, not in the next wait.
#[test]
fn e16_a_closed_listener_frees_its_port_at_once() {
    let Some(mut engine) = engine(8) else { return };
    let (listener, address) = listen(&mut engine);
    pend(&mut engine, Op::Accept { socket: listener, wait: true });
    glance(&mut engine);
    assert!(engine.kernel().entries[listener].reading.is_some(), "nothing is armed, which proves nothing");
    engine.close(listener, Close::Now);
    // Without SO_REUSEADDR, which would let it be bound while another closes.
    let again =
        rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).unwrap();
    rustix::net::bind(&again, &address).unwrap();
}

/// The same of a connection: the peer has the end at once, though a receive was armed.
#[test]
fn a_closed_connection_sends_its_end_at_once() {
    let Some(mut engine) = engine(8) else { return };
    for close in [Close::Now, Close::Reset, Close::GENTLY] {
        let (socket, mut peer) = connect(&mut engine, 1).pop().unwrap();
        pend(&mut engine, recv(socket));
        glance(&mut engine);
        assert!(engine.kernel().entries[socket].reading.is_some(), "nothing is armed, which proves nothing");
        engine.close(socket, close);
        let begun = engine.clock();
        let end = peer.read(&mut [0; 1]);
        assert!(engine.clock() - begun < Duration::from_secs(5));
        match close {
            Close::Reset => assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset),
            _ => assert_eq!(end.unwrap(), 0),
        }
    }
}

/// A release ends what is in flight, and what came of that is not lost: it is handed out, or left in the socket.
#[test]
fn what_comes_while_a_socket_is_released_goes_with_it() {
    let Some(mut engine) = engine(8) else { return };
    let (socket, mut peer) = connect(&mut engine, 1).pop().unwrap();
    let ticket = pend(&mut engine, recv(socket));
    glance(&mut engine);
    engine.cancel(ticket);
    peer.write_all(b"on its way").unwrap();
    drop(peer);
    let Done::Released { descriptor: Descriptor::Owned(descriptor), parked } =
        run(&mut engine, Op::Release { socket })
    else {
        panic!("not released")
    };
    let mut all = Vec::new();
    for outcome in parked {
        match outcome {
            Ok(Done::Received { lease }) => all.extend_from_slice(&lease),
            other => panic!("{other:?}"),
        }
    }
    TcpStream::from(descriptor).read_to_end(&mut all).unwrap();
    assert_eq!(all, b"on its way");
}

/// A send that was begun ends with its socket, and no other is begun for what is left of it.
#[test]
fn a_connection_that_is_closed_sends_no_more() {
    let Some(mut engine) = engine(8) else { return };
    for close in [Close::Now, Close::Reset] {
        let (socket, mut peer) = connect(&mut engine, 1).pop().unwrap();
        pend(&mut engine, send(socket, 16 << 20));
        for _ in 0..3 {
            glance(&mut engine);
        }
        // What is left goes on by itself, and not only when there is room.
        assert!(engine.kernel().taken_over(socket) > 0);
        engine.close(socket, close);
        let mut heard = Vec::new();
        match (close, peer.read_to_end(&mut heard)) {
            (Close::Now, end) => assert_eq!(end.unwrap(), heard.len()),
            (_, end) => assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset),
        }
        assert!(heard.len() < 16 << 20);
    }
}

/// Only one operation is in flight per direction: a close ends what it knows of.
#[test]
fn a_send_behind_a_wait_that_was_given_up_ends_with_its_socket() {
    let Some(mut engine) = engine(8) else { return };
    let (socket, mut peer) = connect(&mut engine, 1).pop().unwrap();
    while engine.try_send(socket, &[IoSlice::new(&[0; 65_536])]).is_ok() {}
    let waits = pend(&mut engine, Op::Ready { socket, direction: Direction::Write });
    glance(&mut engine);
    engine.cancel(waits);
    assert!(engine.kernel().entries[socket].writing.is_some(), "nothing is armed, which proves nothing");
    pend(&mut engine, send(socket, 1 << 20));
    engine.close(socket, Close::Now);
    peer.read_to_end(&mut Vec::new()).unwrap();
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

/// Closing a socket enters the ring, which hears whatever has happened; the next wait must not sleep over it.
#[test]
fn a_bell_that_is_heard_while_a_socket_is_closed_ends_the_next_wait() {
    let Some(mut engine) = engine(8) else { return };
    let (socket, _peer) = connect(&mut engine, 1).pop().unwrap();
    let ticket = pend(&mut engine, recv(socket));
    glance(&mut engine);
    engine.cancel(ticket);
    engine.bell().ring();
    engine.close(socket, Close::Now);
    assert!(engine.kernel().rung, "the bell was not heard, which proves nothing");
    let begun = engine.clock();
    assert!(engine.due().is_some_and(|due| due <= begun));
    engine.wait(Some(begun + DEADLINE), &mut Vec::new()).unwrap();
    assert!(engine.clock() - begun < DEADLINE / 2);
}

/// The same when there is no buffer left: who found none has nothing in flight, so only the next wait can serve it.
#[test]
fn g6_who_finds_no_buffer_while_another_closes_is_served_by_the_next_wait() {
    let Some(mut engine) = engine(1) else { return };
    let mut pairs = connect(&mut engine, 3);
    let tickets: Vec<_> = pairs.iter().map(|(socket, _)| pend(&mut engine, recv(*socket))).collect();
    glance(&mut engine);
    pairs[0].1.write_all(b"the only buffer").unwrap();
    finish(&mut engine, tickets[0]);
    pairs[1].1.write_all(b"heard").unwrap();
    engine.cancel(tickets[2]);
    engine.close(pairs[2].0, Close::Now);
    assert_eq!(engine.kernel().starved.len(), 1, "there was a buffer, which proves nothing");
    assert!(engine.due().is_some());
    let begun = engine.clock();
    engine.wait(Some(begun + DEADLINE), &mut Vec::new()).unwrap();
    assert!(engine.clock() - begun < DEADLINE / 2);
    assert!(matches!(engine.take(tickets[1]), Ok(Done::Received { lease }) if &*lease == b"heard"));
}

/// The kernel wakes an accept 128 times, and then gives it up, when others take what it is woken for. Whoever waits is not
/// to hear of it.
#[test]
fn an_accept_outlasts_a_rival_that_takes_every_connection() {
    let Some(mut engine) = engine(8) else { return };
    let (listener, address) = listen(&mut engine);
    let accept = || Op::Accept { socket: listener, wait: true };
    let descriptor = engine.kernel().entries[listener].source.as_fd().try_clone_to_owned().unwrap();
    let rival = TcpListener::from(descriptor);
    let mut ticket = pend(&mut engine, accept());
    glance(&mut engine);
    let mut flight = engine.kernel().entries[listener].reading;
    let given_up = (0..10_000).any(|_| {
        let _peer = TcpStream::connect(address).unwrap();
        let is_taken = rival.accept().is_ok();
        if !is_taken {
            assert!(matches!(finish(&mut engine, ticket), Done::Accepted { .. }));
            ticket = pend(&mut engine, accept());
        }
        glance(&mut engine);
        let before = std::mem::replace(&mut flight, engine.kernel().entries[listener].reading);
        is_taken && flight != before
    });
    assert!(given_up, "the kernel goes on for ever, which proves nothing");
    let _peer = TcpStream::connect(address).unwrap();
    assert!(matches!(finish(&mut engine, ticket), Done::Accepted { .. }));
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

/// Each of these closes ends in the middle of the news of another; they must not nest.
#[test]
fn a_thousand_gentle_closes_end_in_one_wait() {
    let Some(mut engine) = engine(256) else { return };
    let (sockets, peers): (Vec<_>, Vec<_>) = connect(&mut engine, 1_500).into_iter().unzip();
    drop(peers);
    for socket in sockets {
        engine.close(socket, Close::GENTLY);
    }
    until(&mut engine, |engine| (engine.closing() == 0).then_some(()));
}

/// An urgent byte wakes a receive that finds nothing. Woken so too often, it is handed to a thread of the kernel's, where it
/// blocks, with a buffer: as many as there are peers who like that.
#[test]
fn receives_that_are_woken_in_vain_fill_the_kernel_with_no_threads() {
    let Some(mut engine) = engine(64) else { return };
    let mut pairs = connect(&mut engine, 50);
    let waiting: Vec<_> = pairs.iter().map(|(socket, _)| pend(&mut engine, recv(*socket))).collect();
    glance(&mut engine);
    for _ in 0..300 {
        for (_, peer) in &pairs {
            rustix::net::send(peer, b"!", rustix::net::SendFlags::OOB).unwrap();
        }
        for _ in 0..6 {
            let soon = engine.clock() + Duration::from_micros(300);
            engine.wait(Some(soon), &mut Vec::new()).unwrap();
        }
    }
    let is_worker = |task: std::io::Result<std::fs::DirEntry>| {
        let name = std::fs::read_to_string(task.unwrap().path().join("comm"));
        name.is_ok_and(|name| name.starts_with("iou-wrk"))
    };
    // One for each ring of the process, and other tests have theirs.
    let workers = std::fs::read_dir("/proc/self/task").unwrap().map(is_worker).filter(|is| *is).count();
    assert!(workers < 20, "{workers} threads");
    // The youngest first: those who were handed over before must not stand in the way.
    for (index, (ticket, (socket, peer))) in waiting.into_iter().zip(&mut pairs).enumerate().rev() {
        peer.write_all(&[index as u8]).unwrap();
        assert!(
            matches!(finish(&mut engine, ticket), Done::Received { lease } if lease[..] == [index as u8])
        );
        let released = run(&mut engine, Op::Release { socket: *socket });
        assert!(matches!(released, Done::Released { .. }), "{released:?}");
    }
}

/// What is released blocks as long as its next owner wants, whatever the ring needed.
#[test]
fn who_is_released_has_no_timeout_left() {
    use rustix::net::sockopt::{Timeout, socket_timeout};
    let Some(mut engine) = engine(8) else { return };
    let (socket, _peer) = connect(&mut engine, 1).pop().unwrap();
    let held = Rc::clone(&engine.kernel().entries[socket].source);
    assert!(socket_timeout(held.as_fd(), Timeout::Recv).unwrap().is_some(), "it was not inherited");
    drop(held);
    match run(&mut engine, Op::Release { socket }) {
        Done::Released { descriptor: Descriptor::Owned(descriptor), .. } => {
            assert_eq!(socket_timeout(&descriptor, Timeout::Recv).unwrap(), None);
        }
        other => panic!("{other:?}"),
    }
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
