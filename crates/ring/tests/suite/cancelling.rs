//! Cancelling asks; it frees nothing, loses nothing, and hits nobody else.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use switchboard_ring::{Outcome, PollEvents, Request, Setup};

use crate::alone::alone;
use crate::common::{
    SOON, arm, descriptors, errno, fillable, is_here, now, pair, receive, ring, shared, soon,
};

#[test]
fn g4_a_hundred_thousand_cancelled_receives_keep_no_buffer_and_lose_no_byte() {
    let Some(mut ring) = ring(Setup { entries: 256, buffers: 128 }) else { return };
    (0..128).for_each(|_| ring.provide(vec![0; 64]));
    let mut pairs: Vec<_> = (0..100).map(|_| pair()).collect();
    let (mut sent, mut came, mut cancelled) = (0, 0, 0);
    for round in 0..1000_usize {
        let tokens: Vec<_> = pairs.iter().map(|(near, _)| ring.push(receive(near, round % 2 == 1))).collect();
        if round % 3 > 0 {
            ring.enter(Some(Duration::ZERO)).unwrap();
        }
        for (_, far) in pairs.iter_mut().skip(round % 7).step_by(7) {
            sent += far.write(b"some bytes").unwrap();
        }
        tokens.iter().for_each(|token| ring.cancel(*token));
        while ring.in_flight() > 0 {
            let reply = soon(&mut ring);
            match reply.outcome {
                Ok(Outcome::Received { buffer, count, .. }) => {
                    came += count;
                    ring.provide(buffer);
                }
                Err(error) if error.raw_os_error() == Some(libc::ECANCELED) => cancelled += 1,
                outcome => panic!("{outcome:?}"),
            }
        }
    }
    while came < sent {
        // What came after the last cancellation.
        let before = came;
        for (near, _) in &pairs {
            ring.push(receive(near, false));
        }
        for reply in now(&mut ring) {
            let Ok(Outcome::Received { buffer, count, .. }) = reply.outcome else { panic!("{reply:?}") };
            came += count;
            ring.provide(buffer);
        }
        assert!(came > before, "{came} of {sent} bytes came");
    }
    assert_eq!(came, sent);
    assert!(cancelled > 50_000, "only {cancelled} were cancelled in time");
    while ring.in_flight() > 0 {
        pairs.iter().for_each(|(near, _)| ring.cancel_all(near.as_fd()));
        soon(&mut ring);
    }
    assert_eq!((ring.provided(), fillable(&mut ring)), (128, 128));
}

#[test]
fn g4_buffers_of_cancelled_receives_can_be_filled_again() {
    let Some(mut ring) = ring(Setup { entries: 8, buffers: 2 }) else { return };
    ring.provide(vec![0; 4]);
    let (near, mut far) = pair();
    for _ in 0..100 {
        let token = arm(&mut ring, receive(&near, true));
        ring.cancel(token);
        assert_eq!(errno(&soon(&mut ring).outcome), Some(libc::ECANCELED));
    }
    far.write_all(b"here").unwrap();
    ring.push(receive(&near, false));
    assert!(matches!(soon(&mut ring).outcome, Ok(Outcome::Received { count: 4, .. })));
}

#[test]
fn g3_accepted_descriptors_nobody_asks_for_are_closed() {
    alone("cancelling::g3_accepted_descriptors_nobody_asks_for_are_closed", &[], || {
        if !is_here() {
            return;
        }
        let before = descriptors();
        for multishot in [false, true] {
            for read in [0, 5] {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let to = listener.local_addr().unwrap();
                let mut ring = ring(Setup::default()).unwrap();
                let listener = shared(listener);
                for _ in 0..if multishot { 1 } else { 30 } {
                    ring.push(Request::Accept { listener: listener.clone(), multishot, poll_first: true });
                }
                ring.enter(Some(Duration::ZERO)).unwrap();
                let far: Vec<_> = (0..20).map(|_| TcpStream::connect(to).unwrap()).collect();
                let open = descriptors();
                if read > 0 {
                    for _ in 0..read {
                        assert!(matches!(soon(&mut ring).outcome, Ok(Outcome::Accepted { .. })));
                    }
                    ring.enter(Some(SOON)).unwrap();
                    assert!(descriptors() > open, "there are accepted descriptors in unread replies");
                }
                drop((ring, far, listener));
                assert_eq!(descriptors(), before, "multishot: {multishot}, read: {read}");
            }
        }
    });
}

#[test]
fn g3_cancelled_accepts_lose_no_connection_and_no_descriptor() {
    alone("cancelling::g3_cancelled_accepts_lose_no_connection_and_no_descriptor", &[], || {
        let Some(mut ring) = ring(Setup::default()) else { return };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let listener = shared(listener);
        let before = descriptors();
        let (mut connected, mut accepted) = (0, 0);
        let deadline = Instant::now() + SOON;
        while accepted < 500 || accepted < connected {
            let multishot = connected % 2 == 0;
            let accept = Request::Accept { listener: listener.clone(), multishot, poll_first: false };
            let token = ring.push(accept);
            if connected % 3 > 0 {
                ring.enter(Some(Duration::ZERO)).unwrap();
            }
            let far = (connected < 500).then(|| TcpStream::connect(to).unwrap());
            connected += usize::from(far.is_some());
            ring.cancel(token);
            while ring.is_in_flight(token) {
                accepted += usize::from(matches!(soon(&mut ring).outcome, Ok(Outcome::Accepted { .. })));
            }
            assert!(Instant::now() < deadline, "{accepted} of {connected} accepted");
        }
        assert_eq!(accepted, connected);
        assert_eq!(descriptors(), before);
    });
}

#[test]
fn cancel_all_ends_what_is_on_one_descriptor_only() {
    let Some(mut ring) = ring(Setup::default()) else { return };
    ring.provide(vec![0; 8]);
    let ((near, _far), (other, _other_far)) = (pair(), pair());
    let poll = Request::Poll { descriptor: near.clone(), events: PollEvents::PRIORITY, multishot: true };
    let tokens = [receive(&near, false), receive(&near, true), poll].map(|request| ring.push(request));
    let stays = ring.push(receive(&other, false));
    ring.cancel_all(near.as_fd());
    let later = ring.push(receive(&near, false));
    for _ in tokens {
        let reply = soon(&mut ring);
        assert_eq!(errno(&reply.outcome), Some(libc::ECANCELED));
        assert!(tokens.contains(&reply.token));
    }
    assert!(now(&mut ring).is_empty());
    assert!(ring.is_in_flight(stays) && ring.is_in_flight(later));
}

#[test]
fn a_stale_token_cancels_nobody() {
    let Some(mut ring) = ring(Setup::default()) else { return };
    ring.provide(vec![0; 8]);
    let (near, _far) = pair();
    let old = arm(&mut ring, receive(&near, false));
    ring.cancel(old);
    ring.cancel(old);
    soon(&mut ring);
    let new = arm(&mut ring, receive(&near, false));
    assert_ne!(old, new);
    ring.cancel(old);
    assert!(now(&mut ring).is_empty());
    assert!(ring.is_in_flight(new) && !ring.is_in_flight(old) && ring.request(old).is_none());
    assert_eq!(ring.counts().submitted, 4, "the stale one is not even asked for");
}
