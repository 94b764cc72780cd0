//! What tasks and timers cost: two allocations to spawn one, none to wake or poll it, and nothing once they are over.
//!
//! The allocations of this thread are counted exactly (`allocation-counter`), so that no other test, and nothing the
//! allocator keeps, is in the numbers.
#![allow(clippy::disallowed_methods, reason = "tests guard themselves by the real clock")]

mod network;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use allocation_counter::{AllocationInfo, measure};
use network::Network;
use switchboard::event_loop::WeakHandle;
use switchboard::{Address, EventLoop, Handle, Sleep, Task, sleep, spawn, timeout, yield_now};

fn in_memory() -> EventLoop {
    Network::SIM.event_loop()
}

/// What the second of two such rounds cost: the first has made room for it.
fn second(event_loop: &EventLoop, mut round: impl AsyncFnMut()) -> AllocationInfo {
    let mut info = AllocationInfo::default();
    for _ in 0..2 {
        info = measure(|| event_loop.block_on(round()).unwrap());
    }
    info
}

#[test]
fn spawning_a_task_costs_two_allocations_at_most() {
    const TASKS: u64 = 500;
    let event_loop = in_memory();
    let info = second(&event_loop, async || {
        for _ in 0..TASKS {
            spawn(async {}).detach();
        }
        yield_now().await;
        yield_now().await;
    });
    assert!(info.count_total >= TASKS, "{info:?}: was it counted at all?");
    assert!(info.count_total <= 2 * TASKS + 10, "{info:?}");
    assert_eq!(info.count_current, 0, "{info:?}");
}

#[test]
fn a_task_is_hardly_larger_than_its_future() {
    const SIZE: u64 = 100_000;
    let event_loop = in_memory();
    let info = second(&event_loop, async || {
        let large = [1_u8; SIZE as usize];
        spawn(async move {
            yield_now().await;
            assert_eq!(large[7], 1);
        })
        .await;
    });
    // The round holds one that it makes the other from, but on the stack.
    assert!((SIZE..SIZE + SIZE / 10).contains(&info.bytes_max), "{info:?}");
}

#[test]
fn waking_polling_and_yielding_cost_no_allocation() {
    let event_loop = in_memory();
    let yields = |times: u32| {
        let begun = event_loop.block_on(yield_now());
        begun.unwrap();
        measure(|| {
            event_loop
                .block_on(async {
                    for _ in 0..times {
                        yield_now().await;
                    }
                })
                .unwrap();
        })
        .count_total
    };
    let few = yields(10);
    let many = yields(10_000);
    assert!(many <= few, "{few} for ten, {many} for ten thousand");
}

#[test]
fn a_wake_and_a_poll_of_another_task_cost_no_allocation() {
    let event_loop = in_memory();
    let ping = |times: u32| {
        let mut polled = 0;
        let task = event_loop.spawn(poll_fn(move |cx| {
            polled += 1;
            cx.waker().wake_by_ref();
            if polled == times { Poll::Ready(()) } else { Poll::Pending }
        }));
        measure(|| event_loop.block_on(task).unwrap()).count_total
    };
    ping(10);
    let (few, many) = (ping(10), ping(10_000));
    assert!(many <= few, "{few} for ten, {many} for ten thousand");
}

#[test]
fn a_hundred_thousand_detached_tasks_leave_nothing_behind() {
    let event_loop = in_memory();
    let round = async || {
        for number in 0..10_000_u64 {
            spawn(async move { sleep(Duration::from_micros(number % 100)).await }).detach();
        }
        sleep(Duration::from_millis(1)).await;
        yield_now().await;
    };
    // Until the loop's tables have the size that rounds which overlap a little need.
    for _ in 0..4 {
        event_loop.block_on(round()).unwrap();
    }
    let flat = measure(|| {
        for _ in 0..10 {
            event_loop.block_on(round()).unwrap();
        }
    });
    assert!(flat.bytes_current <= SLACK, "{flat:?}");
}

#[test]
fn d12_a_million_timers_leave_nothing_behind() {
    let event_loop = in_memory();
    let round = async || {
        for _ in 0..50_000 {
            let mut dropped = pin!(sleep(Duration::from_secs(3600)));
            assert!(dropped.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            let in_time = timeout(Duration::from_secs(3600), yield_once()).await;
            assert!(in_time.is_ok());
        }
    };
    event_loop.block_on(round()).unwrap();
    let flat = measure(|| {
        for _ in 0..10 {
            event_loop.block_on(round()).unwrap();
        }
    });
    assert!(flat.bytes_current <= SLACK, "{flat:?}");
    assert!(flat.bytes_max <= 64 << 10, "a timer that was cancelled stays: {flat:?}");
}

/// Pending once, but woken at once, so that the timeout's timer is set.
async fn yield_once() {
    yield_now().await;
}

#[test]
fn a_limit_does_not_double_what_it_is_put_on() {
    let large = || async {
        let buffer = [0_u8; 10_000];
        yield_now().await;
        std::hint::black_box(&buffer);
    };
    let (bare, limited) = (large(), timeout(Duration::from_secs(1), large()));
    let (bare, limited) = (size_of_val(&bare), size_of_val(&limited));
    assert!(limited < bare + 200, "{bare} bytes become {limited}");
}

/// As hyper asks of timers, and threads of what they call a loop by.
#[test]
fn what_crosses_threads_may() {
    fn crosses<T: Send + Sync>() {}
    fn moves<T: Send>() {}
    crosses::<Sleep>();
    crosses::<Handle>();
    crosses::<WeakHandle>();
    crosses::<Address>();
    crosses::<SocketAddr>();
    moves::<Task<Vec<u8>>>();
    moves::<Task<Result<(), std::io::Error>>>();
}

/// What a task holds need not cross threads, nor need its output.
#[test]
fn a_task_needs_no_send() {
    let event_loop = in_memory();
    let output = event_loop.block_on(async {
        let shared = std::rc::Rc::new(std::cell::Cell::new(1));
        let inner = std::rc::Rc::clone(&shared);
        let task = spawn(async move {
            yield_now().await;
            inner.set(inner.get() + 1);
            inner
        });
        task.await.get() + shared.get()
    });
    assert_eq!(output.unwrap(), 4);
}

/// What the loop's own tables may grow by.
const SLACK: i64 = 4 << 10;
