//! The group of buffers: few for many, none lost, none needed without data.

use std::io::Write;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::SockRef;
use switchboard_ring::{Outcome, Request, Ring, Setup};

use crate::common::{
    TestRing, arm, errno, fillable, is_here, pair, receive, received, ring, shared, soon, tcp_pair,
};

#[test]
fn g6_four_buffers_serve_a_hundred_clients() {
    for multishot in [false, true] {
        let Some(mut ring) = ring(Setup { entries: 256, buffers: 4 }) else { return };
        (0..4).for_each(|_| ring.provide(vec![0; 16]));
        let mut pairs: Vec<_> = (0..100).map(|_| pair()).collect();
        let mut whose = std::collections::HashMap::new();
        for (client, (near, _)) in pairs.iter().enumerate() {
            whose.insert(ring.push(receive(near, multishot)), client);
        }
        let mut came = vec![Vec::new(); 100];
        let mut without = 0;
        for round in 0..20_u8 {
            pairs.iter_mut().for_each(|(_, far)| far.write_all(&[round; 3]).unwrap());
            while came.iter().any(|bytes| bytes.len() < 3 * (usize::from(round) + 1)) {
                let reply = soon(&mut ring);
                let client = whose[&reply.token];
                match reply.outcome {
                    Ok(Outcome::Received { buffer, count, .. }) => {
                        assert!(count > 0, "client {client} was closed");
                        came[client].extend_from_slice(&buffer[..count]);
                        ring.provide(buffer);
                    }
                    Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => without += 1,
                    outcome => panic!("{outcome:?}"),
                }
                if let Some(request) = reply.request {
                    whose.remove(&reply.token);
                    whose.insert(ring.push(request), client);
                }
            }
        }
        let expected: Vec<u8> = (0..20).flat_map(|round| [round; 3]).collect();
        assert!(came.iter().all(|bytes| *bytes == expected));
        assert!(without > 0, "there were buffers enough: nothing was tested");
        pairs.iter().for_each(|(near, _)| ring.cancel_all(near.as_fd()));
        while ring.in_flight() > 0 {
            soon(&mut ring);
        }
        assert_eq!((ring.provided(), fillable(&mut ring)), (4, 4));
    }
}

#[test]
fn g12_a_multishot_receive_out_of_buffers_ends_and_goes_on_when_asked_again() {
    let Some(mut ring) = ring(Setup::default()) else { return };
    ring.provide(vec![0; 4]);
    let (near, mut far) = pair();
    let token = arm(&mut ring, receive(&near, true));
    far.write_all(b"abcdefgh").unwrap();
    let first = soon(&mut ring);
    assert!(first.request.is_none());
    assert_eq!(received(first), b"abcd");
    let last = soon(&mut ring);
    assert_eq!((errno(&last.outcome), last.token), (Some(libc::ENOBUFS), token));
    assert!(!ring.is_in_flight(token));
    ring.provide(vec![0; 4]);
    ring.push(last.request.unwrap());
    assert_eq!(received(soon(&mut ring)), b"efgh");
}

#[test]
fn g4_a_reset_keeps_no_buffer() {
    for multishot in [false, true] {
        let Some(mut ring) = ring(Setup::default()) else { return };
        ring.provide(vec![0; 16]);
        let (near, far) = tcp_pair();
        let near = shared(near);
        arm(&mut ring, receive(&near, multishot));
        SockRef::from(&far).set_linger(Some(Duration::ZERO)).unwrap();
        drop(far);
        let reply = soon(&mut ring);
        assert_eq!(errno(&reply.outcome), Some(libc::ECONNRESET));
        assert!(reply.request.is_some());
        assert_eq!((ring.provided(), fillable(&mut ring)), (1, 1));
    }
}

#[test]
fn more_buffers_than_the_group_holds_wait_for_room() {
    let Some(mut ring) = ring(Setup { entries: 8, buffers: 2 }) else { return };
    (0..5).for_each(|_| ring.provide(vec![0; 1]));
    ring.provide(Vec::new());
    let (near, mut far) = pair();
    far.write_all(b"abcde").unwrap();
    for (byte, left) in [(b"a", 2), (b"b", 2), (b"c", 2), (b"d", 1), (b"e", 0)] {
        assert!(ring.provided() >= left);
        ring.push(receive(&near, false));
        assert_eq!(received(soon(&mut ring)), byte);
        assert_eq!(ring.provided(), left);
    }
}

#[test]
fn buffers_of_any_size_are_used_whole_however_often_they_go_round() {
    let Some(mut ring) = ring(Setup { entries: 8, buffers: 4 }) else { return };
    (1..=4).for_each(|size| ring.provide(vec![0; size]));
    let (near, mut far) = pair();
    for round in 0..100_000_usize {
        let size = round % 4 + 1;
        far.write_all(b"abcde").unwrap();
        ring.push(receive(&near, false));
        let Ok(Outcome::Received { buffer, count, .. }) = soon(&mut ring).outcome else { panic!() };
        assert_eq!((buffer.len(), count), (size, size), "in round {round}");
        assert_eq!(buffer, b"abcde"[..size]);
        ring.provide(buffer);
        let rest = Request::ReceiveInto { stream: near.clone(), buffer: vec![0; 5 - size] };
        if size < 5 {
            ring.push(rest);
            assert_eq!(received(soon(&mut ring)), b"abcde"[size..]);
        }
    }
}

#[test]
fn a_group_that_is_no_power_of_two_is_refused() {
    if !is_here() {
        return;
    }
    for buffers in [0, 3, 65535] {
        let error = TestRing::new(Setup { entries: 8, buffers }).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("power of two"), "{error}");
    }
    Ring::<std::os::fd::OwnedFd, Vec<u8>>::new(Setup { entries: 8, buffers: 1 }).unwrap();
}
