//! How long `enter` stays, and how often it asks the kernel.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use switchboard_ring::{PollEvents, Request, Setup};

use crate::common::{SOON, arm, pair, receive, received, ring, soon};

#[test]
fn a_timeout_is_never_early_and_costs_one_system_call() {
    let Some(mut ring) = ring(Setup::default()) else { return };
    ring.provide(vec![0; 8]);
    let (near, _far) = pair();
    for armed in [false, true] {
        if armed {
            arm(&mut ring, receive(&near, false));
        }
        for micros in [1, 10, 100, 500, 999, 1000, 1001, 5000, 20_000] {
            let timeout = Duration::from_micros(micros);
            let (start, before) = (Instant::now(), ring.counts().enters);
            ring.enter(Some(timeout)).unwrap();
            let passed = start.elapsed();
            assert!(passed >= timeout, "{passed:?} of {timeout:?}");
            assert!(passed < SOON && ring.reply().is_none());
            assert_eq!(ring.counts().enters - before, 1);
        }
    }
}

#[test]
fn d11_ten_thousand_short_timeouts_all_end() {
    let Some(mut ring) = ring(Setup::default()) else { return };
    let start = Instant::now();
    for round in 0..10_000_u64 {
        ring.enter(Some(Duration::from_nanos(round % 50_000 + 1))).unwrap();
        assert!(start.elapsed() < SOON);
    }
}

#[test]
fn zero_never_waits() {
    let Some(mut ring) = ring(Setup::default()) else { return };
    ring.provide(vec![0; 8]);
    let (near, _far) = pair();
    arm(&mut ring, receive(&near, false));
    let start = Instant::now();
    for _ in 0..1000 {
        ring.enter(Some(Duration::ZERO)).unwrap();
    }
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn waiting_for_ever_or_nearly_so_ends_with_a_reply() {
    for timeout in [None, Some(Duration::MAX), Some(Duration::from_secs(1 << 40)), Some(SOON)] {
        let Some(mut ring) = ring(Setup::default()) else { return };
        ring.provide(vec![0; 8]);
        let (near, mut far) = pair();
        arm(&mut ring, receive(&near, false));
        let before = ring.counts().enters;
        let writer = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            far.write_all(b"x").unwrap();
            far
        });
        ring.enter(timeout).unwrap();
        assert_eq!(received(ring.reply().expect("it came back without a reply")), b"x");
        assert_eq!(ring.counts().enters - before, 1, "it did not sleep");
        writer.join().unwrap();
    }
}

#[test]
fn a_pass_costs_one_system_call() {
    let Some(mut ring) = ring(Setup::default()) else { return };
    ring.provide(vec![0; 8]);
    let (near, mut far) = pair();
    for _ in 0..10 {
        let before = ring.counts().enters;
        far.write_all(b"x").unwrap();
        ring.push(receive(&near, false));
        ring.push(Request::Send { stream: near.clone(), parts: vec![b"y".to_vec()], zero_copy: false });
        let cancelled = ring.push(receive(&near, false));
        ring.cancel(cancelled);
        ring.enter(Some(SOON)).unwrap();
        let mut replies = 0;
        while let Some(reply) = ring.reply() {
            replies += 1;
            if let Ok(switchboard_ring::Outcome::Received { buffer, .. }) = reply.outcome {
                ring.provide(buffer);
            }
        }
        assert_eq!((replies, ring.counts().enters - before), (3, 1));
    }
}

#[test]
fn a_reply_not_yet_taken_keeps_enter_from_sleeping() {
    let Some(mut ring) = ring(Setup::default()) else { return };
    let (near, _far) = pair();
    let poll = |events| Request::Poll { descriptor: near.clone(), events, multishot: false };
    ring.push(poll(PollEvents::WRITE));
    ring.enter(Some(SOON)).unwrap();
    ring.push(poll(PollEvents::READ));
    let start = Instant::now();
    ring.enter(None).unwrap();
    assert!(start.elapsed() < SOON);
    assert!(ring.reply().is_some() && ring.reply().is_none());
    assert_eq!(ring.counts().submitted, 2);
}

#[test]
fn the_end_of_a_cancelled_operation_wakes_but_a_failed_cancellation_does_not() {
    let Some(mut ring) = ring(Setup::default()) else { return };
    let (near, mut far) = pair();
    ring.provide(vec![0; 8]);
    let token = arm(&mut ring, receive(&near, false));
    far.write_all(b"x").unwrap();
    ring.enter(Some(SOON)).unwrap();
    // It is over for the kernel, which will find nothing to cancel; here the reply is not taken yet.
    ring.cancel(token);
    assert_eq!(received(soon(&mut ring)), b"x");
    let timeout = Duration::from_millis(50);
    let start = Instant::now();
    ring.enter(Some(timeout)).unwrap();
    assert!(start.elapsed() >= timeout, "woken by a completion that is no reply");
    assert!(ring.reply().is_none());
}

#[test]
fn signals_neither_end_a_wait_nor_fail_it() {
    static SEEN: AtomicU32 = AtomicU32::new(0);
    extern "C" fn seen(_: libc::c_int) {
        SEEN.fetch_add(1, Ordering::Relaxed);
    }
    let Some(mut ring) = ring(Setup::default()) else { return };
    ring.provide(vec![0; 8]);
    let (near, mut far) = pair();
    arm(&mut ring, receive(&near, false));
    // SAFETY: all zeros is an action without flags and with an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = seen as *const () as usize;
    // SAFETY: the handler is async-signal-safe, the action is valid, the old one is not asked for.
    assert_eq!(unsafe { libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()) }, 0);
    // SAFETY: a plain call.
    let waiting = unsafe { libc::pthread_self() } as usize;
    let over = AtomicBool::new(false);
    let timeout = Duration::from_millis(200);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                // SAFETY: that thread lives until this one is joined.
                unsafe { libc::pthread_kill(waiting as libc::pthread_t, libc::SIGUSR1) };
                thread::sleep(Duration::from_millis(5));
            }
        });
        let start = Instant::now();
        let result = ring.enter(Some(timeout));
        let passed = start.elapsed();
        let quiet = ring.reply().is_none();
        far.write_all(b"x").unwrap();
        let told = ring.enter(None);
        over.store(true, Ordering::Relaxed);
        result.unwrap();
        told.unwrap();
        assert!(quiet && passed >= timeout && passed < SOON, "{passed:?}");
    });
    assert_eq!(received(ring.reply().unwrap()), b"x");
    assert!(SEEN.load(Ordering::Relaxed) >= 5, "too few signals came to test anything");
}
