//! Handles: the loop called from other threads, woken by them, and ended while they call.
#![allow(clippy::disallowed_methods, reason = "tests use threads")]

mod network;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use network::{Network, on_every_engine};
use switchboard::EventLoop;
use switchboard::event_loop::{Handle, LoopEnded, Next};

on_every_engine! {
    a_letter_wakes_a_loop_that_sleeps,
    the_end_of_the_last_handle_wakes_a_loop_that_sleeps,
    a_clone_keeps_the_loop_running,
    a_letter_of_a_handle_that_is_gone_still_arrives,
    a_letter_written_in_a_pass_runs_in_the_next,
    c6_letters_of_several_threads_that_wait_for_their_answers_all_arrive,
    c3_letters_to_a_loop_that_is_being_dropped_are_run_or_dropped,
    c8_a_letter_may_write_another_as_it_is_dropped,
}

/// Sleeps until somebody rings. In memory a sleep with a limit only moves the clock, so it has none there.
fn sleep(network: &Network, event_loop: &EventLoop, mut over: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !over() {
        event_loop.turn(network.is_real().then_some(DEADLINE)).unwrap();
        assert!(begun.elapsed() < DEADLINE, "nobody woke the loop");
    }
}

fn a_letter_wakes_a_loop_that_sleeps(network: &Network) {
    let event_loop = network.event_loop();
    let handle = event_loop.handle();
    let (arrived, count) = (Arc::new(AtomicUsize::new(0)), 5);
    let seen = Arc::clone(&arrived);
    let thread = thread::spawn(move || {
        for _ in 0..count {
            // It passes without, too; but a loop that sleeps is what it is about.
            thread::sleep(Duration::from_millis(5));
            let (seen, (ran, runs)) = (Arc::clone(&seen), mpsc::channel());
            handle
                .soon(move |_| {
                    seen.fetch_add(1, Ordering::Relaxed);
                    ran.send(()).unwrap();
                })
                .unwrap();
            runs.recv().unwrap();
        }
    });
    sleep(network, &event_loop, || arrived.load(Ordering::Relaxed) == count);
    thread.join().unwrap();
}

fn the_end_of_the_last_handle_wakes_a_loop_that_sleeps(network: &Network) {
    let event_loop = network.event_loop();
    let (handle, ended) = (event_loop.handle(), Arc::new(AtomicBool::new(false)));
    let end = Arc::clone(&ended);
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        end.store(true, Ordering::Relaxed);
        drop(handle);
    });
    sleep(network, &event_loop, || ended.load(Ordering::Relaxed));
    event_loop.run().unwrap();
    thread.join().unwrap();
}

fn a_clone_keeps_the_loop_running(network: &Network) {
    let event_loop = network.event_loop();
    let (handle, ran) = (event_loop.handle(), Arc::new(AtomicBool::new(false)));
    let clone = handle.clone();
    drop(handle);
    let seen = Arc::clone(&ran);
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(5));
        clone.soon(move |_| seen.store(true, Ordering::Relaxed)).unwrap();
    });
    event_loop.run().unwrap();
    assert!(ran.load(Ordering::Relaxed));
    thread.join().unwrap();
}

fn a_letter_of_a_handle_that_is_gone_still_arrives(network: &Network) {
    let event_loop = network.event_loop();
    let ran = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&ran);
    event_loop.handle().soon(move |_| seen.store(true, Ordering::Relaxed)).unwrap();
    event_loop.run().unwrap();
    assert!(ran.load(Ordering::Relaxed));
}

fn a_letter_written_in_a_pass_runs_in_the_next(network: &Network) {
    let event_loop = network.event_loop();
    let (handle, ran) = (event_loop.handle(), Arc::new(AtomicBool::new(false)));
    let seen = Arc::clone(&ran);
    event_loop.soon(move |_| handle.soon(move |_| seen.store(true, Ordering::Relaxed)).unwrap());
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    assert!(!ran.load(Ordering::Relaxed));
    assert_eq!(event_loop.next(), Next::Now);
    event_loop.turn(None).unwrap();
    assert!(ran.load(Ordering::Relaxed));
    assert_eq!(event_loop.next(), Next::Never);
}

/// One that is lost ends the conversation of its thread, and nothing later could make up for it.
fn c6_letters_of_several_threads_that_wait_for_their_answers_all_arrive(network: &Network) {
    let event_loop = network.event_loop();
    let left = Arc::new(AtomicUsize::new(3));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (handle, left) = (event_loop.handle(), Arc::clone(&left));
            thread::spawn(move || {
                let (answer, answers) = mpsc::channel();
                for number in 0..3_000 {
                    let answer = answer.clone();
                    handle.soon(move |_| answer.send(number).unwrap()).unwrap();
                    assert_eq!(answers.recv().unwrap(), number);
                }
                left.fetch_sub(1, Ordering::Relaxed);
            })
        })
        .collect();
    sleep(network, &event_loop, || left.load(Ordering::Relaxed) == 0);
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Counts how many of it were dropped.
struct Token(Arc<AtomicUsize>);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn c3_letters_to_a_loop_that_is_being_dropped_are_run_or_dropped(network: &Network) {
    let (send, handles) = mpsc::sync_channel::<Handle>(0);
    let dropped = Arc::new(AtomicUsize::new(0));
    let tokens = Arc::clone(&dropped);
    let thread = thread::spawn(move || {
        let mut written = 0;
        for handle in handles {
            loop {
                let (token, handle) = (Token(Arc::clone(&tokens)), handle.clone());
                written += 1;
                if handle.soon(move |_| drop(token)) == Err(LoopEnded) {
                    break;
                }
                thread::yield_now();
            }
        }
        written
    });
    // Ten thousand on all five engines together; each takes turns of two threads, slow on a busy machine.
    for round in 0..2_000 {
        let event_loop = network.event_loop();
        send.send(event_loop.handle()).unwrap();
        if round % 3 == 0 {
            event_loop.turn(Some(Duration::ZERO)).unwrap();
        }
        drop(event_loop);
    }
    drop(send);
    let written = thread.join().unwrap();
    assert_eq!(dropped.load(Ordering::Relaxed), written, "none is left behind");
}

/// What is dropped with a letter finds the box unlocked.
fn c8_a_letter_may_write_another_as_it_is_dropped(network: &Network) {
    struct Guard(Handle, mpsc::Sender<Result<(), LoopEnded>>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.1.send(self.0.soon(|_| {})).unwrap();
        }
    }
    let event_loop = network.event_loop();
    let (handle, (answer, answers)) = (event_loop.handle(), mpsc::channel());
    let guard = Guard(handle.clone(), answer.clone());
    handle.soon(move |_| drop(guard)).unwrap();
    drop(event_loop);
    assert_eq!(answers.try_recv(), Ok(Err(LoopEnded)), "dropped with its loop, not with the last handle");
    let guard = Guard(handle.clone(), answer);
    assert_eq!(handle.soon(move |_| drop(guard)), Err(LoopEnded));
    assert_eq!(answers.try_recv(), Ok(Err(LoopEnded)));
}

#[test]
fn c6_calls_from_other_threads_all_arrive_in_order() {
    for net in network::real() {
        let event_loop = net.event_loop();
        let (count, seen) = (100_000_u64, Rc::new(Cell::new(0)));
        let handle = event_loop.handle();
        let thread = thread::spawn(move || {
            for number in 0..count {
                handle
                    .soon(move |_| {
                        NEXT.with(|next| assert_eq!(next.replace(number + 1), number));
                    })
                    .unwrap();
            }
        });
        NEXT.with(|next| next.set(0));
        // Nothing but the handle keeps the loop running, and its end ends the run.
        event_loop.run().unwrap();
        thread.join().unwrap();
        seen.set(NEXT.with(Cell::get));
        assert_eq!(seen.get(), count, "on {}", net.name());
    }
}

thread_local! {
    static NEXT: Cell<u64> = const { Cell::new(0) };
}

#[test]
fn a_handle_outlives_its_loop_and_says_so() {
    for net in network::real() {
        let event_loop = net.event_loop();
        let handle = event_loop.handle();
        drop(event_loop);
        assert_eq!(handle.soon(|_| {}), Err(LoopEnded));
        drop(handle.clone());
    }
}

const DEADLINE: Duration = Duration::from_secs(20);
