//! What goes on in the ring for a socket that goes: it ends with the socket, at once, and others hear of what came meanwhile.

use std::io::{IoSlice, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

use super::{DEADLINE, connect, engine, glance, listen, pend, recv, run, send, until};
use crate::engine::kernel::Kernel;
use crate::engine::{Close, Descriptor, Direction, Done, Engine, Op};

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

/// A gentle close waits for the peer's end; when its time is over, what it waits with ends, too.
#[test]
fn a_gentle_close_whose_time_is_over_lets_go_of_its_socket() {
    let Some(mut engine) = engine(8) else { return };
    let (socket, mut peer) = connect(&mut engine, 1).pop().unwrap();
    engine.close(socket, Close::Gently { bytes: 1 << 20, time: Duration::from_millis(20) });
    glance(&mut engine);
    assert!(engine.kernel().entries[socket].reading.is_some(), "nothing is armed, which proves nothing");
    until(&mut engine, |engine| (engine.closing() == 0).then_some(()));
    // The first is answered by a reset, which the second is told.
    peer.write_all(b"too late").unwrap();
    peer.write_all(b"much too late").unwrap_err();
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
