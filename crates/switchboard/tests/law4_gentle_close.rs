//! Law 4 at the end of a stream: what was submitted before a gentle close is delivered, then the end.
//!
//! And the close ends: bounded in bytes and in time, whatever the peer does.

mod rig;

use std::net::Shutdown;
use std::time::Duration;

use rig::{Rig, assert_error, on_every_engine, pattern, ready, recv, send};
use switchboard::engine::{Close, Direction, Done, Listen, Op, Plan, Socket};

on_every_engine! {
    e8_a_reply_survives_input_nobody_read,
    e8_a_reply_survives_a_read_side_that_was_shut,
    what_was_submitted_before_a_gentle_close_arrives,
    a_gentle_close_goes_on_when_what_it_waits_for_is_cancelled,
    a_gentle_close_is_bounded_by_bytes,
    a_gentle_close_is_bounded_by_time,
    a_gentle_close_ends_when_the_peer_does,
    a_gentle_close_of_what_never_connected_ends,
    a_gentle_close_of_what_is_no_stream_is_over_at_once,
    e16_a_port_can_be_listened_on_again_at_once,
    shutting_down_ends_one_direction_only,
}

/// E8: closing a socket with unread input sends RST, and RST throws away what the peer has not read yet.
fn e8_a_reply_survives_input_nobody_read(rig: &mut Rig) {
    for submitted in [false, true] {
        let (client, server) = rig.pair();
        let request = rig.submit(send(client, &[1; 100_000]));
        rig.arrival(server);
        let reply = pattern(0, 1 << 20);
        let pending = rig.submit(send(server, &reply));
        if !submitted {
            rig.glance();
        }
        rig.close(server, Close::Gently { bytes: 1 << 20, time: rig::GUARD });
        let got = read_slowly(rig, client);
        assert!(got == reply, "{} bytes of {} arrived", got.len(), reply.len());
        drop((request, pending));
        rig.close(client, Close::Now);
        rig.until("the close is over", |rig| rig.closing() == 0);
    }
}

fn e8_a_reply_survives_a_read_side_that_was_shut(rig: &mut Rig) {
    let (client, server) = rig.pair();
    rig.shut(server, Shutdown::Read);
    rig.hear(server, 10, b"");
    let request = rig.submit(send(client, &[1; 50_000]));
    let reply = pattern(0, 1 << 20);
    let pending = rig.submit(send(server, &reply));
    rig.close(server, Close::Gently { bytes: 1 << 20, time: rig::GUARD });
    let got = read_slowly(rig, client);
    assert!(got == reply, "{} bytes of {} arrived", got.len(), reply.len());
    drop((request, pending));
}

/// Little at a time, up to the end, with waits in between.
fn read_slowly(rig: &mut Rig, socket: Socket) -> Vec<u8> {
    let mut got = Vec::new();
    loop {
        let part = rig.recv(socket, 10_000);
        if part.is_empty() {
            return got;
        }
        got.extend(part);
    }
}

fn what_was_submitted_before_a_gentle_close_arrives(rig: &mut Rig) {
    let (client, server) = rig.pair();
    rig.make_small(server);
    let filled = rig.fill(server);
    let tickets: Vec<_> = (0..5).map(|at| rig.pending(send(server, &pattern(at * 40_000, 40_000)))).collect();
    rig.give_up(tickets[1]);
    rig.give_up(tickets[4]);
    let waits = rig.pending(recv(server, 10));
    rig.close(server, Close::Gently { bytes: 1 << 20, time: rig::GUARD });
    assert_error(rig.finish_once(waits), std::io::ErrorKind::ConnectionAborted);
    assert_eq!(rig.closing(), 1);
    assert_error(rig.at_once(send(server, b"stale")), std::io::ErrorKind::NotFound);
    let got = rig.recv_to_end(client);
    assert!(got[filled..] == pattern(0, 200_000));
    for at in [0, 2, 3] {
        assert!(matches!(rig.finish_once(tickets[at]), Ok(Done::Sent { bytes: 40_000, .. })));
    }
    rig.close(client, Close::Now);
    rig.until("the close is over", |rig| rig.closing() == 0);
}

fn a_gentle_close_goes_on_when_what_it_waits_for_is_cancelled(rig: &mut Rig) {
    let (client, server) = rig.pair();
    rig.make_small(server);
    let filled = rig.fill(server);
    let room = rig.pending(ready(server, Direction::Write));
    rig.close(server, Close::Gently { bytes: 1 << 20, time: rig::GUARD * 2 });
    rig.give_up(room);
    assert_eq!(rig.recv_to_end(client).len(), filled);
    rig.close(client, Close::Now);
    rig.until("the close is over", |rig| rig.closing() == 0);
}

fn a_gentle_close_is_bounded_by_bytes(rig: &mut Rig) {
    let (client, server) = rig.pair();
    rig.close(server, Close::Gently { bytes: 50_000, time: rig::GUARD * 2 });
    // The peer never ends: it sends and sends, until it is told that nobody listens.
    let mut sent = 0;
    loop {
        match rig.run(send(client, &[1; 10_000])) {
            Ok(_) => sent += 10_000,
            Err(_) => break,
        }
        assert!(sent < 100 << 20, "read away without a bound");
    }
    assert_eq!(rig.closing(), 0);
}

fn a_gentle_close_is_bounded_by_time(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let time = Duration::from_millis(40);
    let closed = rig.clock();
    rig.close(server, Close::Gently { bytes: 1 << 20, time });
    assert!(rig.due().is_some_and(|due| due >= closed + time));
    rig.hear(client, 10, b"");
    assert!(rig.closing() == 1 || rig.clock() >= closed + time, "given up before its time");
    rig.until("the close is over", |rig| rig.closing() == 0);
    assert!(rig.clock() >= closed + time);
    assert_eq!(rig.due(), None);
}

fn a_gentle_close_ends_when_the_peer_does(rig: &mut Rig) {
    let (client, server) = rig.pair();
    rig.send(client, b"unread");
    rig.close(server, Close::Gently { bytes: 1 << 20, time: rig::GUARD * 2 });
    rig.hear(client, 10, b"");
    rig.send(client, b"more");
    rig.shut(client, Shutdown::Write);
    rig.until("the close is over", |rig| rig.closing() == 0);

    let (client, server) = rig.pair();
    rig.close(server, Close::Gently { bytes: 1 << 20, time: rig::GUARD * 2 });
    rig.close(client, Close::Reset);
    rig.until("the close is over", |rig| rig.closing() == 0);
}

fn a_gentle_close_of_what_never_connected_ends(rig: &mut Rig) {
    let stream = rig.stream();
    rig.close(stream, Close::Gently { bytes: 1 << 20, time: rig::GUARD * 2 });
    rig.until("the close is over", |rig| rig.closing() == 0);
}

fn a_gentle_close_of_what_is_no_stream_is_over_at_once(rig: &mut Rig) {
    let (listener, _) = rig.listener();
    let (datagrams, _) = rig.datagrams();
    rig.close(listener, Close::GENTLY);
    rig.close(datagrams, Close::GENTLY);
    assert_eq!(rig.closing(), 0);
}

/// E16: nothing keeps the listener alive, neither its connections nor an accept that waited.
fn e16_a_port_can_be_listened_on_again_at_once(rig: &mut Rig) {
    let (mut listener, address) = rig.listener();
    for how in [Close::Now, Close::GENTLY, Close::Reset, Close::Now] {
        let client = rig.client_of(&address);
        let (server, _) = rig.accept(listener);
        let waits = rig.pending(rig::accept(listener));
        rig.glance();
        rig.close(listener, how);
        assert_error(rig.finish_once(waits), std::io::ErrorKind::ConnectionAborted);
        listener = rig.open(Plan::Listen(Listen::at(address.clone()))).unwrap();
        rig.send(client, b"old ones go on");
        rig.hear(server, 100, b"old ones go on");
        // The server closes first, so that it is its side that stays in TIME_WAIT.
        rig.close(server, Close::Now);
        rig.hear(client, 1, b"");
        rig.close(client, Close::Now);
    }
    rig.client_of(&address);
    rig.accept(listener);
}

fn shutting_down_ends_one_direction_only(rig: &mut Rig) {
    let (client, server) = rig.pair();
    rig.shut(client, Shutdown::Write);
    rig.hear(server, 10, b"");
    rig.send(server, b"still heard");
    rig.hear(client, 100, b"still heard");
    rig.close(server, Close::GENTLY);
    rig.hear(client, 10, b"");
    rig.until("the close is over", |rig| rig.closing() == 0);
    assert!(matches!(rig.run(Op::Shutdown { socket: client, how: Shutdown::Both }), Ok(Done::Shutdown)));
}
