//! Law 2: a pending ticket finishes exactly once, with an error if its socket is closed, unless it is cancelled.
//!
//! The rig fails every body in which a ticket is told twice or after it was cancelled; the bodies here see to
//! it that each is told at all, whatever happens to its socket, and that a broken connection never looks ended.

mod rig;

use std::io;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use rig::{
    Rig, accept, accepted, assert_error, beside, bytes, datagram, on_every_engine, on_every_kernel, peek,
    ready, recv, send,
};
use switchboard::engine::{Address, Close, Direction, Done, Op, Socket, Submitted, Ticket};

on_every_engine! {
    every_kind_that_waits_for_a_peer_finishes_once,
    every_kind_that_waits_for_room_finishes_once,
    a_connect_finishes_once,
    names_and_work_finish_once,
    a_signal_finishes_one_wait_once,
    closing_finishes_all_that_waits_once,
    closing_gently_finishes_what_does_not_send_at_once,
    what_is_cancelled_never_finishes,
    accept_without_waiting_says_for_certain,
    a_bell_rung_before_a_wait_ends_it,
    what_was_finished_outlives_its_socket,
    waits_do_not_sleep_over_what_is_finished,
}

on_every_kernel! {
    accept_without_waiting_asks_the_system_itself,
    a_bell_rung_during_a_wait_ends_it,
}

fn every_kind_that_waits_for_a_peer_finishes_once(rig: &mut Rig) {
    let (listener, address) = rig.listener();
    let looked = rig.pending(ready(listener, Direction::Read));
    let taken = rig.pending(accept(listener));
    let client = rig.client_of(&address);
    assert!(matches!(rig.finish_once(looked), Ok(Done::Ready)));
    let (server, _) = accepted(rig.finish_once(taken));

    let looked = rig.pending(ready(server, Direction::Read));
    let peeked = rig.pending(peek(server, 10));
    let received = rig.pending(recv(server, 10));
    let ended = rig.pending(recv(server, 10));
    rig.send(client, b"h");
    assert!(matches!(rig.finish_once(looked), Ok(Done::Ready)));
    assert_eq!(bytes(rig.finish_once(peeked)), b"h");
    assert_eq!(bytes(rig.finish_once(received)), b"h");
    rig.shut(client, Shutdown::Write);
    assert_eq!(bytes(rig.finish_once(ended)), b"");

    let (socket, at) = rig.datagrams();
    let waits = rig.pending(Op::RecvFrom { socket, max: 10 });
    let (other, _) = rig.datagrams();
    rig.send_to(other, &at, b"ping");
    assert_eq!(datagram(rig.finish_once(waits)), (b"ping".to_vec(), false));
}

fn every_kind_that_waits_for_room_finishes_once(rig: &mut Rig) {
    let (client, server) = rig.pair();
    rig.make_small(client);
    let filled = rig.fill(client);
    let tickets = [
        rig.pending(ready(client, Direction::Write)),
        rig.pending(send(client, b"tail")),
        rig.pending(Op::Shutdown { socket: client, how: Shutdown::Write }),
        rig.pending(Op::Release { socket: client }),
    ];
    rig.glance();
    assert_eq!(rig.recv_to_end(server).len(), filled + 4);
    let [looked, sent, shut, released] = tickets;
    assert!(matches!(rig.finish_once(looked), Ok(Done::Ready)));
    assert!(matches!(rig.finish_once(sent), Ok(Done::Sent { bytes: 4, .. })));
    assert!(matches!(rig.finish_once(shut), Ok(Done::Shutdown)));
    assert!(matches!(rig.finish_once(released), Ok(Done::Released { .. })));
    assert_error(rig.at_once(recv(client, 1)), io::ErrorKind::NotFound);
}

fn a_connect_finishes_once(rig: &mut Rig) {
    let (listener, address) = rig.listener();
    for _ in 0..20 {
        let client = rig.stream();
        let connected = match rig.submit(Op::Connect { socket: client, to: address.clone() }) {
            Submitted::Pending(ticket) => rig.finish_once(ticket),
            Submitted::Done(outcome) => outcome,
        };
        assert!(matches!(connected, Ok(Done::Connected)));
        let (server, peer) = rig.accept(listener);
        assert_eq!(rig.local(client), peer);
        rig.close(client, Close::Now);
        rig.close(server, Close::Now);
    }
}

fn names_and_work_finish_once(rig: &mut Rig) {
    let found = rig.pending(Op::Resolve { host: "127.0.0.1".into(), port: 80 });
    let called = rig.pending(Op::Call { work: Box::new(|| Box::new(7_u8)) });
    let panicked = rig.pending(Op::Call { work: Box::new(|| std::panic::panic_any("of the work's own")) });
    match rig.finish_once(found) {
        Ok(Done::Resolved { addresses }) => assert_eq!(addresses, ["127.0.0.1:80".parse().unwrap()]),
        other => panic!("{other:?}"),
    }
    match rig.finish_once(called) {
        Ok(Done::Called { outcome }) => assert_eq!(outcome.unwrap().downcast_ref(), Some(&7_u8)),
        other => panic!("{other:?}"),
    }
    match rig.finish_once(panicked) {
        Ok(Done::Called { outcome }) => {
            assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&"of the work's own"));
        }
        other => panic!("{other:?}"),
    }
}

fn a_signal_finishes_one_wait_once(rig: &mut Rig) {
    let _alone = rig::alone();
    let number = 12;
    let tickets = [rig.pending(Op::Signal { number }), rig.pending(Op::Signal { number })];
    for ticket in tickets {
        rig.raise(number);
        assert!(matches!(rig.finish_once(ticket), Ok(Done::Signalled { count: 1 })));
    }
    let never = rig.pending(Op::Signal { number });
    rig.glance();
    assert!(!rig.was_told(never));
    assert!(matches!(rig.at_once(Op::Signal { number: 9 }), Err(failed) if failed.op.is_some()));
}

fn closing_finishes_all_that_waits_once(rig: &mut Rig) {
    for armed in [false, true] {
        for how in [Close::Now, Close::Reset] {
            let (sockets, tickets) = all_that_waits(rig);
            if armed {
                rig.glance();
            }
            for socket in sockets {
                rig.close(socket, how);
                rig.close(socket, how);
            }
            for ticket in tickets {
                assert_error(rig.finish_once(ticket), io::ErrorKind::ConnectionAborted);
            }
        }
    }
}

fn closing_gently_finishes_what_does_not_send_at_once(rig: &mut Rig) {
    let (sockets, tickets) = all_that_waits(rig);
    rig.glance();
    for socket in sockets {
        rig.close(socket, Close::Gently { bytes: 1 << 20, time: Duration::from_millis(50) });
    }
    // The peer of the full stream reads nothing: once the time is over its sends fail, too.
    for ticket in tickets {
        assert_error(rig.finish_once(ticket), io::ErrorKind::ConnectionAborted);
    }
    assert_eq!(rig.closing(), 0);
}

fn what_is_cancelled_never_finishes(rig: &mut Rig) {
    let (sockets, tickets) = all_that_waits(rig);
    for (at, &ticket) in tickets.iter().enumerate() {
        if at % 2 == 0 {
            rig.glance();
        }
        rig.give_up(ticket);
    }
    for socket in sockets {
        rig.close(socket, Close::Now);
    }
    let called = rig.pending(Op::Call { work: Box::new(|| Box::new(())) });
    let found = rig.pending(Op::Resolve { host: "127.0.0.1".into(), port: 1 });
    rig.give_up(called);
    rig.give_up(found);
    // One that comes after them shows that theirs have been and gone.
    let last = rig.pending(Op::Call { work: Box::new(|| Box::new(())) });
    assert!(rig.finish_once(last).is_ok());
    for ticket in tickets {
        assert_error(rig.take(ticket), io::ErrorKind::NotFound);
    }
}

fn accept_without_waiting_says_for_certain(rig: &mut Rig) {
    let (listener, address) = rig.listener();
    let empty = |rig: &mut Rig| {
        assert_error(rig.at_once(Op::Accept { socket: listener, wait: false }), io::ErrorKind::WouldBlock);
    };
    empty(rig);
    let oldest = rig.pending(accept(listener));
    let second = rig.pending(accept(listener));
    // Two wait: a third that does not is told that nothing is left for it, and takes nothing from them.
    empty(rig);
    rig.glance();
    empty(rig);
    let clients: Vec<_> = (0..5).map(|_| rig.client_of(&address)).collect();
    let (first, second) = (accepted(rig.finish_once(oldest)), accepted(rig.finish_once(second)));
    assert_eq!([first.1, second.1], [rig.local(clients[0]), rig.local(clients[1])]);
    for &client in &clients[2..] {
        rig.arrival(listener);
        let (_, peer) = accepted(rig.at_once(Op::Accept { socket: listener, wait: false }));
        assert_eq!(peer, rig.local(client));
    }
    empty(rig);
}

fn accept_without_waiting_asks_the_system_itself(rig: &mut Rig) {
    let (listener, address) = rig.listener();
    let Address::Ip(address) = address else { panic!("not an IP address") };
    // Tried again since it is watched, the listener is known to be empty: nothing but asking tells otherwise
    // until the next wait.
    let first = rig.pending(accept(listener));
    rig.glance();
    let _first = TcpStream::connect(address).unwrap();
    accepted(rig.finish(first));
    let waits = rig.pending(accept(listener));
    rig.give_up(waits);
    let _second = TcpStream::connect(address).unwrap();
    let deadline = rig.clock() + rig::GUARD;
    loop {
        match rig.at_once(Op::Accept { socket: listener, wait: false }) {
            Ok(Done::Accepted { .. }) => break,
            other => assert_error(other, io::ErrorKind::WouldBlock),
        }
        assert!(rig.clock() < deadline, "it says that nobody is there, but somebody is");
    }
}

fn a_bell_rung_before_a_wait_ends_it(rig: &mut Rig) {
    let far = rig.clock() + rig::GUARD * 3;
    for _ in 0..3 {
        let bell = rig.bell();
        bell.ring();
        bell.ring();
        rig.swiftly("wait after the bell was rung", |rig| rig.turn(Some(far)));
        assert!(rig.clock() < far);
    }
}

fn a_bell_rung_during_a_wait_ends_it(rig: &mut Rig) {
    let in_wait = rig.in_wait();
    let bell = rig.bell();
    let ringer = beside(move || {
        rig::spin_until(|| in_wait.load(std::sync::atomic::Ordering::SeqCst));
        bell.ring();
    });
    let far = rig.clock() + rig::GUARD * 3;
    rig.swiftly("a wait during which the bell is rung", |rig| rig.turn(Some(far)));
    ringer.join().unwrap();
}

fn what_was_finished_outlives_its_socket(rig: &mut Rig) {
    for how in [Close::Now, Close::Reset, Close::GENTLY] {
        let (listener, address) = rig.listener();
        let came = rig.pending(accept(listener));
        let unwanted = rig.pending(accept(listener));
        let client = rig.client_of(&address);
        let other = rig.client_of(&address);
        rig.told(came);
        rig.told(unwanted);
        rig.close(listener, how);
        let (server, _) = accepted(rig.finish_once(came));
        rig.give_up(unwanted);
        // The connection nobody took is closed, not leaked: its client sees it end.
        match rig.run(recv(other, 1)) {
            Ok(Done::Received { lease }) => assert!(lease.is_empty()),
            Ok(other) => panic!("{other:?}"),
            Err(failed) => assert_eq!(failed.error.kind(), io::ErrorKind::ConnectionReset),
        }

        let got = rig.pending(recv(server, 100));
        rig.send(client, b"k");
        rig.told(got);
        rig.close(server, how);
        assert_eq!(bytes(rig.finish_once(got)), b"k");
        rig.close(client, Close::Now);
    }
    rig.until("the closes are over", |rig| rig.closing() == 0);
}

fn waits_do_not_sleep_over_what_is_finished(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let got = rig.pending(recv(server, 10));
    rig.close(server, Close::Now);
    rig.close(client, Close::Now);
    assert!(rig.due().is_some_and(|due| due <= rig.clock()));
    rig.swiftly("a wait without a limit for what has finished", |rig| rig.turn(None));
    assert!(rig.was_told(got));
}

/// An operation of every kind that waits on a socket, and the sockets. The full stream's peer reads nothing.
fn all_that_waits(rig: &mut Rig) -> (Vec<Socket>, Vec<Ticket>) {
    let (listener, _) = rig.listener();
    let (datagrams, _) = rig.datagrams();
    let (_idle, server) = rig.pair();
    let (full, _silent) = rig.pair();
    rig.make_small(full);
    rig.fill(full);
    let ops = [
        accept(listener),
        ready(listener, Direction::Read),
        accept(listener),
        Op::RecvFrom { socket: datagrams, max: 9 },
        ready(datagrams, Direction::Read),
        recv(server, 9),
        peek(server, 9),
        ready(server, Direction::Read),
        recv(server, 9),
        send(full, &[1; 1 << 20]),
        ready(full, Direction::Write),
        send(full, b"x"),
        Op::Shutdown { socket: full, how: Shutdown::Both },
        Op::Release { socket: full },
        recv(full, 9),
    ];
    let tickets = ops.into_iter().map(|op| rig.pending(op)).collect();
    (vec![listener, datagrams, server, full], tickets)
}
