//! Connections that call back, on every engine.
#![allow(clippy::disallowed_methods, reason = "tests use the real clock and threads")]

mod network;

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::rc::Rc;
use std::time::Duration;

use network::recorder::{echo, fill, pattern, peer, receive_all, recorded};
use network::{Network, complete, on_every_engine, pair, until};
use switchboard::engine::{Close, Done, Lease, Op, Setting};
use switchboard::event_loop::Connection;

on_every_engine! {
    an_echo_of_megabytes_comes_back_whole_and_before_the_end,
    a_peer_that_never_reads_stops_itself,
    f2_a_send_past_the_bound_is_refused_whole,
    one_send_may_be_larger_than_the_bound,
    a_reply_in_small_pieces_keeps_its_order,
    f3_a_send_that_found_no_room_is_sent_whole,
    f3_a_connection_that_found_no_room_for_a_moment_goes_on_receiving,
    f1_the_rest_of_a_partial_send_keeps_its_place,
    a_send_between_the_end_of_another_and_its_telling_keeps_its_place,
    c11_a_flood_leaves_others_their_turn,
    c11_a_flood_gets_no_more_turns_by_sending,
    a_pause_ends_when_the_peer_reads,
    a_pause_ends_before_all_is_sent,
    a_send_that_ends_leaves_the_receive_under_way,
    active_is_the_pass_in_which_bytes_went_either_way,
}

fn an_echo_of_megabytes_comes_back_whole_and_before_the_end(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    echo(&event_loop, ours);
    let sent = pattern(3 << 20);
    let parts = vec![Lease::from(&sent[..])];
    // Neither is waited for before the receiving begins; the end is behind the send in its lane.
    let sending = event_loop.engine().submit(Op::Send { socket: theirs, parts });
    let ending = event_loop.engine().submit(Op::Shutdown { socket: theirs, how: Shutdown::Write });
    drop((sending, ending));
    let (echoed, error) = receive_all(&event_loop, theirs);
    assert_eq!(error, None);
    assert!(echoed == sent, "{} of {} bytes came back", echoed.len(), sent.len());
}

fn a_peer_that_never_reads_stops_itself(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let connection = echo(&event_loop, ours);
    let piece = pattern(64 << 10);
    let (mut sent, mut most, mut quiet) = (0, 0, 0);
    while quiet < 50 {
        let tried = event_loop.engine().try_send(theirs, &[IoSlice::new(&piece)]);
        match tried {
            Ok(count) => (sent, quiet) = (sent + count, 0),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                quiet += 1;
            }
        }
        event_loop.turn(Some(Duration::from_millis(1))).unwrap();
        most = most.max(connection.buffered());
    }
    assert!(most > 0, "the peer could send {sent} bytes and nothing was ever held back");
    assert!(most <= 128 << 10, "{most} bytes wait for a peer that never reads");
    assert_eq!(event_loop.engine().pool().lent(), 0, "and no pool buffer is held meanwhile");
}

fn f2_a_send_past_the_bound_is_refused_whole(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (connection, _seen) = recorded(&event_loop, ours);
    let piece = pattern(256 << 10);
    let mut accepted = Vec::new();
    let refused = loop {
        match connection.send(&piece) {
            Ok(()) => accepted.extend_from_slice(&piece),
            Err(error) => break error,
        }
        assert!(accepted.len() < 64 << 20, "no bound in sight");
    };
    assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
    assert!(connection.buffered() <= Connection::BUFFER_LIMIT);
    connection.close();
    let (arrived, error) = receive_all(&event_loop, theirs);
    assert_eq!(error, None);
    assert!(arrived == accepted, "{} bytes arrived of {} accepted", arrived.len(), accepted.len());
}

fn one_send_may_be_larger_than_the_bound(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (connection, seen) = recorded(&event_loop, ours);
    let large = pattern(5 << 20);
    connection.send(&large).unwrap();
    connection.close();
    assert!(receive_all(&event_loop, theirs).0 == large);
    event_loop.engine().close(theirs, Close::Now);
    until(&event_loop, "the close", || !seen.closed.borrow().is_empty());
    assert_eq!(*seen.closed.borrow(), [Ok(())]);
}

fn a_reply_in_small_pieces_keeps_its_order(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    event_loop.engine().set(ours, Setting::SendBuffer(4 << 10)).unwrap();
    let (connection, _seen) = recorded(&event_loop, ours);
    let reply = pattern(300_000);
    for piece in reply.chunks(997) {
        connection.send(piece).unwrap();
    }
    connection.close();
    assert!(receive_all(&event_loop, theirs).0 == reply);
}

fn f3_a_send_that_found_no_room_is_sent_whole(network: &Network) {
    let (event_loop, faults) = network.faulty();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (connection, seen) = recorded(&event_loop, ours);
    let reply = pattern(300_000);
    for (number, piece) in reply.chunks(9_970).enumerate() {
        faults.full.set(number % 3);
        connection.send(piece).unwrap();
    }
    connection.close();
    assert!(receive_all(&event_loop, theirs).0 == reply);
    event_loop.engine().close(theirs, Close::Now);
    until(&event_loop, "the close", || !seen.closed.borrow().is_empty());
}

fn f3_a_connection_that_found_no_room_for_a_moment_goes_on_receiving(network: &Network) {
    let (event_loop, faults) = network.faulty();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (connection, seen) = recorded(&event_loop, ours);
    // More than may wait, but there is room for it all by the time it is submitted.
    faults.full.set(1);
    connection.send(&pattern(65 << 10)).unwrap();
    event_loop.engine().try_send(theirs, &[IoSlice::new(b"hello?")]).unwrap();
    until(&event_loop, "it receives", || *seen.data.borrow() == b"hello?");
}

fn f1_the_rest_of_a_partial_send_keeps_its_place(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    event_loop.engine().set(ours, Setting::SendBuffer(4 << 10)).unwrap();
    let (connection, _seen) = recorded(&event_loop, ours);
    let mut all = Vec::new();
    let mut arrived = Vec::new();
    // The peer makes room between two sends, before the loop has heard of it.
    for round in 0..100_usize {
        let piece: Vec<u8> = (0..40_000).map(|at| (round + at / 100) as u8).collect();
        if connection.send(&piece).is_ok() {
            all.extend_from_slice(&piece);
        }
        let mut some = [0; 100_000];
        if let Ok(count) = event_loop.engine().try_recv(theirs, &mut some) {
            arrived.extend_from_slice(&some[..count]);
        }
        if round % 10 == 0 {
            event_loop.turn(Some(Duration::ZERO)).unwrap();
        }
    }
    connection.close();
    arrived.append(&mut receive_all(&event_loop, theirs).0);
    assert!(arrived == all, "{} bytes arrived of {}", arrived.len(), all.len());
}

/// The engine is done with one piece, but has not told the connection, which still has the next one.
fn a_send_between_the_end_of_another_and_its_telling_keeps_its_place(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    event_loop.engine().set(ours, Setting::SendBuffer(4 << 10)).unwrap();
    let (connection, _seen) = recorded(&event_loop, ours);
    let (mut sent, mut arrived, mut away) = (Vec::new(), Vec::new(), vec![0; 1 << 20]);
    for round in 0..10_u8 {
        for piece in 0..3 {
            let bytes = vec![round * 4 + piece; 40_000];
            connection.send(&bytes).unwrap();
            sent.extend_from_slice(&bytes);
        }
        // Not for ever: where a send takes a pass, one that is made in each pass is always under way.
        let mut more = 1_000;
        while connection.buffered() > 0 {
            let (connection, byte) = (connection.clone(), round * 4 + 3);
            if more > 0 {
                more -= 1;
                sent.push(byte);
                // It runs before the completions that this pass finds.
                event_loop.soon(move |_| connection.send(&[byte]).unwrap());
            }
            let count = event_loop.engine().try_recv(theirs, &mut away).unwrap_or(0);
            arrived.extend_from_slice(&away[..count]);
            event_loop.turn(Some(Duration::ZERO)).unwrap();
        }
    }
    connection.close();
    arrived.append(&mut receive_all(&event_loop, theirs).0);
    assert!(arrived == sent, "{} bytes arrived of {}, in some order", arrived.len(), sent.len());
}

fn c11_a_flood_leaves_others_their_turn(network: &Network) {
    let (event_loop, faults) = network.faulty();
    let (ours, _theirs) = pair(&mut **event_loop.engine());
    faults.flood.set(Some(ours));
    let calls = Rc::new(Cell::new(0));
    let count = Rc::clone(&calls);
    let connection = Connection::start(&event_loop, ours, peer(), move |_: &Connection, _: &[u8]| {
        count.set(count.get() + 1);
        assert!(count.get() < 10_000, "it has every turn");
    });
    for _ in 0..3 {
        let before = calls.get();
        event_loop.turn(Some(Duration::ZERO)).unwrap();
        assert!((1..=64).contains(&(calls.get() - before)), "{} in one pass", calls.get() - before);
    }
    connection.abort(io::ErrorKind::TimedOut.into());
    event_loop.run().unwrap();
}

/// Each send that ends is an occasion to receive: once, and not once more in every pass from then on.
fn c11_a_flood_gets_no_more_turns_by_sending(network: &Network) {
    let (event_loop, faults) = network.faulty();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    event_loop.engine().set(ours, Setting::SendBuffer(4 << 10)).unwrap();
    faults.flood.set(Some(ours));
    let (calls, waits) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (count, sends) = (Rc::clone(&calls), Rc::clone(&waits));
    let answer = pattern(60 << 10);
    let connection =
        Connection::start(&event_loop, ours, peer(), move |connection: &Connection, _: &[u8]| {
            count.set(count.get() + 1);
            if connection.buffered() == 0 {
                connection.send(&answer).unwrap();
                sends.set(sends.get() + usize::from(connection.buffered() > 0));
            }
        });
    let (mut most, mut away) = (0, vec![0; 256 << 10]);
    until(&event_loop, "a hundred sends that had to wait", || {
        let before = calls.get();
        event_loop.engine().try_recv(theirs, &mut away).ok();
        event_loop.turn(Some(Duration::ZERO)).unwrap();
        most = most.max(calls.get() - before);
        waits.get() >= 100
    });
    assert!(most <= 64, "{most} in one pass");
    connection.abort(io::ErrorKind::TimedOut.into());
}

fn a_pause_ends_when_the_peer_reads(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (connection, seen) = recorded(&event_loop, ours);
    let sent = fill(&event_loop, &connection);
    let more = Connection::BUFFER_LIMIT - connection.buffered();
    connection.send(&pattern(more)).unwrap();
    event_loop.engine().try_send(theirs, &[IoSlice::new(b"now ")]).unwrap();
    until(&event_loop, "the receive that was under way", || *seen.data.borrow() == b"now ");
    event_loop.engine().try_send(theirs, &[IoSlice::new(b"later")]).unwrap();
    for _ in 0..3 {
        event_loop.turn(Some(Duration::from_millis(1))).unwrap();
    }
    assert_eq!(*seen.data.borrow(), b"now ", "while so much waits nothing more is received");
    let mut left = sent + more;
    while left > 0 {
        let got = complete(&event_loop, Op::Recv { socket: theirs, max: usize::MAX, peek: false });
        let Ok(Done::Received { lease }) = got else { panic!("it ended with {left} bytes missing") };
        left -= lease.len();
    }
    until(&event_loop, "it receives again", || *seen.data.borrow() == b"now later");
}

fn active_is_the_pass_in_which_bytes_went_either_way(network: &Network) {
    let (event_loop, faults) = network.faulty();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (connection, seen) = recorded(&event_loop, ours);
    let pass = || {
        faults.elapsed.set(faults.elapsed.get() + Duration::from_secs(60));
        event_loop.turn(Some(Duration::ZERO)).unwrap();
        event_loop.now()
    };
    let begun = connection.active();
    assert!(pass() > begun);
    assert_eq!(connection.active(), begun, "nothing went");

    let sent = pass();
    connection.send(b"out").unwrap();
    pass();
    assert_eq!(connection.active(), sent);

    event_loop.engine().try_send(theirs, &[IoSlice::new(b"in")]).unwrap();
    let mut received = sent;
    until(&event_loop, "it receives", || {
        received = event_loop.now();
        if seen.data.borrow().is_empty() {
            received = pass();
        }
        !seen.data.borrow().is_empty()
    });
    assert_eq!(connection.active(), received);

    fill(&event_loop, &connection);
    let filled = connection.active();
    pass();
    until(&event_loop, "what waited is sent", || {
        event_loop.engine().try_recv(theirs, &mut [0; 64 << 10]).ok();
        connection.buffered() == 0
    });
    assert!(connection.active() > filled);
}

fn a_pause_ends_before_all_is_sent(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    event_loop.engine().set(ours, Setting::SendBuffer(4 << 10)).unwrap();
    let (connection, seen) = recorded(&event_loop, ours);
    fill(&event_loop, &connection);
    // Behind the one that is under way, and little enough to receive beside it.
    connection.send(&pattern(60 << 10)).unwrap();
    until(&event_loop, "only the last waits", || {
        event_loop.engine().try_recv(theirs, &mut [0; 1 << 10]).ok();
        connection.buffered() <= 60 << 10
    });
    let mut expected = Vec::new();
    // More than the one receive that may have been under way.
    for word in [b"one", b"two"] {
        event_loop.engine().try_send(theirs, &[IoSlice::new(word)]).unwrap();
        expected.extend_from_slice(word);
        until(&event_loop, "it receives", || *seen.data.borrow() == expected);
    }
}

/// With little waiting there is no pause: a receive is under way, and must not be begun twice.
fn a_send_that_ends_leaves_the_receive_under_way(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (connection, seen) = recorded(&event_loop, ours);
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    while connection.buffered() == 0 {
        connection.send(&pattern(10 << 10)).unwrap();
    }
    until(&event_loop, "all that waited is sent", || {
        event_loop.engine().try_recv(theirs, &mut [0; 64 << 10]).ok();
        connection.buffered() == 0
    });
    let mut expected = Vec::new();
    for word in [b"one", b"two"] {
        event_loop.engine().try_send(theirs, &[IoSlice::new(word)]).unwrap();
        expected.extend_from_slice(word);
        until(&event_loop, "it receives", || *seen.data.borrow() == expected);
    }
}
