//! System calls that fail at the wrong moment: strace(1) sees to that.
//!
//! The calls are counted per thread. What a test needs to be counted exactly makes its own ring, since
//! the probe enters one, too.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use switchboard_ring::{Outcome, Request, Setup};

use crate::alone::{alone, failing, is_alone};
use crate::common::{SOON, TestRing, errno, is_here, pair, receive, received, soon};

/// Runs a test alone, with failing system calls.
fn with_failing(what: &str, name: &str, body: impl FnOnce()) {
    if is_alone() {
        // Without a probe before it: that would have its calls counted.
        return alone(name, &[], body);
    }
    if !is_here() {
        return;
    }
    if let Some(words) = failing(what) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        alone(&format!("faults::{name}"), &words, body);
    }
}

/// A send, a receive into an own buffer and one into the group's, through enterings that fail. What
/// `enter` says the first time is returned.
fn work_through_failures() -> std::io::Result<()> {
    let mut ring = TestRing::new(Setup { entries: 2, buffers: 4 }).unwrap();
    ring.provide(vec![0; 16]);
    let ((near, mut far), (other, mut other_far)) = (pair(), pair());
    let send =
        ring.push(Request::Send { stream: near.clone(), parts: vec![b"out".to_vec()], zero_copy: false });
    let into = ring.push(Request::ReceiveInto { stream: near, buffer: vec![0; 16] });
    let group = ring.push(receive(&other, false));
    let first = ring.enter(Some(Duration::ZERO));
    if first.is_err() {
        assert!([send, into, group].iter().all(|token| ring.is_in_flight(*token)), "given up");
        assert!(ring.reply().is_none());
    }
    let deadline = Instant::now() + SOON;
    let again = |ring: &mut TestRing| {
        while ring.enter(Some(Duration::ZERO)).is_err() {
            assert!(Instant::now() < deadline, "it never works again");
        }
    };
    if first.is_err() {
        again(&mut ring);
    }
    let mut bytes = [0; 16];
    assert_eq!(far.read(&mut bytes).unwrap(), 3);
    assert_eq!(&bytes[..3], b"out");
    far.write_all(b"in").unwrap();
    other_far.write_all(b"group").unwrap();
    while ring.in_flight() > 0 {
        again(&mut ring);
        while let Some(reply) = ring.reply() {
            match reply.token {
                token if token == send => {
                    assert!(matches!(reply.outcome, Ok(Outcome::Sent { count: 3 })), "{reply:?}");
                }
                token if token == into => assert_eq!(received(reply), b"in"),
                token if token == group => assert_eq!(received(reply), b"group"),
                _ => panic!("{reply:?}"),
            }
        }
    }
    far.set_nonblocking(true).unwrap();
    assert!(!matches!(far.read(&mut bytes), Ok(1..)), "sent twice");
    first
}

#[test]
fn g2_enter_goes_on_when_the_kernel_has_no_memory_for_a_moment() {
    let name = "g2_enter_goes_on_when_the_kernel_has_no_memory_for_a_moment";
    with_failing("io_uring_enter:error=EAGAIN:when=1..9", name, || work_through_failures().unwrap());
}

#[test]
fn g2_enter_goes_on_when_the_kernel_is_busy_for_a_moment() {
    let name = "g2_enter_goes_on_when_the_kernel_is_busy_for_a_moment";
    with_failing("io_uring_enter:error=EBUSY:when=1..9", name, || work_through_failures().unwrap());
}

#[test]
fn g2_enter_goes_on_after_interruptions() {
    let name = "g2_enter_goes_on_after_interruptions";
    with_failing("io_uring_enter:error=EINTR:when=1+2", name, || work_through_failures().unwrap());
}

#[test]
fn g2_an_enter_that_fails_loses_nothing() {
    let name = "g2_an_enter_that_fails_loses_nothing";
    with_failing("io_uring_enter:error=ENOMEM:when=1+2", name, || {
        let error = work_through_failures().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::OutOfMemory);
        assert!(error.to_string().contains("cannot enter io_uring"), "{error}");
    });
}

#[test]
fn g2_a_kernel_without_memory_is_an_error_in_the_end() {
    let name = "g2_a_kernel_without_memory_is_an_error_in_the_end";
    with_failing("io_uring_enter:error=EAGAIN:when=1..100", name, || {
        let start = Instant::now();
        let error = work_through_failures().unwrap_err();
        assert!(error.to_string().contains("no memory for more requests"), "{error}");
        assert!(start.elapsed() < SOON);
    });
}

#[test]
fn interruptions_make_no_timeout_shorter() {
    let name = "interruptions_make_no_timeout_shorter";
    with_failing("io_uring_enter:error=EINTR:when=1..50", name, || {
        let mut ring = TestRing::new(Setup::default()).unwrap();
        let timeout = Duration::from_millis(50);
        let start = Instant::now();
        ring.enter(Some(timeout)).unwrap();
        assert!(start.elapsed() >= timeout);
    });
}

#[test]
fn a_ring_that_can_never_be_entered_is_dropped_all_the_same() {
    let name = "a_ring_that_can_never_be_entered_is_dropped_all_the_same";
    with_failing("io_uring_enter:error=EBADF:when=1+", name, || {
        let mut ring = TestRing::new(Setup::default()).unwrap();
        let (near, _far) = pair();
        ring.push(Request::ReceiveInto { stream: near, buffer: vec![0; 16] });
        assert!(ring.enter(Some(Duration::ZERO)).is_err());
        let start = Instant::now();
        drop(ring);
        assert!(start.elapsed() < Duration::from_secs(5));
    });
}

/// That a ring made with what the kernel grants still works.
fn works(ring: &mut TestRing) {
    let (near, mut far) = pair();
    (0..4).for_each(|_| ring.provide(vec![0; 16]));
    let token = ring.push(receive(&near, true));
    for _ in 0..10 {
        far.write_all(b"hello").unwrap();
        let Ok(Outcome::Received { buffer, count: 5, .. }) = soon(ring).outcome else { panic!() };
        ring.provide(buffer);
    }
    ring.cancel(token);
    assert_eq!(errno(&soon(ring).outcome), Some(libc::ECANCELED));
}

#[test]
fn comforts_the_kernel_does_not_know_are_left_out() {
    let name = "comforts_the_kernel_does_not_know_are_left_out";
    with_failing("io_uring_setup:error=EINVAL:when=1..4", name, || {
        let mut plain = TestRing::new(Setup::default()).unwrap();
        assert!(!plain.is_deferred());
        works(&mut plain);
    });
}

#[test]
fn a_ring_without_deferred_work_says_so_and_works() {
    let name = "a_ring_without_deferred_work_says_so_and_works";
    with_failing("io_uring_setup:error=EINVAL:when=1", name, || {
        let mut eager = TestRing::new(Setup::default()).unwrap();
        assert!(!eager.is_deferred());
        works(&mut eager);
        let mut deferred = TestRing::new(Setup::default()).unwrap();
        println!("this kernel defers: {}", deferred.is_deferred());
        works(&mut deferred);
    });
}

#[test]
fn a_ring_gets_smaller_when_memory_is_short() {
    let name = "a_ring_gets_smaller_when_memory_is_short";
    with_failing("io_uring_setup:error=ENOMEM:when=1..3", name, || {
        let mut small = TestRing::new(Setup { entries: 64, buffers: 4 }).unwrap();
        works(&mut small);
        // 64, halved three times, is 8 at a time.
        let (near, _far) = pair();
        let before = small.counts().enters;
        for _ in 0..64 {
            let parts = vec![b"x".to_vec()];
            small.push(Request::Send { stream: near.clone(), parts, zero_copy: false });
        }
        small.enter(Some(Duration::ZERO)).unwrap();
        assert_eq!(small.counts().enters - before, 8);
    });
}

#[test]
fn a_thread_that_can_register_no_more_rings_does_without() {
    let name = "a_thread_that_can_register_no_more_rings_does_without";
    // The first registers the ring itself, the second its group.
    with_failing("io_uring_register:error=EBUSY:when=1", name, || {
        works(&mut TestRing::new(Setup::default()).unwrap());
    });
}
