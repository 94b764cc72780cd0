//! Family D: never early, never late for no reason, no overflow, whatever the timeout.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use switchboard_selector::{Events, Interest, Mode, ready, wait_for_data};

use crate::common::{on_each, selector, tcp_pair};

#[test]
fn d2_a_timeout_of_zero_never_sleeps() {
    on_each(|mechanism| {
        let (near, _far) = tcp_pair();
        let mut selector = selector(mechanism);
        selector.register(near, Interest::READ, Mode::Level).unwrap();
        let mut events = Events::default();
        let start = Instant::now();
        for _ in 0..1000 {
            selector.select(&mut events, Some(Duration::ZERO)).unwrap();
            assert!(events.is_empty() && !events.rung());
        }
        // A millisecond each would make a second.
        assert!(start.elapsed() < Duration::from_millis(900), "{:?} on {mechanism}", start.elapsed());
    });
}

#[test]
fn d1_d2_short_timeouts_are_never_early_and_whole_milliseconds_do_not_grow() {
    on_each(|mechanism| {
        let (near, _far) = tcp_pair();
        let mut selector = selector(mechanism);
        selector.register(near, Interest::READ, Mode::Level).unwrap();
        let mut events = Events::default();
        for timeout in [1, 999, 900_000, 1_000_000, 1_000_001, 5_000_000].map(Duration::from_nanos) {
            let mut shortest = Duration::MAX;
            for _ in 0..20 {
                let start = Instant::now();
                selector.select(&mut events, Some(timeout)).unwrap();
                let took = start.elapsed();
                assert!(events.is_empty() && took >= timeout, "{timeout:?} took {took:?} on {mechanism}");
                shortest = shortest.min(took);
            }
            let limit = timeout + Duration::from_micros(900);
            assert!(shortest < limit, "{timeout:?} never took less than {shortest:?} on {mechanism}");
        }
    });
}

#[test]
fn d3_huge_timeouts_neither_return_early_nor_fail() {
    let huge = [
        Duration::from_secs(25 * 24 * 3600),
        Duration::from_millis(1 << 31),
        Duration::from_millis(1 << 32),
        Duration::from_secs(i64::MAX as u64),
        Duration::MAX,
    ];
    on_each(|mechanism| {
        for timeout in huge {
            let mut selector = selector::<TcpStream>(mechanism);
            let bell = selector.bell();
            let about_to_ring = Arc::new(AtomicBool::new(false));
            let told = Arc::clone(&about_to_ring);
            let ringer = std::thread::spawn(move || {
                // Time in which an early return would show.
                std::thread::sleep(Duration::from_millis(40));
                told.store(true, Ordering::SeqCst);
                bell.ring();
            });
            let mut events = Events::default();
            selector.select(&mut events, Some(timeout)).unwrap();
            assert!(about_to_ring.load(Ordering::SeqCst), "{timeout:?} was early on {mechanism}");
            assert!(events.rung() && events.is_empty());
            ringer.join().unwrap();
        }
    });
}

#[test]
fn d3_the_questions_take_huge_timeouts_too() {
    let (near, far) = tcp_pair();
    let closer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(40));
        drop(far);
    });
    assert!(wait_for_data(&near, Duration::MAX).unwrap());
    assert_eq!(ready(&near, Interest::READ, None).unwrap(), Interest::READ);
    closer.join().unwrap();
}
