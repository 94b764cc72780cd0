//! Tasks, on every engine: spawned, awaited, cancelled, and heard of when they fail.
#![allow(clippy::disallowed_methods, reason = "the rest of the network module uses the real clock")]

mod network;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use network::{DEADLINE, Network, on_every_engine};
use switchboard::{EventLoop, sleep, sleep_until, spawn, timeout, yield_now};

on_every_engine! {
    a_task_that_is_awaited_gives_its_output,
    a_task_that_is_dropped_is_cancelled_at_once,
    a_task_that_is_detached_goes_on,
    block_on_may_be_called_again_and_earlier_tasks_go_on,
    block_on_within_a_task_is_a_clear_error,
    a_long_chain_of_tasks_that_hold_each_other_is_cancelled_without_a_deep_stack,
    sleeping_is_never_early_and_a_timeout_ends_what_takes_longer,
    a_limit_is_kept_by_what_always_has_more_to_do,
    a_panic_in_a_detached_task_is_reported_once,
}

fn a_task_that_is_awaited_gives_its_output(network: &Network) {
    let event_loop = network.event_loop();
    let output = event_loop.block_on(async { spawn(async { 6 * 7 }).await }).unwrap();
    assert_eq!(output, 42);
}

/// Tells when it is dropped.
struct Told(Rc<Cell<bool>>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

fn a_task_that_is_dropped_is_cancelled_at_once(network: &Network) {
    let event_loop = network.event_loop();
    let dropped = Rc::new(Cell::new(false));
    let told = Told(Rc::clone(&dropped));
    event_loop
        .block_on(async move {
            let task = spawn(async move {
                let _told = told;
                std::future::pending::<()>().await;
            });
            yield_now().await;
            assert!(!dropped.get());
            drop(task);
            assert!(dropped.get());
        })
        .unwrap();
}

fn a_task_that_is_detached_goes_on(network: &Network) {
    let event_loop = network.event_loop();
    let done = Rc::new(Cell::new(false));
    let seen = Rc::clone(&done);
    event_loop
        .spawn(async move {
            yield_now().await;
            seen.set(true);
        })
        .detach();
    event_loop.run().unwrap();
    assert!(done.get());
}

fn block_on_may_be_called_again_and_earlier_tasks_go_on(network: &Network) {
    let event_loop = network.event_loop();
    let count = Rc::new(Cell::new(0));
    let counter = Rc::clone(&count);
    event_loop
        .block_on(async move {
            spawn(async move {
                loop {
                    counter.set(counter.get() + 1);
                    yield_now().await;
                }
            })
            .detach();
        })
        .unwrap();
    for _ in 0..3 {
        let before = count.get();
        event_loop.block_on(async { sleep(Duration::from_millis(1)).await }).unwrap();
        assert!(count.get() > before);
    }
}

fn block_on_within_a_task_is_a_clear_error(network: &Network) {
    let event_loop = Rc::new(network.event_loop());
    let inner = Rc::downgrade(&event_loop);
    let error =
        event_loop.block_on(async move { inner.upgrade().unwrap().block_on(async {}).unwrap_err() }).unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::Deadlock);
}

fn a_long_chain_of_tasks_that_hold_each_other_is_cancelled_without_a_deep_stack(network: &Network) {
    let event_loop = network.event_loop();
    event_loop
        .block_on(async {
            let mut last = spawn(std::future::pending::<()>());
            for _ in 0..100_000 {
                let inner = last;
                last = spawn(inner);
            }
            drop(last);
        })
        .unwrap();
}

fn sleeping_is_never_early_and_a_timeout_ends_what_takes_longer(network: &Network) {
    let event_loop = network.event_loop();
    let begun = event_loop.now();
    let time = Duration::from_micros(2_300);
    let ended = event_loop.block_on(async move {
        sleep(time).await;
        timeout(time, std::future::pending::<()>()).await.unwrap_err();
        assert_eq!(timeout(Duration::from_secs(3600), async { 1 }).await, Ok(1));
    });
    ended.unwrap();
    assert!(event_loop.now() - begun >= 2 * time);
}

/// What a limit is put on may spend every budget before the limit is looked at: a loop that receives a flood does.
fn a_limit_is_kept_by_what_always_has_more_to_do(network: &Network) {
    let event_loop = network.event_loop();
    let past = event_loop.now();
    let greedy = || async move {
        let begun = Instant::now();
        while begun.elapsed() < DEADLINE {
            sleep_until(past).await;
        }
    };
    let ended = event_loop.block_on(async {
        let time = Duration::from_millis(2);
        let limited = timeout(time, greedy());
        limited.await.expect_err("a limit that is looked at from its beginning");
        let limited = timeout(time, greedy());
        sleep(2 * time).await;
        limited.await.expect_err("a limit that is over when it is looked at first");
    });
    ended.unwrap();
}

fn a_panic_in_a_detached_task_is_reported_once(network: &Network) {
    let event_loop = network.event_loop();
    let failures = reported(&event_loop);
    event_loop.spawn(async { panic!("in a task") }).detach();
    event_loop.run().unwrap();
    assert_eq!(*failures.borrow(), ["in a task"]);
}

/// Keeps what is reported.
fn reported(event_loop: &EventLoop) -> Rc<RefCell<Vec<String>>> {
    let failures = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&failures);
    event_loop.on_failure(move |failure| sink.borrow_mut().push(failure.message().to_owned()));
    failures
}
