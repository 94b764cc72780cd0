//! A completion queue that is too small, and completions that are many.

use std::io::Write;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use switchboard_ring::{Outcome, PollEvents, Request, Setup};

use crate::common::{SOON, arm, errno, fillable, pair, receive, ring, soon};

#[test]
fn g12_a_multishot_receive_that_overflows_the_queue_loses_no_byte() {
    let Some(mut ring) = ring(Setup { entries: 1, buffers: 256 }) else { return };
    (0..200).for_each(|_| ring.provide(vec![0; 1]));
    let (near, mut far) = pair();
    let mut ended = 0;
    for round in 0..10_u8 {
        let sent: Vec<u8> = (0..150).map(|byte| byte ^ round).collect();
        far.write_all(&sent).unwrap();
        if round == 0 {
            ring.push(receive(&near, true));
        }
        let mut came = Vec::new();
        while came.len() < sent.len() {
            let reply = soon(&mut ring);
            let Ok(Outcome::Received { buffer, count, .. }) = reply.outcome else { panic!("{reply:?}") };
            came.extend_from_slice(&buffer[..count]);
            ring.provide(buffer);
            if let Some(request) = reply.request {
                ended += 1;
                ring.push(request);
            }
        }
        assert_eq!(came, sent);
    }
    let counts = ring.counts();
    assert!(counts.overflows > 0 && ended > 0, "nothing overflowed: {counts:?}, ended {ended} times");
    ring.cancel_all(near.as_fd());
    while ring.in_flight() > 0 {
        soon(&mut ring);
    }
    assert_eq!((ring.provided(), fillable(&mut ring)), (200, 200));
}

#[test]
fn what_overflowed_comes_in_the_same_pass() {
    let Some(mut ring) = ring(Setup { entries: 1, buffers: 64 }) else { return };
    (0..50).for_each(|_| ring.provide(vec![0; 1]));
    let (near, mut far) = pair();
    far.write_all(&[7; 50]).unwrap();
    let token = ring.push(receive(&near, true));
    ring.enter(Some(SOON)).unwrap();
    let replies: Vec<_> = std::iter::from_fn(|| ring.reply()).collect();
    assert!(ring.counts().overflows > 0 && replies.len() < 50, "nothing overflowed");
    assert!(replies.last().is_some_and(|reply| reply.request.is_some()) && !ring.is_in_flight(token));
}

#[test]
fn g9_a_thousand_completions_come_in_turns_that_never_wait() {
    for entries in [8, 256] {
        let Some(mut ring) = ring(Setup { entries, buffers: 1 }) else { return };
        let (near, mut far) = pair();
        for _ in 0..1000 {
            let events = PollEvents::READ;
            ring.push(Request::Poll { descriptor: near.clone(), events, multishot: false });
        }
        ring.enter(Some(Duration::ZERO)).unwrap();
        assert!(ring.reply().is_none() && ring.in_flight() == 1000);
        far.write_all(b"x").unwrap();
        let mut turns = 0;
        while ring.in_flight() > 0 {
            ring.enter(Some(Duration::ZERO)).unwrap();
            while let Some(reply) = ring.reply() {
                assert!(matches!(reply.outcome, Ok(Outcome::Ready { .. })), "{reply:?}");
            }
            turns += 1;
            assert!(turns <= 200, "{} of 1000 are still to come", ring.in_flight());
        }
    }
}

#[test]
fn more_requests_than_the_queue_takes_all_go_out_in_one_enter() {
    let Some(mut ring) = ring(Setup { entries: 8, buffers: 1 }) else { return };
    let (near, mut far) = pair();
    for byte in 0..100_u8 {
        let parts = vec![vec![byte]];
        ring.push(Request::Send { stream: near.clone(), parts, zero_copy: false });
    }
    ring.enter(Some(Duration::ZERO)).unwrap();
    let mut bytes = [0; 100];
    std::io::Read::read_exact(&mut far, &mut bytes).unwrap();
    assert!(bytes.iter().enumerate().all(|(place, byte)| usize::from(*byte) == place), "{bytes:?}");
    assert_eq!(ring.counts().enters, 13);
    let replies = std::iter::from_fn(|| ring.reply()).count();
    assert_eq!((replies, ring.in_flight()), (100, 0));
}

#[test]
fn enter_does_not_sleep_before_all_is_handed_over() {
    let Some(mut ring) = ring(Setup { entries: 2, buffers: 1 }) else { return };
    let (near, _far) = pair();
    let poll = |events| Request::Poll { descriptor: near.clone(), events, multishot: false };
    for _ in 0..9 {
        ring.push(poll(PollEvents::READ));
    }
    let last = ring.push(poll(PollEvents::WRITE));
    let start = Instant::now();
    ring.enter(Some(SOON)).unwrap();
    assert!(start.elapsed() < SOON && ring.reply().is_some_and(|reply| reply.token == last));
}

#[test]
fn cancelling_a_thousand_at_once_overflows_nothing_away() {
    let Some(mut ring) = ring(Setup { entries: 4, buffers: 1 }) else { return };
    let (near, _far) = pair();
    let poll = |multishot| Request::Poll { descriptor: near.clone(), events: PollEvents::READ, multishot };
    arm(&mut ring, poll(true));
    for number in 1..1000 {
        ring.push(poll(number % 2 == 0));
    }
    ring.cancel_all(near.as_fd());
    for _ in 0..1000 {
        let reply = soon(&mut ring);
        assert_eq!(errno(&reply.outcome), Some(libc::ECANCELED));
        assert!(reply.request.is_some());
    }
    assert_eq!(ring.in_flight(), 0);
}
