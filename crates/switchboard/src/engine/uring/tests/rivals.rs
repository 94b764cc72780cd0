//! Peers and processes that wake what is in flight for nothing.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use super::{connect, engine, finish, glance, listen, pend, recv, run};
use crate::engine::{Done, Engine, Op};

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
