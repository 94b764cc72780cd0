//! The event loop, on every engine: order, bounded passes, timers, watches, other threads, panics.
#![allow(clippy::disallowed_methods, reason = "tests use the real clock and threads")]

mod network;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use network::{Network, on_every_engine, pair};
use switchboard::EventLoop;
use switchboard::engine::Close;
use switchboard::event_loop::{LoopEnded, Next};

on_every_engine! {
    a_callback_made_in_a_pass_runs_in_the_next,
    b18_a_callback_that_requeues_itself_starves_nobody,
    callbacks_run_in_the_order_they_were_made,
    timers_run_in_the_order_they_are_due,
    d5_a_timer_that_is_overdue_runs_in_the_next_pass,
    d4_a_time_that_overflows_the_clock_never_comes,
    a_timer_is_never_early,
    what_is_cancelled_never_runs,
    a_callback_can_cancel_one_of_the_same_pass,
    a_watch_is_called_as_long_as_the_socket_is_readable,
    a_watch_of_a_closed_socket_hears_so_and_ends,
    a_socket_with_room_is_writable_every_pass,
    c13_a_panic_is_reported_once_and_the_loop_goes_on,
    a_panic_in_the_failure_handler_ends_nothing,
    a_watch_that_panicked_is_not_called_again,
    next_tells_how_long_a_host_may_sleep,
    run_returns_when_nothing_is_left_and_can_be_called_again,
    stop_leaves_the_rest_for_another_run,
    a_callback_cannot_turn_its_own_loop,
    two_loops_share_a_thread,
    a_callback_may_drop_what_cancels_others,
}

type Log = Rc<RefCell<Vec<&'static str>>>;

fn note(log: &Log, what: &'static str) -> impl FnOnce(&EventLoop) + use<> {
    let log = Rc::clone(log);
    move |_| log.borrow_mut().push(what)
}

fn turn(event_loop: &EventLoop) {
    event_loop.turn(Some(Duration::ZERO)).unwrap();
}

fn a_callback_made_in_a_pass_runs_in_the_next(network: &Network) {
    let (event_loop, log) = (network.event_loop(), Log::default());
    let inner = Rc::clone(&log);
    event_loop.soon(move |event_loop| {
        inner.borrow_mut().push("first");
        event_loop.soon(note(&inner, "second"));
    });
    turn(&event_loop);
    assert_eq!(*log.borrow(), ["first"]);
    turn(&event_loop);
    assert_eq!(*log.borrow(), ["first", "second"]);
}

fn b18_a_callback_that_requeues_itself_starves_nobody(network: &Network) {
    fn again(event_loop: &EventLoop, passes: &Rc<Cell<u64>>) {
        passes.set(passes.get() + 1);
        let passes = Rc::clone(passes);
        event_loop.soon(move |event_loop| again(event_loop, &passes));
    }
    let event_loop = network.event_loop();
    let (passes, readable, timer) = (Rc::default(), Rc::new(Cell::new(false)), Rc::new(Cell::new(false)));
    again(&event_loop, &passes);
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let (read, over) = (Rc::clone(&readable), Rc::clone(&timer));
    event_loop.on_readable(ours, move |_, _| read.set(true));
    event_loop.at(event_loop.now(), move |_| over.set(true));
    event_loop.engine().try_send(theirs, &[io::IoSlice::new(b"x")]).unwrap();
    let begun = Instant::now();
    while !(readable.get() && timer.get()) {
        turn(&event_loop);
        assert!(begun.elapsed() < Duration::from_secs(10), "starved by a callback that requeues itself");
    }
    let before = passes.get();
    turn(&event_loop);
    assert_eq!(passes.get(), before + 1, "one pass runs it once");
}

fn callbacks_run_in_the_order_they_were_made(network: &Network) {
    let (event_loop, log) = (network.event_loop(), Log::default());
    for what in ["a", "b", "c"] {
        event_loop.soon(note(&log, what));
    }
    turn(&event_loop);
    assert_eq!(*log.borrow(), ["a", "b", "c"]);
}

fn timers_run_in_the_order_they_are_due(network: &Network) {
    let (event_loop, log) = (network.event_loop(), Log::default());
    let base = event_loop.now() + Duration::from_millis(2);
    event_loop.at(base + Duration::from_micros(2), note(&log, "third"));
    event_loop.at(base, note(&log, "first"));
    event_loop.at(base, note(&log, "second, due with the first"));
    event_loop.run().unwrap();
    assert_eq!(*log.borrow(), ["first", "second, due with the first", "third"]);
}

fn d5_a_timer_that_is_overdue_runs_in_the_next_pass(network: &Network) {
    let (event_loop, log) = (network.event_loop(), Log::default());
    let now = event_loop.now();
    event_loop.at(now.checked_sub(Duration::from_nanos(1)).unwrap_or(now), note(&log, "overdue"));
    event_loop.at(now, note(&log, "due now"));
    event_loop.turn(None).unwrap();
    assert_eq!(*log.borrow(), ["overdue", "due now"]);
}

fn d4_a_time_that_overflows_the_clock_never_comes(network: &Network) {
    let (event_loop, log) = (network.event_loop(), Log::default());
    let far = event_loop.later(Duration::MAX, note(&log, "never"));
    turn(&event_loop);
    assert!(matches!(event_loop.next(), Next::At(_)));
    assert!(event_loop.cancel(far));
    assert!(log.borrow().is_empty());
}

fn a_timer_is_never_early(network: &Network) {
    let event_loop = network.event_loop();
    for micros in [0, 1, 900, 1_000, 1_500] {
        let time = Duration::from_micros(micros);
        let (due, ran) = (event_loop.engine().clock() + time, Rc::new(Cell::new(None)));
        let at = Rc::clone(&ran);
        event_loop.later(time, move |event_loop| at.set(Some(event_loop.now())));
        event_loop.run().unwrap();
        assert!(ran.get().expect("the timer ran") >= due, "{micros} µs");
    }
}

fn what_is_cancelled_never_runs(network: &Network) {
    let (event_loop, log) = (network.event_loop(), Log::default());
    let (socket, _peer) = pair(&mut **event_loop.engine());
    let seen = Rc::clone(&log);
    let callbacks = [
        event_loop.soon(note(&log, "soon")),
        event_loop.later(Duration::ZERO, note(&log, "later")),
        event_loop.at(event_loop.now(), note(&log, "at")),
        event_loop.on_writable(socket, move |_, _| seen.borrow_mut().push("writable")),
        event_loop.on_readable(socket, |_, _| {}),
        event_loop.on_signal(signal(10), |_, _| {}),
    ];
    for callback in callbacks {
        assert!(event_loop.cancel(callback), "there was one to cancel");
        assert!(!event_loop.cancel(callback), "and then there was none");
    }
    event_loop.run().unwrap();
    assert!(log.borrow().is_empty(), "{:?}", log.borrow());
}

/// A signal number, so that no bare one stands among other numbers.
const fn signal(number: i32) -> i32 {
    number
}

fn a_callback_can_cancel_one_of_the_same_pass(network: &Network) {
    let (event_loop, log) = (network.event_loop(), Log::default());
    let victim = Rc::new(Cell::new(None));
    let chosen = Rc::clone(&victim);
    event_loop.soon(move |event_loop| assert!(event_loop.cancel(chosen.get().unwrap())));
    victim.set(Some(event_loop.soon(note(&log, "cancelled while it was ready"))));
    turn(&event_loop);
    turn(&event_loop);
    assert!(log.borrow().is_empty());
}

fn a_watch_is_called_as_long_as_the_socket_is_readable(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let bytes = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&bytes);
    event_loop.on_readable(ours, move |event_loop, ready| {
        ready.unwrap();
        let mut byte = [0];
        let count = event_loop.engine().try_recv(ours, &mut byte);
        match count {
            Ok(0) => event_loop.stop(),
            Ok(_) => sink.borrow_mut().push(byte[0]),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    });
    event_loop.engine().try_send(theirs, &[io::IoSlice::new(b"one at a time")]).unwrap();
    event_loop.engine().close(theirs, Close::Now);
    network.run(&event_loop);
    assert_eq!(*bytes.borrow(), b"one at a time");
}

fn a_watch_of_a_closed_socket_hears_so_and_ends(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, _theirs) = pair(&mut **event_loop.engine());
    let heard = Rc::new(Cell::new(0));
    let count = Rc::clone(&heard);
    event_loop.on_readable(ours, move |_, ready| {
        assert_eq!(ready.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        count.set(count.get() + 1);
    });
    turn(&event_loop);
    event_loop.engine().close(ours, Close::Now);
    event_loop.run().unwrap();
    assert_eq!(heard.get(), 1);
}

fn a_socket_with_room_is_writable_every_pass(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, _theirs) = pair(&mut **event_loop.engine());
    let calls = Rc::new(Cell::new(0));
    let count = Rc::clone(&calls);
    let watch = event_loop.on_writable(ours, move |event_loop, _| {
        count.set(count.get() + 1);
        if count.get() == 3 {
            event_loop.stop();
        }
    });
    network.run(&event_loop);
    assert_eq!(calls.get(), 3);
    assert!(event_loop.cancel(watch));
}

fn c13_a_panic_is_reported_once_and_the_loop_goes_on(network: &Network) {
    let (event_loop, log) = (network.event_loop(), Log::default());
    let failures = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&failures);
    event_loop.on_failure(move |failure| sink.borrow_mut().push(failure.message().to_owned()));
    event_loop.soon(|_| panic!("in a callback"));
    event_loop.later(Duration::ZERO, |_| panic!("in a timer, number {}", 2));
    event_loop.soon(|_| std::panic::panic_any(7));
    event_loop.soon(note(&log, "after"));
    event_loop.run().unwrap();
    let mut failures = failures.borrow().clone();
    failures.sort();
    assert_eq!(failures, ["in a callback", "in a timer, number 2", "something that is no text"]);
    assert_eq!(*log.borrow(), ["after"]);
}

fn a_panic_in_the_failure_handler_ends_nothing(network: &Network) {
    let (event_loop, log) = (network.event_loop(), Log::default());
    event_loop.on_failure(|_| panic!("in the handler"));
    event_loop.soon(|_| panic!("in a callback"));
    event_loop.soon(note(&log, "after"));
    event_loop.run().unwrap();
    assert_eq!(*log.borrow(), ["after"]);
}

fn a_watch_that_panicked_is_not_called_again(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, _theirs) = pair(&mut **event_loop.engine());
    let failures = Rc::new(Cell::new(0));
    let count = Rc::clone(&failures);
    event_loop.on_failure(move |_| count.set(count.get() + 1));
    event_loop.on_writable(ours, |_, _| panic!("in a watch"));
    event_loop.run().unwrap();
    assert_eq!(failures.get(), 1);
}

fn next_tells_how_long_a_host_may_sleep(network: &Network) {
    let event_loop = network.event_loop();
    assert_eq!(event_loop.next(), Next::Never);
    let due = event_loop.engine().clock() + Duration::from_secs(3600);
    let timer = event_loop.at(due, |_| {});
    assert_eq!(event_loop.next(), Next::At(due));
    let soon = event_loop.soon(|_| {});
    assert_eq!(event_loop.next(), Next::Now);
    event_loop.cancel(soon);
    event_loop.cancel(timer);
    turn(&event_loop);
    assert_eq!(event_loop.next(), Next::Never);
    let (ours, _theirs) = pair(&mut **event_loop.engine());
    event_loop.on_readable(ours, |_, _| {});
    turn(&event_loop);
    event_loop.engine().close(ours, Close::Now);
    assert_eq!(event_loop.next(), Next::Now, "an operation has finished");
    let handle = event_loop.handle();
    turn(&event_loop);
    handle.soon(|_| {}).unwrap();
    assert_eq!(event_loop.next(), Next::Now, "there is mail");
}

fn run_returns_when_nothing_is_left_and_can_be_called_again(network: &Network) {
    let (event_loop, log) = (network.event_loop(), Log::default());
    event_loop.run().unwrap();
    event_loop.soon(note(&log, "first run"));
    event_loop.run().unwrap();
    event_loop.later(Duration::from_micros(1), note(&log, "second run"));
    event_loop.run().unwrap();
    assert_eq!(*log.borrow(), ["first run", "second run"]);
}

fn stop_leaves_the_rest_for_another_run(network: &Network) {
    let (event_loop, log) = (network.event_loop(), Log::default());
    event_loop.soon(EventLoop::stop);
    event_loop.later(Duration::from_micros(1), note(&log, "the rest"));
    event_loop.run().unwrap();
    event_loop.run().unwrap();
    assert_eq!(*log.borrow(), ["the rest"]);
}

fn a_callback_cannot_turn_its_own_loop(network: &Network) {
    let event_loop = network.event_loop();
    let kind = Rc::new(Cell::new(None));
    let seen = Rc::clone(&kind);
    event_loop.soon(move |event_loop| seen.set(event_loop.turn(None).err().map(|error| error.kind())));
    turn(&event_loop);
    assert_eq!(kind.get(), Some(io::ErrorKind::Deadlock));
    turn(&event_loop);
}

fn two_loops_share_a_thread(network: &Network) {
    let (one, two, log) = (network.event_loop(), network.event_loop(), Log::default());
    let (inner, seen) = (Rc::clone(&log), Rc::clone(&log));
    one.soon(move |_| {
        two.soon(note(&inner, "the inner loop"));
        two.run().unwrap();
        inner.borrow_mut().push("the outer loop");
    });
    one.run().unwrap();
    assert_eq!(*seen.borrow(), ["the inner loop", "the outer loop"]);
}

/// A value whose drop calls the loop, as an RAII guard of a user would.
fn a_callback_may_drop_what_cancels_others(network: &Network) {
    struct Guard(Rc<EventLoop>, switchboard::event_loop::Callback);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.cancel(self.1);
        }
    }
    let (event_loop, log) = (Rc::new(network.event_loop()), Log::default());
    let other = event_loop.soon(note(&log, "guarded"));
    let guard = Guard(Rc::clone(&event_loop), other);
    let holder = event_loop.later(Duration::from_secs(3600), move |_| drop(guard));
    assert!(event_loop.cancel(holder));
    turn(&event_loop);
    assert!(log.borrow().is_empty());
}

#[test]
fn c6_calls_from_other_threads_all_arrive_in_order() {
    for net in network::real() {
        let event_loop = net.event_loop();
        let (count, seen) = (100_000_u64, Rc::new(Cell::new(0)));
        let handle = event_loop.handle();
        let thread = std::thread::spawn(move || {
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

#[test]
fn signals_are_counted_and_called_back() {
    for net in network::real() {
        let event_loop = net.event_loop();
        let seen = Rc::new(Cell::new(0));
        let count = Rc::clone(&seen);
        event_loop.on_signal(signal(12), move |event_loop, times| {
            count.set(count.get() + times.unwrap());
            if count.get() == 3 {
                return event_loop.stop();
            }
            // One after the other: two of a kind that are pending at once are one (signal(7)).
            raise();
        });
        raise();
        net.run(&event_loop);
        assert_eq!(seen.get(), 3, "on {}", net.name());
    }
}

fn raise() {
    let this = rustix::process::getpid();
    rustix::process::kill_process(this, rustix::process::Signal::USR2).unwrap();
}

#[test]
fn a_signal_that_cannot_be_taken_over_is_an_error() {
    for net in network::real() {
        let event_loop = net.event_loop();
        let kind = Rc::new(Cell::new(None));
        let seen = Rc::clone(&kind);
        event_loop.on_signal(signal(9), move |_, times| seen.set(times.err().map(|error| error.kind())));
        event_loop.run().unwrap();
        assert_eq!(kind.get(), Some(io::ErrorKind::InvalidInput));
    }
}
