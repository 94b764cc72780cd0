//! Timers in great numbers: set and cancelled for ever, and a million at once.
//!
//! In a file of its own, because it measures the memory of the whole process.
#![allow(clippy::disallowed_methods, reason = "the test is about real time")]

#[path = "network/resident.rs"]
mod resident;

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use resident::resident;
use switchboard::EventLoop;

/// D12 of the field's bugs: cancelled timers that stay in the heap until they are due.
#[test]
fn d12_timers_that_are_set_and_cancelled_leave_no_trace() {
    let event_loop = EventLoop::new().unwrap();
    churn(&event_loop, 1_000);
    let before = resident();
    churn(&event_loop, 1_000_000);
    let grown = resident().saturating_sub(before);
    assert!(grown < 1 << 20, "{grown} bytes more after a million timers were set and cancelled");

    a_million_at_once(&event_loop);
}

fn churn(event_loop: &EventLoop, times: usize) {
    for _ in 0..times {
        let timer = event_loop.later(Duration::from_secs(3600), |_| unreachable!("it was cancelled"));
        assert!(event_loop.cancel(timer));
    }
}

fn a_million_at_once(event_loop: &EventLoop) {
    let (count, ran) = (1_000_000_usize, Rc::new(Cell::new(0)));
    let begun = Instant::now();
    let timers: Vec<_> = (0..count)
        .map(|number| {
            let ran = Rc::clone(&ran);
            // Due in another order than they are set in.
            let after = Duration::from_nanos((number * 7_919 % count) as u64);
            event_loop.later(after, move |_| ran.set(ran.get() + 1))
        })
        .collect();
    for timer in timers.iter().step_by(2) {
        assert!(event_loop.cancel(*timer));
    }
    event_loop.run().unwrap();
    assert_eq!(ran.get(), count / 2);
    // Seconds even in a debug build; the square of a million would take days.
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}
