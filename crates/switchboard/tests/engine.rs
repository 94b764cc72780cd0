//! What engines promise beside the laws, on every engine: whatever is asked for has a bound, whatever is closed
//! gently says all it was given to say, and whatever is dropped ends nothing else.

mod rig;

use std::io::{self, IoSlice};

use rig::{Rig, assert_error, datagram, on_every_engine, on_every_kernel, pattern, ready, send, spin_until};
use switchboard::engine::{Close, Direction, Done, Op, Plan, Submitted, Work};

on_every_engine! {
    a_ticket_tells_its_operation_until_that_has_finished,
    a_datagram_may_be_asked_for_whatever_its_length,
    more_parts_than_fit_one_call_are_sent_in_part,
    a_ticket_given_up_is_stale_though_its_send_goes_on,
    connecting_again_does_not_make_a_close_less_gentle,
    a_gentle_close_of_what_still_connects_sends_what_was_submitted,
    a_gentle_close_ends_at_once_what_only_waits_for_its_sends,
    c13_an_unwanted_result_that_panics_when_dropped_ends_nothing,
}

on_every_kernel! {
    an_adopted_stream_that_has_no_peer_yet_is_connected,
}

fn an_adopted_stream_that_has_no_peer_yet_is_connected(rig: &mut Rig) {
    use rustix::net::{AddressFamily, SocketType, socket};
    let (listener, address) = rig.listener();
    let fresh = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let client = rig.open(Plan::Adopt(fresh.into())).unwrap();
    assert!(matches!(rig.run(Op::Connect { socket: client, to: address }), Ok(Done::Connected)));
    rig.accept(listener);
}

fn a_ticket_tells_its_operation_until_that_has_finished(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let told = |rig: &Rig, ticket| rig.operation(ticket).map(|op| (op.name(), op.socket(), op.direction()));
    let expected = Some(("receive", Some(server), Direction::Read));
    let given_up = rig.pending(Op::Recv { socket: server, max: 9, peek: false });
    let receiving = rig.pending(Op::Recv { socket: server, max: 9, peek: false });
    assert_eq!((told(rig, given_up), told(rig, receiving)), (expected, expected));
    rig.give_up(given_up);
    assert_eq!((told(rig, given_up), told(rig, receiving)), (None, expected));
    rig.send(client, b"x");
    rig.told(receiving);
    assert_eq!(told(rig, receiving), None, "it has finished");
    rig.finish(receiving).unwrap();
    assert_eq!(told(rig, receiving), None, "it was taken");
}

fn a_datagram_may_be_asked_for_whatever_its_length(rig: &mut Rig) {
    let (receiver, address) = rig.datagrams();
    let (sender, _) = rig.datagrams();
    rig.send_to(sender, &address, b"short");
    rig.arrival(receiver);
    let received = rig.run(Op::RecvFrom { socket: receiver, max: usize::MAX });
    assert_eq!(datagram(received), (b"short".to_vec(), false));
}

fn more_parts_than_fit_one_call_are_sent_in_part(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let all = pattern(0, 3000);
    let parts: Vec<_> = all.chunks(1).map(IoSlice::new).collect();
    let mut sent = 0;
    while sent < all.len() {
        match rig.try_send(client, &parts[sent..]) {
            Ok(count) => sent += count,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                rig.glance();
            }
        }
    }
    assert!(rig.recv_all(server, all.len()) == all);
}

fn a_ticket_given_up_is_stale_though_its_send_goes_on(rig: &mut Rig) {
    let (client, server) = rig.pair();
    rig.make_small(client);
    let filled = rig.fill(client);
    let ticket = rig.pending(send(client, b"last"));
    rig.give_up(ticket);
    assert_error(rig.take(ticket), io::ErrorKind::NotFound);
    assert_eq!(rig.recv_all(server, filled + 4).len(), filled + 4);
    assert_error(rig.take(ticket), io::ErrorKind::NotFound);
}

fn connecting_again_does_not_make_a_close_less_gentle(rig: &mut Rig) {
    let (listener, address) = rig.listener();
    let client = rig.client_of(&address);
    let (server, _) = rig.accept(listener);
    for _ in 0..2 {
        // The first may be told of the same connection (connect(2)); the second is refused.
        drop(rig.run(Op::Connect { socket: client, to: address.clone() }));
    }
    // Unread at the close, this would turn it into a reset.
    rig.send(server, &pattern(0, 10_000));
    rig.send(client, b"good bye");
    rig.close(client, Close::GENTLY);
    assert_eq!(rig.recv_to_end(server), b"good bye");
}

fn a_gentle_close_of_what_still_connects_sends_what_was_submitted(rig: &mut Rig) {
    let (listener, address) = rig.listener();
    let client = rig.stream();
    let connecting = rig.submit(Op::Connect { socket: client, to: address });
    let sending = rig.submit(send(client, b"in a hurry"));
    rig.close(client, Close::GENTLY);
    let (server, _) = rig.accept(listener);
    assert_eq!(rig.recv_to_end(server), b"in a hurry");
    for submitted in [connecting, sending] {
        if let Submitted::Pending(ticket) = submitted {
            assert!(matches!(rig.finish(ticket), Ok(Done::Connected | Done::Sent { .. })));
        }
    }
}

fn a_gentle_close_ends_at_once_what_only_waits_for_its_sends(rig: &mut Rig) {
    let (client, server) = rig.pair();
    rig.make_small(client);
    let filled = rig.fill(client);
    let sending = rig.pending(send(client, b"last"));
    let others = [rig.pending(ready(client, Direction::Write)), rig.pending(Op::Release { socket: client })];
    rig.close(client, Close::GENTLY);
    rig.glance();
    for ticket in others {
        assert_error(rig.take(ticket), io::ErrorKind::ConnectionAborted);
    }
    assert_eq!(rig.recv_to_end(server).len(), filled + 4);
    assert!(rig.finish(sending).is_ok());
}

/// What only a user could come up with.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

fn c13_an_unwanted_result_that_panics_when_dropped_ends_nothing(rig: &mut Rig) {
    let call = || -> Op {
        let work: Work = Box::new(|| Box::new(Bomb));
        Op::Call { work }
    };
    // Finished when it is given up; and given up before it is.
    let finished = rig.pending(call());
    rig.told(finished);
    rig.give_up(finished);
    let unfinished = rig.pending(call());
    rig.give_up(unfinished);
    let last = rig.pending(Op::Call { work: Box::new(|| Box::new(7)) });
    rig.told(last);
    spin_until(|| rig.glance().is_empty());
    assert!(matches!(rig.take(last), Ok(Done::Called { outcome: Ok(_) })));
}
