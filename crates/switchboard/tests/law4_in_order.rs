//! Law 4: operations on one direction of one socket finish in the order submitted.
//!
//! A send that was submitted is sent, in its place, even if nobody waits for it any more; and a gentle close is
//! the last in that order: all that was submitted goes out, whatever the peer still sends.

mod rig;

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::time::Duration;

use rig::{Rig, assert_error, bytes, datagram, error_of, on_every_engine, pattern, peek, ready, recv, send};
use switchboard::engine::{
    Close, Descriptor, Direction, Done, Fact, Lease, Listen, Op, Plan, Question, Socket,
};

on_every_engine! {
    receives_finish_in_the_order_submitted,
    datagrams_finish_in_the_order_submitted,
    lanes_of_one_socket_do_not_wait_for_each_other,
    sends_go_out_in_order_even_if_cancelled,
    f1_many_parts_go_out_in_order_through_a_narrow_pipe,
    nothing_overtakes_a_send_that_waits,
    nothing_overtakes_a_receive_that_waits,
    nothing_overtakes_a_receive_that_was_not_taken,
    what_has_arrived_can_be_tried_for_in_pieces_and_so_can_the_end,
    a_shutdown_comes_after_the_sends_before_it,
    a_shutdown_of_the_read_side_takes_effect_at_once,
    what_had_arrived_when_the_read_side_was_shut_is_received_before_the_end,
    what_comes_after_the_read_side_was_shut_is_kept_for_nobody,
    a_release_comes_after_the_sends_before_it,
    a_release_waits_for_nothing_but_sends,
    a_shutdown_waits_for_nothing_but_sends,
    readiness_takes_its_turn,
    a_failed_send_fails_those_behind_it,
    the_error_of_a_cancelled_send_is_told_to_the_next,
    a_failed_connect_fails_what_was_submitted_behind_it,
    sends_behind_a_connect_go_out_when_it_is_done,
}

fn receives_finish_in_the_order_submitted(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let tickets: Vec<_> = (0..20).map(|at| rig.pending(recv(server, 1 + at % 5))).collect();
    let text = pattern(0, 60);
    for part in text.chunks(7) {
        rig.send(client, part);
        rig.glance();
    }
    let mut got = Vec::new();
    rig.until("bytes for all of them", |rig| rig.was_told(tickets[19]) || got_all(rig, &tickets));
    let told: Vec<_> = rig.order.iter().filter(|ticket| tickets.contains(ticket)).copied().collect();
    assert_eq!(told, tickets);
    for ticket in tickets {
        got.extend(bytes(rig.take(ticket)));
    }
    got.extend(rig.recv_all(server, text.len() - got.len()));
    assert_eq!(got, text);
}

fn datagrams_finish_in_the_order_submitted(rig: &mut Rig) {
    let (server, address) = rig.datagrams();
    let (client, _) = rig.datagrams();
    let tickets: Vec<_> = (0..10).map(|_| rig.pending(Op::RecvFrom { socket: server, max: 9 })).collect();
    for at in 0..10 {
        rig.send_to(client, &address, &[at]);
    }
    for (at, ticket) in tickets.into_iter().enumerate() {
        assert_eq!(datagram(rig.finish(ticket)), (vec![at as u8], false));
    }
}

fn lanes_of_one_socket_do_not_wait_for_each_other(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let waits = rig.pending(recv(client, 100));
    rig.send(client, b"out");
    rig.hear(server, 100, b"out");
    rig.make_small(client);
    rig.fill(client);
    let full = rig.pending(send(client, &[1; 1 << 20]));
    rig.send(server, b"i");
    assert_eq!(bytes(rig.finish(waits)), b"i");
    assert!(!rig.was_told(full));
}

fn sends_go_out_in_order_even_if_cancelled(rig: &mut Rig) {
    let (client, server) = rig.pair();
    rig.make_small(client);
    let filled = rig.fill(client);
    let tickets: Vec<_> = (0..8).map(|at| rig.pending(send(client, &pattern(at * 50_000, 50_000)))).collect();
    for at in [0, 3, 4, 7] {
        rig.give_up(tickets[at]);
        rig.glance();
    }
    let mut got = rig.recv_all(server, filled + 100_000);
    // Half-way, with the one at the front partly sent.
    rig.give_up(tickets[2]);
    rig.give_up(tickets[5]);
    got.extend(rig.recv_all(server, 300_000));
    assert!(got[filled..] == pattern(0, 400_000), "not the bytes that were sent, or not in order");
    for at in [1, 6] {
        assert!(matches!(rig.finish_once(tickets[at]), Ok(Done::Sent { bytes: 50_000, .. })));
    }
    assert!(
        rig.order.iter().position(|&t| t == tickets[1]) < rig.order.iter().position(|&t| t == tickets[6])
    );
}

/// F1: more parts than one system call takes, less room than one part needs.
fn f1_many_parts_go_out_in_order_through_a_narrow_pipe(rig: &mut Rig) {
    let (client, server) = rig.pair();
    rig.make_small(client);
    let filled = rig.fill(client);
    let text = pattern(0, 650_000);
    let mut parts: Vec<Lease> = text.chunks(6_500).map(Lease::from).collect();
    parts.insert(3, Lease::empty());
    parts.push(Lease::empty());
    let count = parts.len();
    let sent = rig.pending(Op::Send { socket: client, parts });
    let end = rig.pending(send(client, b"end marker"));
    let mut got = Vec::new();
    while got.len() < filled + text.len() + 10 {
        got.extend(rig.recv(server, 4_000));
    }
    assert!(got[filled..] == [&*text, b"end marker"].concat());
    match rig.finish_once(sent) {
        Ok(Done::Sent { bytes, parts }) => {
            assert_eq!((bytes, parts.len()), (text.len(), count));
            assert!(parts.iter().all(|part| part.is_empty()));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(rig.finish_once(end), Ok(Done::Sent { bytes: 10, .. })));
}

fn nothing_overtakes_a_send_that_waits(rig: &mut Rig) {
    let (client, server) = rig.pair();
    rig.make_small(client);
    let filled = rig.fill(client);
    let sent = rig.pending(send(client, b"first"));
    // There may be room by now; but not for those who did not wait.
    let mut got = rig.recv_all(server, filled);
    while !rig.was_told(sent) {
        let tried = rig.try_send(client, &[IoSlice::new(b"overtakes")]);
        assert_eq!(tried.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let second = rig.pending(send(client, b"second"));
        rig.give_up(second);
        got.extend(rig.recv(server, 100));
    }
    rig.send(client, b"last");
    rig.shut(client, Shutdown::Write);
    got.extend(rig.recv_to_end(server));
    let text = String::from_utf8(got[filled..].to_vec()).unwrap();
    assert!(text.starts_with("first") && text.ends_with("last"), "{text}");
    assert_eq!(text.replace("second", ""), "firstlast");
}

fn nothing_overtakes_a_receive_that_waits(rig: &mut Rig) {
    if !rig.receives_whole() {
        return;
    }
    let (client, server) = rig.pair();
    let first = rig.pending(recv(server, 3));
    rig.send(client, b"abcdef");
    // The bytes are there, or will be; they are the first one's, whoever looks.
    let tried = rig.try_recv(server, &mut [0; 8]);
    assert_eq!(tried.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let second = rig.pending(recv(server, 100));
    let third = rig.pending(peek(server, 100));
    assert_eq!(bytes(rig.finish(first)), b"abc");
    assert_eq!(bytes(rig.finish(second)), b"def");
    rig.send(client, b"g");
    assert_eq!(bytes(rig.finish(third)), b"g");
}

/// Finished, it may yet be cancelled, and then its bytes come before all that follow.
fn nothing_overtakes_a_receive_that_was_not_taken(rig: &mut Rig) {
    if !rig.receives_whole() {
        return;
    }
    let (client, server) = rig.pair();
    let first = rig.pending(recv(server, 3));
    rig.send(client, b"abcdef");
    rig.told(first);
    let tried = rig.try_recv(server, &mut [0; 8]);
    assert_eq!(tried.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let second = rig.pending(recv(server, 3));
    rig.give_up(first);
    assert_eq!(bytes(rig.finish(second)), b"abc");
    rig.hear(server, 8, b"def");
}

/// Within one pass: that a socket was emptied is found out, not guessed.
fn what_has_arrived_can_be_tried_for_in_pieces_and_so_can_the_end(rig: &mut Rig) {
    if !rig.receives_whole() {
        return;
    }
    let (client, server) = rig.pair();
    rig.send(client, b"in pieces");
    rig.shut(client, Shutdown::Write);
    let mut piece = [0; 3];
    rig.until_seen("it arrives", |rig| rig.try_recv(server, &mut piece).is_ok());
    assert_eq!(&piece, b"in ");
    for rest in [b"pie", b"ces"] {
        assert_eq!(rig.try_recv(server, &mut piece).unwrap(), 3);
        assert_eq!(&piece, rest);
    }
    rig.until_seen("the end", |rig| rig.try_recv(server, &mut piece).is_ok_and(|count| count == 0));
    assert_eq!(rig.try_recv(server, &mut piece).unwrap(), 0);
    rig.hear(server, 1, b"");
    assert_eq!(rig.try_recv(server, &mut piece).unwrap(), 0);
}

fn a_shutdown_comes_after_the_sends_before_it(rig: &mut Rig) {
    for how in [Shutdown::Write, Shutdown::Both] {
        let (client, server) = rig.pair();
        rig.make_small(client);
        let filled = rig.fill(client);
        let text = pattern(0, 200_000);
        let sent = rig.pending(send(client, &text));
        let shut = rig.pending(Op::Shutdown { socket: client, how });
        let late = rig.pending(send(client, b"too late"));
        assert!(rig.recv_to_end(server)[filled..] == text);
        assert!(rig.finish_once(sent).is_ok());
        assert!(matches!(rig.finish_once(shut), Ok(Done::Shutdown)));
        assert_error(rig.finish_once(late), io::ErrorKind::BrokenPipe);
    }
}

fn a_shutdown_of_the_read_side_takes_effect_at_once(rig: &mut Rig) {
    let (client, server) = rig.pair();
    rig.make_small(client);
    rig.fill(client);
    let sent = rig.pending(send(client, &[1; 1 << 20]));
    let waits = rig.pending(recv(client, 10));
    rig.glance();
    rig.glance();
    assert!(matches!(rig.at_once(Op::Shutdown { socket: client, how: Shutdown::Read }), Ok(Done::Shutdown)));
    assert_eq!(bytes(rig.finish_once(waits)), b"");
    assert!(!rig.was_told(sent));
    rig.close(server, Close::Reset);
    assert_broken(error_of(rig.finish_once(sent)));
}

fn what_had_arrived_when_the_read_side_was_shut_is_received_before_the_end(rig: &mut Rig) {
    if !rig.receives_whole() {
        return;
    }
    for cancelled in [false, true] {
        let (client, server) = rig.pair();
        if cancelled {
            let unwanted = rig.pending(recv(server, 10));
            rig.glance();
            rig.give_up(unwanted);
        }
        let text = pattern(7, 50_000);
        rig.send(client, &text);
        rig.arrival(server);
        rig.until_seen("all has arrived", |rig| unsent(rig, client) == 0);
        rig.shut(server, Shutdown::Read);
        rig.shut(server, Shutdown::Read);
        rig.send(client, b"too late");
        let mut first = [0; 7];
        assert_eq!(rig.try_recv(server, &mut first).unwrap(), 7);
        assert_eq!(bytes(rig.run(Op::Recv { socket: server, max: 5, peek: true })), text[7..12]);
        rig.hear(server, 5, &text[7..12]);
        let rest = rig.recv_to_end(server);
        assert!(rest == text[12..], "{} bytes of {}", rest.len(), text.len() - 12);
        assert_eq!(rig.try_recv(server, &mut first).unwrap(), 0);
        rig.close(client, Close::Now);
    }
}

fn what_comes_after_the_read_side_was_shut_is_kept_for_nobody(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let unwanted = rig.pending(recv(server, 10));
    rig.glance();
    rig.give_up(unwanted);
    rig.shut(server, Shutdown::Read);
    rig.send(client, b"too late");
    rig.until_seen("it arrives", |rig| unsent(rig, client) == 0);
    rig.glance();
    assert_eq!(rig.pool().lent(), 0);
    rig.hear(server, 10, b"");
}

/// How many bytes a stream has sent that have not arrived at the other end.
fn unsent(rig: &mut Rig, socket: Socket) -> usize {
    match rig.ask(socket, Question::Unsent) {
        Ok(Fact::Count(count)) => count,
        other => panic!("{other:?}"),
    }
}

fn a_release_comes_after_the_sends_before_it(rig: &mut Rig) {
    let (client, server) = rig.pair();
    rig.make_small(client);
    let filled = rig.fill(client);
    let text = pattern(0, 200_000);
    let sent = rig.pending(send(client, &text));
    rig.give_up(sent);
    let release = rig.pending(Op::Release { socket: client });
    let got = rig.recv_all(server, filled + text.len());
    assert!(got[filled..] == text);
    let descriptor = released(rig.finish_once(release));
    let client = rig.open(Plan::Adopt(descriptor)).unwrap();
    rig.send(client, b"and on");
    rig.hear(server, 10, b"and on");
}

/// A socket that is known to be full is no reason to wait: nothing was submitted to be sent.
fn a_release_waits_for_nothing_but_sends(rig: &mut Rig) {
    let (full, _server) = full_and_watched(rig);
    released(rig.at_once(Op::Release { socket: full }));
}

fn a_shutdown_waits_for_nothing_but_sends(rig: &mut Rig) {
    for how in [Shutdown::Read, Shutdown::Write, Shutdown::Both] {
        let (full, _server) = full_and_watched(rig);
        assert!(matches!(rig.at_once(Op::Shutdown { socket: full, how }), Ok(Done::Shutdown)));
    }
}

fn readiness_takes_its_turn(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let first = rig.pending(recv(server, 100));
    let looks = rig.pending(ready(server, Direction::Read));
    rig.send(client, b"1");
    assert_eq!(bytes(rig.finish(first)), b"1");
    // What the first took is nothing to be ready for.
    rig.glance();
    assert!(!rig.was_told(looks));
    rig.send(client, b"2");
    assert!(matches!(rig.finish(looks), Ok(Done::Ready)));
    rig.hear(server, 100, b"2");
}

fn a_failed_send_fails_those_behind_it(rig: &mut Rig) {
    let (client, server) = rig.pair();
    rig.make_small(client);
    rig.fill(client);
    let tickets: Vec<_> = (0..4).map(|_| rig.pending(send(client, &[1; 50_000]))).collect();
    rig.give_up(tickets[0]);
    rig.close(server, Close::Reset);
    for &ticket in &tickets[1..] {
        assert_broken(error_of(rig.finish_once(ticket)));
    }
    for _ in 0..3 {
        assert_broken(error_of(rig.run(send(client, b"x"))));
        assert_broken(rig.try_send(client, &[IoSlice::new(b"x")]).unwrap_err().kind());
    }
}

fn the_error_of_a_cancelled_send_is_told_to_the_next(rig: &mut Rig) {
    for by_trying in [false, true] {
        let (client, server) = rig.pair();
        rig.make_small(client);
        rig.fill(client);
        let unwanted = rig.pending(send(client, &[1; 50_000]));
        rig.give_up(unwanted);
        let waits = rig.pending(recv(client, 1));
        rig.close(server, Close::Reset);
        assert_error(rig.finish_once(waits), io::ErrorKind::ConnectionReset);
        let mut told = None;
        rig.until_seen("the writer is told", |rig| {
            told = if by_trying {
                rig.try_send(client, &[IoSlice::new(b"x")]).err().map(|error| error.kind())
            } else {
                Some(error_of(rig.run(send(client, b"x"))))
            };
            told.is_some_and(|kind| kind != io::ErrorKind::WouldBlock)
        });
        assert_broken(told.unwrap());
    }
}

fn a_failed_connect_fails_what_was_submitted_behind_it(rig: &mut Rig) {
    let nobody = rig.nobody();
    let client = rig.stream();
    let outcome = rig.submit(Op::Connect { socket: client, to: nobody });
    let sent = rig.run(send(client, b"x"));
    drop(outcome);
    assert!(sent.is_err());
}

fn sends_behind_a_connect_go_out_when_it_is_done(rig: &mut Rig) {
    let listener = rig.open(Plan::Listen(Listen::at(rig::anywhere()))).unwrap();
    let address = rig.local(listener);
    let client = rig.stream();
    drop(rig.submit(Op::Connect { socket: client, to: address }));
    drop(rig.submit(send(client, b"early ")));
    rig.send(client, b"bird");
    rig.shut(client, Shutdown::Write);
    let (server, _) = rig.accept(listener);
    assert_eq!(rig.recv_to_end(server), b"early bird");
}

/// A stream that is known not to take any more, and its peer.
fn full_and_watched(rig: &mut Rig) -> (Socket, Socket) {
    let (client, server) = rig.pair();
    rig.make_small(client);
    let waits = rig.pending(recv(client, 1));
    rig.fill(client);
    let room = rig.pending(ready(client, Direction::Write));
    let soon = rig.clock() + Duration::from_millis(1);
    rig.turn(Some(soon));
    rig.give_up(room);
    rig.give_up(waits);
    rig.fill(client);
    (client, server)
}

/// Whether all have been told, so that none is waited for in vain.
fn got_all(rig: &Rig, tickets: &[switchboard::engine::Ticket]) -> bool {
    tickets.iter().all(|&ticket| rig.was_told(ticket))
}

#[track_caller]
fn released(outcome: Result<Done, switchboard::engine::Failed>) -> Descriptor {
    match outcome {
        Ok(Done::Released { descriptor, .. }) => descriptor,
        other => panic!("not released, but: {other:?}"),
    }
}

#[track_caller]
fn assert_broken(kind: io::ErrorKind) {
    assert!(matches!(kind, io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe), "{kind:?}");
}
