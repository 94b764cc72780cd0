//! Law 6: stale names fail. A name used after `close` is an error, never someone else's data.

mod rig;

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::time::Duration;

use rig::{Rig, accept, accepted, assert_error, bytes, on_every_engine, pattern, peek, ready, recv, send};
use switchboard::engine::{
    Address, Close, Direction, Done, Op, Plan, Question, Setting, Socket, Submitted, Ticket,
};

on_every_engine! {
    a_closed_name_fails_whatever_is_asked_of_it,
    a_released_name_fails_whatever_is_asked_of_it,
    a_name_in_a_gentle_close_is_stale_already,
    a_name_is_stale_though_its_operations_are_not_taken,
    a_finished_release_of_a_closed_socket_is_void,
    a_ticket_is_taken_once,
    an_unfinished_ticket_stays_valid,
    a_stale_ticket_cancels_nothing,
    a_reused_place_never_answers_to_its_old_name,
    a1_what_was_meant_for_the_old_never_reaches_the_new,
    a2_a_name_used_again_at_once_hears_nothing_of_before,
    old_tickets_never_name_new_operations,
    names_of_lingering_sockets_are_not_given_out_again,
}

fn a_closed_name_fails_whatever_is_asked_of_it(rig: &mut Rig) {
    for how in [Close::Now, Close::Reset, Close::GENTLY] {
        let (client, server) = rig.pair();
        let (listener, address) = rig.listener();
        let (datagrams, _) = rig.datagrams();
        rig.send(client, b"for the old one");
        for socket in [server, listener, datagrams] {
            rig.close(socket, how);
            assert_stale(rig, socket, &address);
            rig.close(socket, how);
        }
        rig.close(client, Close::Reset);
    }
    rig.until("the closes are over", |rig| rig.closing() == 0);
}

fn a_released_name_fails_whatever_is_asked_of_it(rig: &mut Rig) {
    let (_client, server) = rig.pair();
    let address = rig.local(server);
    let Ok(Done::Released { descriptor, .. }) = rig.run(Op::Release { socket: server }) else {
        panic!("not released");
    };
    assert_stale(rig, server, &address);
    let again = rig.open(Plan::Adopt(descriptor)).unwrap();
    assert_ne!(again, server);
    assert_stale(rig, server, &address);
    rig.close(server, Close::Reset);
    assert_eq!(rig.local(again), address);
}

fn a_name_in_a_gentle_close_is_stale_already(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let address = rig.local(server);
    rig.close(server, Close::Gently { bytes: 1000, time: rig::GUARD });
    for _ in 0..3 {
        assert_eq!(rig.closing(), 1);
        assert_stale(rig, server, &address);
        rig.send(client, b"for nobody");
        rig.glance();
    }
    // Not even a reset in its name.
    rig.close(server, Close::Reset);
    assert_eq!(rig.closing(), 1);
    rig.hear(client, 10, b"");
}

fn a_name_is_stale_though_its_operations_are_not_taken(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let address = rig.local(server);
    let first = rig.pending(recv(server, 10));
    let second = rig.pending(recv(server, 10));
    rig.send(client, b"h");
    rig.told(first);
    rig.close(server, Close::Now);
    assert_stale(rig, server, &address);
    assert_eq!(bytes(rig.finish_once(first)), b"h");
    assert_error(rig.finish_once(second), io::ErrorKind::ConnectionAborted);
}

/// It has finished, but the descriptor is handed out when it is taken; and then there is none any more.
fn a_finished_release_of_a_closed_socket_is_void(rig: &mut Rig) {
    let (client, server) = rig.pair();
    rig.make_small(client);
    rig.fill(client);
    let unwanted = rig.pending(ready(client, Direction::Write));
    let release = rig.pending(Op::Release { socket: client });
    rig.give_up(unwanted);
    rig.told(release);
    rig.close(client, Close::Reset);
    assert_error(rig.finish_once(release), io::ErrorKind::NotFound);
    while let Ok(Done::Received { lease }) = rig.run(recv(server, 100_000)) {
        assert!(!lease.is_empty(), "the reset was not sent");
    }
}

fn a_ticket_is_taken_once(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let ticket = rig.pending(recv(server, 10));
    rig.send(client, b"h");
    assert_eq!(bytes(rig.finish(ticket)), b"h");
    for _ in 0..3 {
        match rig.take(ticket) {
            Err(failed) => {
                assert_eq!(failed.error.kind(), io::ErrorKind::NotFound);
                assert!(failed.op.is_none());
            }
            Ok(done) => panic!("taken twice: {done:?}"),
        }
    }
}

fn an_unfinished_ticket_stays_valid(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let ticket = rig.pending(recv(server, 10));
    for _ in 0..3 {
        assert_error(rig.take(ticket), io::ErrorKind::WouldBlock);
        rig.glance();
    }
    rig.send(client, b"h");
    assert_eq!(bytes(rig.finish_once(ticket)), b"h");
}

fn a_stale_ticket_cancels_nothing(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let taken = rig.pending(recv(server, 10));
    rig.send(client, b"1");
    assert_eq!(bytes(rig.finish(taken)), b"1");
    let waits = rig.pending(recv(server, 10));
    let given_up = rig.pending(recv(server, 10));
    rig.give_up(given_up);
    for _ in 0..3 {
        rig.cancel(taken);
        rig.cancel(given_up);
    }
    rig.send(client, b"2");
    assert_eq!(bytes(rig.finish_once(waits)), b"2");
    rig.cancel(waits);
    rig.send(client, b"three");
    rig.hear(server, 10, b"three");
}

/// Thousands of lives of a few places: each old name fails, each new one has its own bytes only.
fn a_reused_place_never_answers_to_its_old_name(rig: &mut Rig) {
    let (listener, address) = rig.listener();
    let mut old: Vec<Socket> = Vec::new();
    for round in 0..1_000_usize {
        let client = rig.client_of(&address);
        let (server, _) = rig.accept(listener);
        assert!(!old.contains(&client) && !old.contains(&server));
        rig.send(client, &pattern(round, 3));
        if let Some(&stale) = old.last() {
            assert_error(rig.at_once(recv(stale, 10)), io::ErrorKind::NotFound);
            rig.close(stale, Close::Reset);
        }
        assert_eq!(rig.recv_all(server, 3), pattern(round, 3));
        for socket in [client, server] {
            // Reset, so that no port stays in TIME_WAIT.
            rig.close(socket, Close::Reset);
        }
        old.extend([client, server]);
    }
    for socket in old {
        assert_eq!(rig.ask(socket, Question::Local).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}

/// A1: two are ready in one batch; the first one's user closes the second and opens another in its place.
fn a1_what_was_meant_for_the_old_never_reaches_the_new(rig: &mut Rig) {
    for round in 0..100 {
        let (first_client, first) = rig.pair();
        let (second_client, second) = rig.pair();
        let got_first = rig.pending(recv(first, 10));
        let got_second = rig.pending(recv(second, 10));
        if round % 2 == 0 {
            rig.glance();
        }
        rig.send(first_client, b"1");
        rig.send(second_client, b"2");
        rig.told(got_first);
        let was_there = rig.was_told(got_second);
        rig.close(second, Close::Now);
        let (third_client, third) = rig.pair();
        let got_third = rig.pending(recv(third, 10));
        rig.glance();
        rig.glance();
        assert!(!rig.was_told(got_third), "round {round}: it heard of what came before it was opened");
        rig.send(third_client, b"3");
        assert_eq!(bytes(rig.finish_once(got_third)), b"3");
        assert_eq!(bytes(rig.finish_once(got_first)), b"1");
        match rig.finish_once(got_second) {
            Ok(Done::Received { lease }) => assert_eq!(&*lease, b"2"),
            other => {
                assert!(!was_there);
                assert_error(other, io::ErrorKind::ConnectionAborted);
            }
        }
        for socket in [first_client, first, second_client, third_client, third] {
            rig.close(socket, Close::Reset);
        }
    }
}

/// A2: work left over for a socket (to be watched, to be tried again) must not find another under its name.
fn a2_a_name_used_again_at_once_hears_nothing_of_before(rig: &mut Rig) {
    let (keeper, kept) = rig.pair();
    let waits = rig.pending(recv(kept, 10));
    for round in 0..60 {
        let (client, server) = rig.pair();
        let left = [
            rig.pending(recv(server, 10)),
            rig.pending(send(client, &vec![1; 4 << 20])),
            rig.pending(ready(client, Direction::Write)),
        ];
        if round % 3 == 0 {
            rig.glance();
        }
        let how = [Close::Now, Close::Reset, Close::Gently { bytes: 10, time: Duration::ZERO }][round % 3];
        rig.close(client, how);
        rig.close(server, Close::Reset);
        let (young_client, young) = rig.pair();
        let hears = rig.pending(recv(young, 10));
        rig.glance();
        rig.glance();
        assert!(!rig.was_told(hears), "round {round}");
        for ticket in left {
            drop(rig.finish(ticket));
        }
        rig.close(young_client, Close::Reset);
        rig.close(young, Close::Reset);
        assert!(rig.finish_once(hears).is_err());
    }
    assert!(!rig.was_told(waits));
    rig.send(keeper, b"k");
    assert_eq!(bytes(rig.finish_once(waits)), b"k");
}

fn old_tickets_never_name_new_operations(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let mut old: Vec<Ticket> = Vec::new();
    for round in 0..2_000 {
        let ticket = rig.pending(recv(server, 1));
        assert!(!old.contains(&ticket));
        if let Some(&stale) = old.get(round / 2) {
            assert_error(rig.take(stale), io::ErrorKind::NotFound);
            rig.cancel(stale);
        }
        if round % 2 == 0 {
            rig.send(client, &[7]);
            assert_eq!(bytes(rig.finish(ticket)), [7]);
        } else {
            rig.give_up(ticket);
        }
        old.push(ticket);
    }
}

fn names_of_lingering_sockets_are_not_given_out_again(rig: &mut Rig) {
    let mut clients = Vec::new();
    for _ in 0..20 {
        let (client, server) = rig.pair();
        rig.close(server, Close::Gently { bytes: 1 << 20, time: rig::GUARD });
        clients.push(client);
    }
    assert_eq!(rig.closing(), 20);
    let (listener, address) = rig.listener();
    for &client in &clients {
        let young = rig.client_of(&address);
        let (server, _) = accepted(rig.run(accept(listener)));
        rig.send(client, b"to who is closing");
        rig.send(young, b"to the young");
        rig.hear(server, 100, b"to the young");
        rig.hear(client, 1, b"");
        rig.close(client, Close::Now);
    }
    rig.until("the closes are over", |rig| rig.closing() == 0);
}

/// Whatever is asked of this name, the answer is `NotFound`, at once, and what was given comes back.
#[track_caller]
fn assert_stale(rig: &mut Rig, socket: Socket, to: &Address) {
    let ops = [
        accept(socket),
        Op::Accept { socket, wait: false },
        Op::Connect { socket, to: to.clone() },
        recv(socket, 10),
        peek(socket, 10),
        send(socket, b"given back"),
        Op::RecvFrom { socket, max: 10 },
        Op::SendTo { socket, to: to.clone(), part: b"given back".as_slice().into() },
        Op::Shutdown { socket, how: Shutdown::Read },
        Op::Shutdown { socket, how: Shutdown::Both },
        ready(socket, Direction::Read),
        ready(socket, Direction::Write),
        Op::Release { socket },
    ];
    for op in ops {
        let name = op.name();
        match rig.submit(op) {
            Submitted::Done(Err(failed)) => {
                assert_eq!(failed.error.kind(), io::ErrorKind::NotFound, "{name}");
                match failed.op {
                    Some(Op::Send { parts, .. }) => assert_eq!(&*parts[0], b"given back"),
                    Some(Op::SendTo { part, .. }) => assert_eq!(&*part, b"given back"),
                    Some(op) => assert_eq!(op.name(), name),
                    None => panic!("{name} did not come back"),
                }
            }
            other => panic!("{name} on a stale name: {other:?}"),
        }
    }
    let questions = [
        Question::Local,
        Question::Peer,
        Question::Error,
        Question::Unsent,
        Question::NoDelay,
        Question::KeepAlive,
        Question::ReceiveBuffer,
        Question::SendBuffer,
    ];
    for question in questions {
        let answer = rig.ask(socket, question);
        assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::NotFound, "{question:?}");
    }
    for setting in [Setting::NoDelay(true), Setting::KeepAlive(None), Setting::SendBuffer(1)] {
        let answer = rig.set(socket, setting);
        assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::NotFound, "{setting:?}");
    }
    let tried = rig.try_recv(socket, &mut [0; 4]);
    assert_eq!(tried.unwrap_err().kind(), io::ErrorKind::NotFound);
    let tried = rig.try_send(socket, &[IoSlice::new(b"x")]);
    assert_eq!(tried.unwrap_err().kind(), io::ErrorKind::NotFound);
}
