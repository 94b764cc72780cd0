//! Law 1: only `wait` sleeps. Nothing else blocks or runs user code.
//!
//! A call that blocks here would block for ever, as its peer never moves: the rig's watchdog names it.

mod rig;

use std::io::{self, IoSlice, Read, Write};
use std::net::{self, Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rig::{
    GUARD, Rig, accept, assert_error, bytes, on_every_engine, on_every_kernel, peek, ready, recv, send,
};
use rustix::fs::{OFlags, fcntl_getfl};
use switchboard::engine::{
    Close, Descriptor, Direction, Done, Lease, Op, Plan, Question, Setting, Socket, Submitted,
};

on_every_engine! {
    nothing_blocks_where_nothing_has_arrived,
    nothing_blocks_where_the_buffers_are_full,
    no_way_of_closing_blocks,
    a_huge_send_does_not_block,
    a_connect_does_not_block,
    taking_and_cancelling_do_not_block,
    work_runs_beside_the_loop_or_within_wait,
    b10_a_broken_connection_nobody_waits_on_does_not_end_waits,
}

on_every_kernel! {
    a_blocking_socket_adopted_is_made_non_blocking,
    a_foreign_descriptor_keeps_its_flags_and_stays_open,
    a_foreign_descriptor_is_never_read_or_written,
    a_foreign_descriptor_tells_readiness,
    work_that_blocks_does_not_block_the_loop,
}

fn nothing_blocks_where_nothing_has_arrived(rig: &mut Rig) {
    let (listener, _) = rig.listener();
    let (datagrams, _) = rig.datagrams();
    let (_client, server) = rig.pair();
    let mut into = [0; 16];
    let got = rig.swiftly("try_recv", |rig| rig.try_recv(server, &mut into));
    assert_eq!(got.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let ops = [
        accept(listener),
        ready(listener, Direction::Read),
        Op::RecvFrom { socket: datagrams, max: 100 },
        recv(server, 100),
        peek(server, 100),
        ready(server, Direction::Read),
    ];
    for op in ops {
        let name = op.name();
        let ticket = rig.swiftly(name, |rig| rig.pending(op));
        rig.swiftly("take", |rig| assert_error(rig.take(ticket), io::ErrorKind::WouldBlock));
        rig.glance();
    }
    let op = Op::Accept { socket: listener, wait: false };
    let empty = rig.swiftly("accept", |rig| rig.at_once(op));
    assert_error(empty, io::ErrorKind::WouldBlock);
    rig.swiftly("ask", |rig| rig.ask(server, Question::Peer)).unwrap();
    rig.swiftly("set", |rig| rig.set(server, Setting::NoDelay(true))).unwrap();
    rig.swiftly("shut down", |rig| rig.at_once(Op::Shutdown { socket: server, how: Shutdown::Write }))
        .unwrap();
}

fn nothing_blocks_where_the_buffers_are_full(rig: &mut Rig) {
    let (client, _server) = rig.pair();
    rig.make_small(client);
    rig.fill(client);
    let part = [1; 1000];
    let got = rig.swiftly("try_send", |rig| rig.try_send(client, &[IoSlice::new(&part)]));
    assert_eq!(got.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let ops = [
        ready(client, Direction::Write),
        send(client, &part),
        Op::Send { socket: client, parts: Vec::new() },
        Op::Shutdown { socket: client, how: Shutdown::Write },
        Op::Release { socket: client },
    ];
    for op in ops {
        let name = op.name();
        rig.swiftly(name, |rig| rig.pending(op));
        rig.glance();
    }
    let got = rig.swiftly("try_send", |rig| rig.try_send(client, &[IoSlice::new(&part)]));
    assert_eq!(got.unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

fn no_way_of_closing_blocks(rig: &mut Rig) {
    for how in [Close::Now, Close::Reset, Close::GENTLY, Close::Gently { bytes: 0, time: Duration::ZERO }] {
        let (client, server) = rig.pair();
        rig.send(server, b"never read");
        rig.make_small(client);
        rig.fill(client);
        let sent = rig.pending(send(client, &[1; 100_000]));
        rig.swiftly("close", |rig| rig.close(client, how));
        rig.close(server, Close::Reset);
        assert!(rig.finish(sent).is_err(), "100,000 bytes cannot have fitted");
        rig.until("the close is over", |rig| rig.closing() == 0);
    }
}

fn a_huge_send_does_not_block(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let parts: Vec<Lease> = (0..64).map(|_| Lease::from(vec![7; 1 << 20])).collect();
    let sent = rig.swiftly("send", |rig| rig.pending(Op::Send { socket: client, parts }));
    for _ in 0..10 {
        rig.swiftly("wait until now", Rig::glance);
    }
    rig.close(server, Close::Reset);
    assert!(rig.finish(sent).is_err());
}

fn a_connect_does_not_block(rig: &mut Rig) {
    // TEST-NET-1 (RFC 5737): nobody, where it is not refused outright.
    let nobody = "192.0.2.1:9".parse().unwrap();
    let client = rig.stream();
    match rig.swiftly("connect", |rig| rig.submit(Op::Connect { socket: client, to: nobody })) {
        Submitted::Done(outcome) => assert!(outcome.is_err(), "{outcome:?}"),
        Submitted::Pending(ticket) => rig.swiftly("cancel", |rig| rig.give_up(ticket)),
    }
    rig.swiftly("close", |rig| rig.close(client, Close::GENTLY));
    // The gentle close of what never connected must not keep anybody, either.
    rig.until("the close is over", |rig| rig.closing() == 0);
}

fn taking_and_cancelling_do_not_block(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let waiting = rig.pending(recv(server, 10));
    let younger = rig.pending(recv(server, 10));
    rig.glance();
    rig.swiftly("cancel", |rig| rig.give_up(waiting));
    rig.swiftly("cancel", |rig| rig.give_up(waiting));
    rig.make_small(client);
    rig.fill(client);
    let sent = rig.pending(send(client, &[1; 10_000]));
    rig.swiftly("cancel", |rig| rig.give_up(sent));
    rig.told(younger);
    rig.swiftly("cancel", |rig| rig.give_up(younger));
    let (datagrams, _) = rig.datagrams();
    let unfinished = rig.pending(Op::RecvFrom { socket: datagrams, max: 1 });
    rig.swiftly("take", |rig| assert_error(rig.take(unfinished), io::ErrorKind::WouldBlock));
}

fn work_runs_beside_the_loop_or_within_wait(rig: &mut Rig) {
    let here = thread::current().id();
    for _ in 0..20 {
        let in_wait = rig.in_wait();
        let work = move || -> Box<dyn std::any::Any + Send> {
            Box::new(thread::current().id() != here || in_wait.load(Ordering::SeqCst))
        };
        let ticket = rig.pending(Op::Call { work: Box::new(work) });
        match rig.finish(ticket) {
            Ok(Done::Called { outcome }) => {
                assert_eq!(outcome.unwrap().downcast_ref(), Some(&true), "it ran within `submit`");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// B10: hang-ups are reported whether they were asked for or not; nobody asked.
fn b10_a_broken_connection_nobody_waits_on_does_not_end_waits(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let waiting = rig.pending(recv(server, 10));
    rig.glance();
    rig.give_up(waiting);
    rig.send(client, b"unread");
    rig.reset_by(client, server);
    let until = rig.clock() + Duration::from_millis(60);
    let mut waits = 0;
    while rig.clock() < until {
        rig.turn(Some(until));
        waits += 1;
    }
    assert!(waits <= 6, "the wait came back {waits} times for nothing");
}

fn a_blocking_socket_adopted_is_made_non_blocking(rig: &mut Rig) {
    let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut far, _) = listener.accept().unwrap();
    let (near, watched) = (OwnedFd::from(near.try_clone().unwrap()), near);
    assert!(!fcntl_getfl(&watched).unwrap().contains(OFlags::NONBLOCK));
    let near = rig.open(Plan::Adopt(near.into())).unwrap();
    assert!(fcntl_getfl(&watched).unwrap().contains(OFlags::NONBLOCK));
    let got = rig.swiftly("receive", |rig| rig.pending(recv(near, 10)));
    far.write_all(b"h").unwrap();
    assert_eq!(bytes(rig.finish(got)), b"h");
    let watched = listener.try_clone().unwrap();
    let listener = rig.open(Plan::Adopt(OwnedFd::from(listener).into())).unwrap();
    rig.swiftly("accept", |rig| rig.pending(accept(listener)));
    assert!(fcntl_getfl(&watched).unwrap().contains(OFlags::NONBLOCK));
}

fn a_foreign_descriptor_keeps_its_flags_and_stays_open(rig: &mut Rig) {
    for how in [Close::Now, Close::Reset, Close::GENTLY] {
        let (lent, mut far, socket) = foreign(rig);
        let before = fcntl_getfl(&*lent.0).unwrap();
        assert!(!before.contains(OFlags::NONBLOCK));
        let ticket = rig.pending(ready(socket, Direction::Read));
        rig.glance();
        far.write_all(b"x").unwrap();
        assert!(matches!(rig.finish(ticket), Ok(Done::Ready)));
        assert_eq!(fcntl_getfl(&*lent.0).unwrap(), before);
        rig.close(socket, how);
        rig.until("the close is over", |rig| rig.closing() == 0);
        assert_eq!(fcntl_getfl(&*lent.0).unwrap(), before, "{how:?}");
        let mut byte = [0];
        (&*lent.0).read_exact(&mut byte).unwrap();
        (&*lent.0).write_all(b"still open").unwrap();
        assert_eq!(&byte, b"x", "{how:?}");
        assert!(rustix::io::fcntl_getfd(&*lent.0).is_ok(), "{how:?}");
    }
}

fn a_foreign_descriptor_is_never_read_or_written(rig: &mut Rig) {
    let (lent, mut far, socket) = foreign(rig);
    let mut into = [0; 4];
    let got = rig.swiftly("try_recv on a foreign descriptor", |rig| rig.try_recv(socket, &mut into));
    assert_eq!(got.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    let got = rig.swiftly("try_send on a foreign descriptor", |rig| {
        rig.try_send(socket, &[IoSlice::new(b"not yours")])
    });
    assert_eq!(got.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    let ops = [
        recv(socket, 4),
        send(socket, b"not yours"),
        accept(socket),
        Op::RecvFrom { socket, max: 4 },
        Op::Shutdown { socket, how: Shutdown::Both },
    ];
    for op in ops {
        let name = op.name();
        let outcome = rig.swiftly(name, |rig| rig.at_once(op));
        assert_error(outcome, io::ErrorKind::InvalidInput);
    }
    far.set_nonblocking(true).unwrap();
    assert_eq!(far.read(&mut into).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    drop(lent);
}

fn a_foreign_descriptor_tells_readiness(rig: &mut Rig) {
    let (lent, mut far, socket) = foreign(rig);
    assert!(matches!(rig.run(ready(socket, Direction::Write)), Ok(Done::Ready)));
    for _ in 0..3 {
        let ticket = rig.pending(ready(socket, Direction::Read));
        rig.glance();
        far.write_all(b"x").unwrap();
        assert!(matches!(rig.finish(ticket), Ok(Done::Ready)));
        // Not read, it stays ready; read, it waits again.
        assert!(matches!(rig.run(ready(socket, Direction::Read)), Ok(Done::Ready)));
        (&*lent.0).read_exact(&mut [0]).unwrap();
    }
    match rig.at_once(Op::Release { socket }) {
        Ok(Done::Released { descriptor: Descriptor::Foreign(_), parked }) => assert!(parked.is_empty()),
        other => panic!("{other:?}"),
    }
}

fn work_that_blocks_does_not_block_the_loop(rig: &mut Rig) {
    let (gate, opened) = mpsc::channel::<()>();
    let work = move || -> Box<dyn std::any::Any + Send> { Box::new(opened.recv_timeout(GUARD).is_ok()) };
    let ticket = rig.swiftly("call", |rig| rig.pending(Op::Call { work: Box::new(work) }));
    let (client, server) = rig.pair();
    rig.send(client, b"meanwhile");
    rig.hear(server, 100, b"meanwhile");
    assert!(!rig.was_told(ticket));
    gate.send(()).unwrap();
    assert!(matches!(rig.finish(ticket), Ok(Done::Called { outcome: Ok(_) })));
}

/// A blocking descriptor of somebody else's.
struct Lent(Arc<UnixStream>);

impl AsFd for Lent {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn foreign(rig: &mut Rig) -> (Lent, UnixStream, Socket) {
    let (near, far) = UnixStream::pair().unwrap();
    let lent = Lent(Arc::new(near));
    let copy = Lent(Arc::clone(&lent.0));
    let socket = rig.open(Plan::Adopt(Descriptor::Foreign(Box::new(copy)))).unwrap();
    (lent, far, socket)
}
