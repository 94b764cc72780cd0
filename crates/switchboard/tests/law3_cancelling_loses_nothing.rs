//! Law 3: cancelling loses nothing. What arrived for a cancelled operation goes to the next one, in order.
//!
//! Both moments count: cancelled while it waits, and cancelled when it was finished and nobody had taken it.

mod rig;

use std::io;
use std::net::Shutdown;

use rig::{
    Rig, accept, accepted, alone, assert_error, bytes, datagram, on_every_engine, peek, ready, recv, send,
};
use switchboard::engine::{Close, Descriptor, Direction, Done, Failed, Op, Plan, Socket, Submitted, Ticket};

on_every_engine! {
    a_peek_shows_more_when_more_has_come_even_if_some_was_parked,
    recv_after_cancel_loses_nothing,
    bytes_of_a_finished_recv_go_to_the_next,
    bytes_of_a_finished_recv_go_to_the_one_that_waits,
    a_younger_recv_that_finished_gets_the_older_bytes,
    cancelling_all_that_finished_leaves_all_in_order,
    cancelling_a_peek_disturbs_nobody,
    bytes_put_back_are_split_by_max,
    bytes_put_back_can_be_peeked_at,
    bytes_put_back_can_be_tried,
    the_end_is_put_back_behind_the_bytes,
    an_error_of_a_finished_recv_goes_to_the_next,
    connections_of_cancelled_accepts_go_to_the_next,
    datagrams_of_cancelled_receives_go_to_the_next,
    signals_of_cancelled_waits_go_to_the_next,
    the_error_of_a_cancelled_connect_goes_to_the_next,
    a_cancelled_connect_connects,
    release_hands_out_the_bytes_and_the_end,
    release_finishes_what_waits_with_an_error,
    release_hands_out_connections,
    release_hands_out_the_error,
    release_hands_out_the_error_of_a_cancelled_send,
    ending_the_read_side_takes_no_error_of_a_cancelled_send,
    a_cancelled_release_leaves_the_socket_whole,
    cancelling_the_first_lets_the_second_go_on,
}

fn recv_after_cancel_loses_nothing(rig: &mut Rig) {
    let (client, server) = rig.pair();
    for seen in [false, true] {
        let waits = rig.pending(recv(server, 10));
        if seen {
            rig.glance();
        }
        rig.give_up(waits);
        rig.send(client, b"hello");
        rig.hear(server, 10, b"hello");
    }
    let waits = rig.pending(recv(server, 10));
    rig.glance();
    rig.send(client, b"in the kernel already");
    rig.give_up(waits);
    assert_eq!(rig.recv_all(server, 21), b"in the kernel already");
}

fn bytes_of_a_finished_recv_go_to_the_next(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let unwanted = told_recv(rig, client, server, b"first");
    rig.give_up(unwanted);
    rig.send(client, b"second");
    assert_eq!(rig.recv_all(server, 11), b"firstsecond");
}

fn bytes_of_a_finished_recv_go_to_the_one_that_waits(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let first = rig.pending(recv(server, 100));
    let second = rig.pending(recv(server, 100));
    rig.send(client, b"h");
    rig.told(first);
    assert!(!rig.was_told(second));
    rig.give_up(first);
    assert_eq!(bytes(rig.finish_once(second)), b"h");
}

fn a_younger_recv_that_finished_gets_the_older_bytes(rig: &mut Rig) {
    if !rig.receives_whole() {
        return;
    }
    let (client, server) = rig.pair();
    let tickets: Vec<_> = (0..4).map(|_| rig.pending(recv(server, 3))).collect();
    rig.send(client, b"abcdefghi");
    let [first, second, third, fourth] = tickets[..] else { unreachable!() };
    rig.told(third);
    assert!(!rig.was_told(fourth));
    // The three that finished have abc, def and ghi. Without the first, each has what the one before it had.
    rig.give_up(first);
    assert_eq!(bytes(rig.finish_once(second)), b"abc");
    rig.give_up(third);
    assert_eq!(bytes(rig.finish_once(fourth)), b"def");
    rig.hear(server, 100, b"ghi");
}

fn cancelling_all_that_finished_leaves_all_in_order(rig: &mut Rig) {
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]] {
        let (client, server) = rig.pair();
        let tickets: Vec<_> = (0..3).map(|_| rig.pending(recv(server, 3))).collect();
        rig.send(client, b"abcdefghijk");
        rig.told(tickets[2]);
        for at in order {
            rig.give_up(tickets[at]);
        }
        assert_eq!(rig.recv_all(server, 11), b"abcdefghijk", "cancelled in the order {order:?}");
    }
}

/// A peek took nothing, so nothing goes back; who was told of bytes keeps them.
fn cancelling_a_peek_disturbs_nobody(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let first = rig.pending(peek(server, 10));
    let second = rig.pending(peek(server, 10));
    let third = rig.pending(recv(server, 10));
    rig.send(client, b"a");
    rig.told(third);
    assert_eq!(bytes(rig.finish_once(third)), b"a");
    rig.give_up(first);
    assert_eq!(bytes(rig.finish_once(second)), b"a");
    rig.send(client, b"d");
    rig.hear(server, 10, b"d");
}

fn bytes_put_back_are_split_by_max(rig: &mut Rig) {
    if !rig.receives_whole() {
        return;
    }
    let (client, server) = rig.pair();
    let unwanted = told_recv(rig, client, server, b"0123456789");
    rig.give_up(unwanted);
    assert_eq!(bytes(rig.at_once(recv(server, 3))), b"012");
    assert_eq!(bytes(rig.at_once(recv(server, 1))), b"3");
    assert_eq!(bytes(rig.at_once(recv(server, 100))), b"456789");
}

fn bytes_put_back_can_be_peeked_at(rig: &mut Rig) {
    if !rig.receives_whole() {
        return;
    }
    let (client, server) = rig.pair();
    let unwanted = told_recv(rig, client, server, b"0123456789");
    rig.give_up(unwanted);
    assert_eq!(bytes(rig.at_once(peek(server, 4))), b"0123");
    assert_eq!(bytes(rig.at_once(peek(server, 100))), b"0123456789");
    assert!(matches!(rig.at_once(ready(server, Direction::Read)), Ok(Done::Ready)));
    assert_eq!(bytes(rig.at_once(recv(server, 100))), b"0123456789");
}

fn bytes_put_back_can_be_tried(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let unwanted = told_recv(rig, client, server, b"0123456789");
    rig.give_up(unwanted);
    rig.send(client, b"abc");
    let mut into = [0; 4];
    let mut got: Vec<u8> = Vec::new();
    while got.len() < 13 {
        match rig.try_recv(server, &mut into) {
            Ok(count) => got.extend(&into[..count]),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                rig.arrival(server);
            }
        }
    }
    assert_eq!(got, b"0123456789abc");
    assert_eq!(rig.try_recv(server, &mut into).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

fn the_end_is_put_back_behind_the_bytes(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let first = rig.pending(recv(server, 100));
    let second = rig.pending(recv(server, 100));
    rig.send(client, b"tail");
    rig.shut(client, Shutdown::Write);
    rig.told(first);
    rig.told(second);
    rig.give_up(second);
    rig.give_up(first);
    rig.hear(server, 100, b"tail");
    rig.hear(server, 100, b"");
    assert_eq!(rig.try_recv(server, &mut [0; 4]).unwrap(), 0);
}

fn an_error_of_a_finished_recv_goes_to_the_next(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let unwanted = rig.pending(recv(server, 100));
    rig.glance();
    rig.close(client, Close::Reset);
    rig.told(unwanted);
    rig.give_up(unwanted);
    assert_error(rig.at_once(recv(server, 100)), io::ErrorKind::ConnectionReset);
}

fn connections_of_cancelled_accepts_go_to_the_next(rig: &mut Rig) {
    let (listener, address) = rig.listener();
    let tickets: Vec<_> = (0..4).map(|_| rig.pending(accept(listener))).collect();
    rig.glance();
    rig.give_up(tickets[0]);
    let clients: Vec<_> = (0..3).map(|_| rig.client_of(&address)).collect();
    let names: Vec<_> = clients.iter().map(|&client| rig.local(client)).collect();
    for &ticket in &tickets[1..] {
        rig.told(ticket);
    }
    rig.give_up(tickets[2]);
    rig.give_up(tickets[1]);
    assert_eq!(accepted(rig.finish_once(tickets[3])).1, names[0]);
    let (second, peer) = accepted(rig.at_once(Op::Accept { socket: listener, wait: false }));
    assert_eq!(peer, names[1]);
    assert_eq!(accepted(rig.at_once(accept(listener))).1, names[2]);
    rig.send(clients[1], b"to the second");
    rig.hear(second, 100, b"to the second");
    let empty = rig.at_once(Op::Accept { socket: listener, wait: false });
    assert_error(empty, io::ErrorKind::WouldBlock);
}

fn datagrams_of_cancelled_receives_go_to_the_next(rig: &mut Rig) {
    let (server, address) = rig.datagrams();
    let (client, _) = rig.datagrams();
    let receive = |max| Op::RecvFrom { socket: server, max };
    let tickets: Vec<_> = (0..4).map(|_| rig.pending(receive(100))).collect();
    rig.give_up(tickets[0]);
    for text in [b"one".as_slice(), b"two", b"three"] {
        rig.send_to(client, &address, text);
    }
    rig.told(tickets[3]);
    rig.give_up(tickets[1]);
    rig.give_up(tickets[3]);
    assert_eq!(datagram(rig.finish_once(tickets[2])), (b"one".to_vec(), false));
    // A smaller one than it came for cuts it, and says so; the next one is whole.
    assert_eq!(datagram(rig.at_once(receive(2))), (b"tw".to_vec(), true));
    assert_eq!(datagram(rig.at_once(receive(100))), (b"three".to_vec(), false));
}

fn signals_of_cancelled_waits_go_to_the_next(rig: &mut Rig) {
    let _alone = alone();
    let number = 10;
    let unwanted = rig.pending(Op::Signal { number });
    let second = rig.pending(Op::Signal { number });
    rig.raise(number);
    rig.told(unwanted);
    assert!(!rig.was_told(second));
    rig.give_up(unwanted);
    assert!(matches!(rig.finish_once(second), Ok(Done::Signalled { count: 1 })));

    let waits = rig.pending(Op::Signal { number });
    rig.give_up(waits);
    rig.raise(number);
    let next = rig.pending(Op::Signal { number });
    rig.told(next);
    rig.raise(number);
    let later = rig.pending(Op::Signal { number });
    rig.told(later);
    rig.give_up(next);
    rig.give_up(later);
    let last = rig.pending(Op::Signal { number });
    assert!(matches!(rig.finish_once(last), Ok(Done::Signalled { count: 2 })));
}

fn the_error_of_a_cancelled_connect_goes_to_the_next(rig: &mut Rig) {
    let nobody = rig.nobody();
    let client = rig.stream();
    let Submitted::Pending(connect) = rig.submit(Op::Connect { socket: client, to: nobody }) else {
        return;
    };
    rig.give_up(connect);
    assert_error(rig.run(send(client, b"x")), io::ErrorKind::ConnectionRefused);
}

fn a_cancelled_connect_connects(rig: &mut Rig) {
    let (listener, address) = rig.listener();
    let client = rig.stream();
    if let Submitted::Pending(ticket) = rig.submit(Op::Connect { socket: client, to: address }) {
        rig.give_up(ticket);
    }
    rig.send(client, b"here");
    let (server, _) = rig.accept(listener);
    rig.hear(server, 10, b"here");
}

fn release_hands_out_the_bytes_and_the_end(rig: &mut Rig) {
    if !rig.receives_whole() {
        return;
    }
    let (client, server) = rig.pair();
    let first = rig.pending(recv(server, 3));
    let second = rig.pending(recv(server, 100));
    rig.send(client, b"abcdef");
    rig.told(second);
    rig.give_up(second);
    rig.give_up(first);
    let (descriptor, parked) = released(rig.run(Op::Release { socket: server }));
    let parked: Vec<_> = parked.into_iter().map(Result::unwrap).collect();
    assert_eq!(parked.len(), 2, "{parked:?}");
    let got: Vec<_> = parked
        .into_iter()
        .flat_map(|done| match done {
            Done::Received { lease } => lease.to_vec(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(got, b"abcdef");
    assert_error(rig.at_once(recv(server, 1)), io::ErrorKind::NotFound);
    // The descriptor is whole, and what comes next comes next.
    rig.send(client, b"ghi");
    let server = rig.open(Plan::Adopt(descriptor)).unwrap();
    rig.hear(server, 100, b"ghi");
}

fn release_finishes_what_waits_with_an_error(rig: &mut Rig) {
    let (_client, server) = rig.pair();
    let waits = [rig.pending(recv(server, 10)), rig.pending(ready(server, Direction::Read))];
    rig.glance();
    let (_descriptor, parked) = released(rig.run(Op::Release { socket: server }));
    assert!(parked.is_empty());
    for ticket in waits {
        assert_error(rig.finish_once(ticket), io::ErrorKind::ConnectionAborted);
    }
}

/// Whoever looks until there is enough must get there, wherever the first of it lies.
fn a_peek_shows_more_when_more_has_come_even_if_some_was_parked(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let unwanted = rig.pending(recv(server, 100));
    rig.glance();
    rig.send(client, b"first, ");
    rig.told(unwanted);
    rig.give_up(unwanted);
    rig.send(client, b"second");
    rig.until_seen("a peek shows both", |rig| {
        let shown = bytes(rig.run(peek(server, 100)));
        assert!(b"first, second".starts_with(&shown[..]), "{shown:?}");
        shown.len() == 13
    });
    assert_eq!(bytes(rig.run(peek(server, 3))), b"fir");
    rig.send(client, b", third");
    rig.shut(client, Shutdown::Write);
    assert_eq!(rig.recv_to_end(server), b"first, second, third");
}

fn release_hands_out_connections(rig: &mut Rig) {
    let (listener, address) = rig.listener();
    let first = rig.pending(accept(listener));
    let second = rig.pending(accept(listener));
    let clients = [rig.client_of(&address), rig.client_of(&address)];
    rig.told(first);
    rig.told(second);
    rig.give_up(first);
    rig.give_up(second);
    let (_descriptor, parked) = released(rig.run(Op::Release { socket: listener }));
    let peers: Vec<_> =
        parked.into_iter().map(|done| accepted(done.map_err(|error| Failed { error, op: None }))).collect();
    assert_eq!(peers.len(), 2);
    for (client, (server, peer)) in clients.into_iter().zip(peers) {
        assert_eq!(peer, rig.local(client));
        rig.send(client, b"alive");
        rig.hear(server, 10, b"alive");
    }
}

fn release_hands_out_the_error(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let unwanted = rig.pending(recv(server, 10));
    rig.glance();
    rig.close(client, Close::Reset);
    rig.told(unwanted);
    rig.give_up(unwanted);
    let (_descriptor, parked) = released(rig.run(Op::Release { socket: server }));
    let kinds: Vec<_> = parked.into_iter().map(|outcome| outcome.unwrap_err().kind()).collect();
    assert_eq!(kinds, [io::ErrorKind::ConnectionReset]);
}

fn release_hands_out_the_error_of_a_cancelled_send(rig: &mut Rig) {
    let (client, server) = rig.pair();
    rig.make_small(client);
    rig.fill(client);
    let unwanted = rig.pending(send(client, &[1; 1 << 20]));
    rig.give_up(unwanted);
    let release = rig.pending(Op::Release { socket: client });
    rig.close(server, Close::Reset);
    let (_descriptor, parked) = released(rig.finish_once(release));
    let kinds: Vec<_> = parked.into_iter().map(|outcome| outcome.unwrap_err().kind()).collect();
    assert!(matches!(kinds[..], [io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe]), "{kinds:?}");
}

fn ending_the_read_side_takes_no_error_of_a_cancelled_send(rig: &mut Rig) {
    let (client, server) = rig.pair();
    rig.make_small(client);
    rig.fill(client);
    let unwanted = rig.pending(send(client, &[1; 1 << 20]));
    rig.give_up(unwanted);
    // Told once the reset has come, which is when the send behind which it waits has failed.
    let ready = rig.pending(ready(client, Direction::Write));
    rig.close(server, Close::Reset);
    rig.told(ready);
    rig.shut(client, Shutdown::Read);
    rig.give_up(ready);
    let kind = rig.run(send(client, b"next")).unwrap_err().error.kind();
    assert!(matches!(kind, io::ErrorKind::ConnectionReset), "{kind:?}");
}

fn a_cancelled_release_leaves_the_socket_whole(rig: &mut Rig) {
    let (client, server) = rig.pair();
    rig.make_small(client);
    let filled = rig.fill(client);
    let sent = rig.pending(send(client, b"middle"));
    let waits = rig.pending(Op::Release { socket: client });
    rig.give_up(waits);
    let finished = rig.pending(Op::Release { socket: client });
    let after = rig.pending(send(client, b"tail"));
    let got = rig.recv_all(server, filled + 10);
    assert_eq!(&got[filled..], b"middletail");
    rig.told(finished);
    rig.give_up(finished);
    assert!(matches!(rig.finish_once(sent), Ok(Done::Sent { bytes: 6, .. })));
    assert!(matches!(rig.finish_once(after), Ok(Done::Sent { bytes: 4, .. })));
    rig.send(server, b"and back");
    rig.hear(client, 10, b"and back");
    assert!(matches!(rig.run(Op::Release { socket: client }), Ok(Done::Released { .. })));
}

fn cancelling_the_first_lets_the_second_go_on(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let (listener, _) = rig.listener();
    rig.send(client, b"x");
    rig.arrival(server);
    let unwanted = rig.pending(accept(listener));
    let looks = rig.pending(ready(listener, Direction::Read));
    rig.glance();
    rig.give_up(unwanted);
    let address = rig.local(listener);
    rig.client_of(&address);
    assert!(matches!(rig.finish_once(looks), Ok(Done::Ready)));
    // At the write side: a wait for room that is given up does not hold up the send behind it.
    rig.make_small(client);
    let filled = rig.fill(client);
    let unwanted = rig.pending(ready(client, Direction::Write));
    let sent = rig.pending(send(client, b"behind"));
    rig.give_up(unwanted);
    assert_eq!(rig.recv_all(server, 1 + filled + 6).len(), 1 + filled + 6);
    assert!(rig.finish_once(sent).is_ok());
}

/// A receive that was told of these bytes and was not taken.
fn told_recv(rig: &mut Rig, client: Socket, server: Socket, text: &[u8]) -> Ticket {
    let ticket = rig.pending(recv(server, 100));
    rig.send(client, text);
    rig.told(ticket);
    ticket
}

#[track_caller]
fn released(outcome: Result<Done, Failed>) -> (Descriptor, Vec<io::Result<Done>>) {
    match outcome {
        Ok(Done::Released { descriptor, parked }) => (descriptor, parked),
        other => panic!("not released, but: {other:?}"),
    }
}
