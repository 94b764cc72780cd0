//! The event loop, on every engine: order, bounded passes, timers, cancelling, errors of the engine.
#![allow(clippy::disallowed_methods, reason = "tests use the real clock and threads")]

mod network;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use network::{Network, on_every_engine, pair};
use rustix::io::Errno;
use switchboard::EventLoop;
use switchboard::engine::{Close, Done, Failed, Op, Submitted, Ticket};
use switchboard::event_loop::{Completion, Next};

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
    next_tells_how_long_a_host_may_sleep,
    run_returns_when_nothing_is_left_and_can_be_called_again,
    stop_leaves_the_rest_for_another_run,
    a_callback_cannot_turn_its_own_loop,
    two_loops_share_a_thread,
    a_callback_may_drop_what_cancels_others,
    a_completion_may_drop_what_calls_the_loop,
    a_pass_takes_operations_then_letters_then_timers,
    a_wait_that_failed_can_be_tried_again_and_loses_nothing,
    what_finished_is_told_once,
    a_timer_is_not_early_by_the_passes_own_time,
    a_timer_that_is_due_takes_none_along,
    times_count_from_this_very_moment,
    next_is_the_first_of_timers_and_what_the_engine_has_to_do,
    run_goes_on_while_a_socket_closes_gently,
    what_a_withdrawn_operation_would_have_got_goes_to_the_next,
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

fn next_tells_how_long_a_host_may_sleep(network: &Network) {
    let event_loop = network.event_loop();
    assert_eq!(event_loop.next(), Next::Never);
    let due = event_loop.engine().clock() + Duration::from_secs(3600);
    let timer = event_loop.at(due, |_| {});
    assert_eq!(event_loop.next(), Next::At(due));
    let soon = event_loop.soon(|_| {});
    assert_eq!(event_loop.next(), Next::Now);
    event_loop.cancel(soon);
    let now = event_loop.at(event_loop.now(), |_| {});
    turn(&event_loop);
    assert!(!event_loop.cancel(now), "it was due, and ran");
    let due_now = event_loop.at(event_loop.now(), |_| {});
    assert_eq!(event_loop.next(), Next::Now);
    event_loop.cancel(due_now);
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
    event_loop.soon(move |event_loop| {
        // Being refused does not allow it the second time.
        for _ in 0..2 {
            seen.set(event_loop.turn(None).err().map(|error| error.kind()));
        }
    });
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

/// The same for what is dropped with an operation.
fn a_completion_may_drop_what_calls_the_loop(network: &Network) {
    struct Guard(Rc<EventLoop>, Rc<Cell<bool>>);
    impl Completion for Guard {
        fn complete(self: Rc<Self>, _: &EventLoop, _: Ticket, _: Result<Done, Failed>) {}
    }
    impl Drop for Guard {
        fn drop(&mut self) {
            // Finds the loop's parts free: nothing is borrowed while it is dropped.
            let (ours, _theirs) = pair(&mut **self.0.engine());
            let op = Op::Recv { socket: ours, max: 1, peek: false };
            let Submitted::Pending(ticket) = self.0.submit(op, Rc::new(Nobody)) else { panic!("no data") };
            self.0.withdraw(ticket);
            self.1.set(true);
        }
    }
    let (event_loop, dropped) = (Rc::new(network.event_loop()), Rc::new(Cell::new(false)));
    let (ours, _theirs) = pair(&mut **event_loop.engine());
    let guard = Rc::new(Guard(Rc::clone(&event_loop), Rc::clone(&dropped)));
    let op = Op::Recv { socket: ours, max: 1, peek: false };
    let Submitted::Pending(ticket) = event_loop.submit(op, guard) else { panic!("there is no data") };
    event_loop.withdraw(ticket);
    assert!(dropped.get());
}

struct Nobody;

impl Completion for Nobody {
    fn complete(self: Rc<Self>, _: &EventLoop, _: Ticket, _: Result<Done, Failed>) {}
}

fn what_a_withdrawn_operation_would_have_got_goes_to_the_next(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let recv = || Op::Recv { socket: ours, max: 100, peek: false };
    let Submitted::Pending(ticket) = event_loop.submit(recv(), Rc::new(Nobody)) else { panic!("no data") };
    event_loop.withdraw(ticket);
    event_loop.engine().try_send(theirs, &[io::IoSlice::new(b"for the next")]).unwrap();
    let got = network::complete(&event_loop, recv());
    assert!(matches!(got, Ok(Done::Received { lease }) if &*lease == b"for the next"));
    event_loop.run().unwrap();
}

/// The order that the head of the file states.
fn a_pass_takes_operations_then_letters_then_timers(network: &Network) {
    let (event_loop, log) = (network.event_loop(), Arc::new(Mutex::new(Vec::new())));
    let push = |what: &'static str| {
        let log = Arc::clone(&log);
        move |_: &EventLoop| log.lock().unwrap().push(what)
    };
    let (ours, _theirs) = pair(&mut **event_loop.engine());
    let operation = push("operation");
    event_loop.on_readable(ours, move |event_loop, _| operation(event_loop));
    turn(&event_loop);
    event_loop.at(event_loop.now(), push("timer"));
    event_loop.handle().soon(push("letter")).unwrap();
    event_loop.engine().close(ours, Close::Now);
    turn(&event_loop);
    assert_eq!(*log.lock().unwrap(), ["operation", "letter", "timer"]);
}

fn a_wait_that_failed_can_be_tried_again_and_loses_nothing(network: &Network) {
    let ((event_loop, faults), log) = (network.faulty(), Log::default());
    event_loop.soon(note(&log, "soon"));
    event_loop.at(event_loop.now(), note(&log, "timer"));
    faults.wait.set(Some(Errno::NOMEM));
    let error = event_loop.run().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::NOMEM.raw_os_error()));
    assert!(log.borrow().is_empty(), "nothing runs in a pass that did not wait");
    event_loop.run().unwrap();
    assert_eq!(*log.borrow(), ["soon", "timer"]);
}

fn what_finished_is_told_once(network: &Network) {
    let (event_loop, faults) = network.faulty();
    let (ours, _theirs) = pair(&mut **event_loop.engine());
    event_loop.on_readable(ours, |_, _| {});
    turn(&event_loop);
    event_loop.engine().close(ours, Close::Now);
    turn(&event_loop);
    turn(&event_loop);
    assert_eq!(faults.told_again.get(), 0);
    assert_eq!(event_loop.next(), Next::Never);
}

/// Time goes by while a pass settles; by the time the pass shows, the timer would be early.
fn a_timer_is_not_early_by_the_passes_own_time(network: &Network) {
    let ((event_loop, faults), log) = (network.faulty(), Log::default());
    let due = event_loop.now() + Duration::from_secs(3600);
    event_loop.at(due, note(&log, "an hour"));
    event_loop.at(due + Duration::from_micros(1), note(&log, "and a bit"));
    let clock = Rc::clone(&faults);
    event_loop.soon(move |_| clock.elapsed.set(Duration::from_secs(3500)));
    turn(&event_loop);
    assert!(matches!(event_loop.next(), Next::At(next) if next == due));
    faults.late.set(Duration::from_secs(7200));
    turn(&event_loop);
    assert!(log.borrow().is_empty(), "by the pass's time it is not due");
    turn(&event_loop);
    assert_eq!(*log.borrow(), ["an hour", "and a bit"]);
}

fn a_timer_that_is_due_takes_none_along(network: &Network) {
    let event_loop = network.event_loop();
    let base = event_loop.now() + Duration::from_millis(1);
    let ran = Rc::new(RefCell::new(Vec::new()));
    for micros in [0, 300, 600, 900] {
        let (due, ran) = (base + Duration::from_micros(micros), Rc::clone(&ran));
        event_loop.at(due, move |event_loop| ran.borrow_mut().push(event_loop.now() >= due));
    }
    event_loop.run().unwrap();
    assert_eq!(*ran.borrow(), [true; 4], "none is early");
}

fn times_count_from_this_very_moment(network: &Network) {
    let (event_loop, faults) = network.faulty();
    turn(&event_loop);
    // A callback that took an hour.
    faults.elapsed.set(Duration::from_secs(3600));
    let clock = event_loop.engine().clock();
    let timer = event_loop.later(Duration::from_secs(60), |_| {});
    assert!(matches!(event_loop.next(), Next::At(due) if due >= clock + Duration::from_secs(60)));
    event_loop.cancel(timer);
    event_loop.turn(Some(Duration::from_millis(2))).unwrap();
    let until = faults.until.get().expect("a limit");
    assert!(until >= clock + Duration::from_millis(2), "it sleeps for as long as it was told");
}

fn next_is_the_first_of_timers_and_what_the_engine_has_to_do(network: &Network) {
    let event_loop = network.event_loop();
    let begun = event_loop.engine().clock();
    // The peer does not close, so the end of this is when its time is over.
    let (ours, _theirs) = pair(&mut **event_loop.engine());
    event_loop.engine().close(ours, Close::Gently { bytes: 1000, time: Duration::from_secs(60) });
    // What it waits for may be something that an engine has yet to begin.
    turn(&event_loop);
    let Next::At(end) = event_loop.next() else { panic!("a gentle close has an end") };
    assert!(end >= begun + Duration::from_secs(60));
    let day = event_loop.later(Duration::from_secs(86_400), |_| {});
    assert_eq!(event_loop.next(), Next::At(end));
    let soon = begun + Duration::from_secs(30);
    let second = event_loop.at(soon, |_| {});
    assert_eq!(event_loop.next(), Next::At(soon));
    assert!(event_loop.cancel(second));
    assert_eq!(event_loop.next(), Next::At(end));
    event_loop.cancel(day);
}

fn run_goes_on_while_a_socket_closes_gently(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, _theirs) = pair(&mut **event_loop.engine());
    event_loop.engine().close(ours, Close::Gently { bytes: 1000, time: Duration::from_millis(20) });
    assert_eq!(event_loop.engine().closing(), 1);
    event_loop.run().unwrap();
    assert_eq!(event_loop.engine().closing(), 0);
}
