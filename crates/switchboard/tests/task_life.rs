//! The life of tasks: scopes, blocking work, intervals, loops within loops, and the end of a loop that has tasks.
#![allow(clippy::disallowed_methods, reason = "tests have threads, and guard themselves by the real clock")]

mod network;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use network::{Network, on_every_engine, until};
use switchboard::task::Ended;
use switchboard::{EventLoop, interval, scope, sleep, spawn, spawn_blocking, timeout, yield_now};

on_every_engine! {
    a_scope_waits_for_its_children_and_theirs,
    a_scope_that_is_dropped_cancels_its_children_wherever_that_is,
    a_failure_in_a_scope_is_reported_and_the_other_children_go_on,
    blocking_work_gives_its_result_or_its_panic,
    the_result_of_blocking_work_that_nobody_wants_is_dropped_outside_of_the_loop,
    an_interval_does_not_drift_and_leaves_out_what_was_missed,
    a_tick_that_was_given_up_is_not_lost,
    a_loop_may_be_run_within_a_task_of_another,
    block_on_goes_on_after_a_panic,
    a_loop_that_ends_drops_its_tasks_while_it_still_stands,
    a_task_cancelled_on_its_way_to_the_loop_never_begins,
    a_task_on_its_way_when_the_loop_ends_is_cancelled,
}

/// Notes its name when it is dropped.
struct Noted(&'static str, Rc<RefCell<Vec<&'static str>>>);

impl Drop for Noted {
    fn drop(&mut self) {
        self.1.borrow_mut().push(self.0);
    }
}

fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn a_scope_waits_for_its_children_and_theirs(network: &Network) {
    let (event_loop, log) = (network.event_loop(), Rc::new(RefCell::new(Vec::new())));
    let inner = Rc::clone(&log);
    let main = async move {
        let own = Rc::clone(&inner);
        let result = scope(async |outer| {
            let log = Rc::clone(&own);
            outer.spawn(async move {
                let grandchild = Noted("grandchild", Rc::clone(&log));
                scope(async |inner| {
                    inner.spawn(async move {
                        sleep(Duration::from_millis(3)).await;
                        drop(grandchild);
                    });
                })
                .await;
                log.borrow_mut().push("child");
            });
            own.borrow_mut().push("body");
            7
        });
        assert_eq!(result.await, 7);
        inner.borrow_mut().push("after");
    };
    event_loop.block_on(main).unwrap();
    assert_eq!(*log.borrow(), ["body", "grandchild", "child", "after"]);
}

fn a_scope_that_is_dropped_cancels_its_children_wherever_that_is(network: &Network) {
    let (event_loop, log) = (network.event_loop(), Rc::new(RefCell::new(Vec::new())));
    let make = |name| {
        let noted = Noted(name, Rc::clone(&log));
        Box::pin(scope(async move |scope| {
            scope.spawn(async move {
                let _noted = noted;
                std::future::pending::<()>().await;
            });
        }))
    };
    let (mut here, mut outside, mut elsewhere) = (make("here"), make("outside"), make("elsewhere"));
    let main = async {
        for scope in [&mut here, &mut outside, &mut elsewhere] {
            timeout(Duration::from_millis(1), scope).await.unwrap_err();
        }
        drop(here);
        assert_eq!(*log.borrow(), ["here"]);
    };
    event_loop.block_on(main).unwrap();
    drop(outside);
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!(*log.borrow(), ["here", "outside"]);
    network.event_loop().block_on(async move { drop(elsewhere) }).unwrap();
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!(*log.borrow(), ["here", "outside", "elsewhere"]);
}

fn a_failure_in_a_scope_is_reported_and_the_other_children_go_on(network: &Network) {
    let (event_loop, done) = (network.event_loop(), Rc::new(Cell::new(false)));
    let failures = reported(&event_loop);
    let seen = Rc::clone(&done);
    let main = scope(async move |scope| {
        scope.spawn(async { Err::<(), _>("an error") });
        scope.spawn(async { panic!("a panic") });
        scope.spawn(async move {
            sleep(Duration::from_millis(1)).await;
            seen.set(true);
        });
    });
    event_loop.block_on(main).unwrap();
    assert_eq!(*failures.borrow(), ["an error", "a panic"]);
    assert!(done.get());
}

fn blocking_work_gives_its_result_or_its_panic(network: &Network) {
    let event_loop = network.event_loop();
    let main = async {
        assert_eq!(spawn_blocking(|| 6 * 7).await, 42);
        let Err(Ended::Panicked(panic)) = spawn_blocking(|| -> () { panic!("at work") }).join().await else {
            panic!("it did not panic")
        };
        assert_eq!(panic.downcast_ref(), Some(&"at work"));
    };
    event_loop.block_on(main).unwrap();
}

/// Tells on which thread it is dropped, and panics there.
struct Told(Sender<ThreadId>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.send(thread::current().id()).unwrap();
        panic!("in the destructor of a result");
    }
}

fn the_result_of_blocking_work_that_nobody_wants_is_dropped_outside_of_the_loop(network: &Network) {
    if !network.is_real() {
        // There the work runs to its end within the loop's wait, so nobody can give it up meanwhile.
        return;
    }
    for loop_ends in [false, true] {
        let mut event_loop = Some(network.event_loop());
        let (tell, told) = channel();
        let (begin, begun) = channel();
        let (go_on, may_go_on) = channel::<()>();
        let work = move || {
            begin.send(()).unwrap();
            may_go_on.recv().unwrap();
            [Told(tell)]
        };
        let own = event_loop.as_ref().unwrap();
        let mut task = None;
        own.block_on(async { task = Some(spawn_blocking(work)) }).unwrap();
        until(own, "the work begins", || begun.try_recv().is_ok());
        if loop_ends {
            event_loop = None;
        } else {
            own.block_on(async move { drop(task) }).unwrap();
        }
        go_on.send(()).unwrap();
        let thread = told.recv_timeout(DEADLINE).expect("the result is dropped");
        assert_ne!(thread, thread::current().id());
        if let Some(event_loop) = event_loop {
            event_loop.block_on(async { sleep(Duration::from_millis(2)).await }).unwrap();
        }
    }
}

/// The time that goes by is made, so that what really does is nothing beside it.
fn an_interval_does_not_drift_and_leaves_out_what_was_missed(network: &Network) {
    let (event_loop, faults) = network.faulty();
    let wait = |halves: u32| faults.elapsed.set(faults.elapsed.get() + halves * PERIOD / 2);
    let main = async {
        let mut ticks = interval(PERIOD);
        assert!(poll_once(pin!(ticks.tick())).is_pending());
        wait(2);
        let first = ticks.tick().await;
        wait(2);
        assert_eq!(ticks.tick().await - first, PERIOD);
        // Six and a half periods after the first: the one due is got at once, and four are left out.
        wait(11);
        assert_eq!(ticks.tick().await - first, 2 * PERIOD);
        wait(1);
        assert_eq!(ticks.tick().await - first, 7 * PERIOD);
    };
    event_loop.block_on(main).unwrap();
}

fn a_tick_that_was_given_up_is_not_lost(network: &Network) {
    let (event_loop, faults) = network.faulty();
    let main = async {
        let mut ticks = interval(PERIOD);
        faults.elapsed.set(PERIOD);
        let first = ticks.tick().await;
        assert!(poll_once(pin!(ticks.tick())).is_pending());
        faults.elapsed.set(2 * PERIOD);
        yield_now().await;
        assert_eq!(ticks.tick().await - first, PERIOD);
    };
    event_loop.block_on(main).unwrap();
}

/// What is woken in the pass of another loop runs in a pass of its own.
fn a_loop_may_be_run_within_a_task_of_another(network: &Network) {
    let (outer, inner) = (network.event_loop(), network.event_loop());
    let handle = outer.handle();
    let (waker, woken) = (Rc::new(RefCell::new(None::<Waker>)), Rc::new(Cell::new(false)));
    let (sink, seen) = (Rc::clone(&waker), Rc::clone(&woken));
    let waits = outer.spawn(poll_fn(move |cx| {
        *sink.borrow_mut() = Some(cx.waker().clone());
        if seen.get() { Poll::Ready(5) } else { Poll::Pending }
    }));
    let main = async move {
        yield_now().await;
        let nested = inner.block_on(async {
            woken.set(true);
            waker.take().expect("it was polled").wake();
            spawn(async { 3 }).await
        });
        // And here the outer one is the current one again.
        nested.unwrap() + spawn(async { 1 }).await + waits.await
    };
    assert_eq!(outer.block_on(main).unwrap(), 9);
    drop(handle);
}

fn block_on_goes_on_after_a_panic(network: &Network) {
    let event_loop = network.event_loop();
    let done = Rc::new(Cell::new(false));
    let seen = Rc::clone(&done);
    let main = async move {
        spawn(async move {
            sleep(Duration::from_millis(1)).await;
            seen.set(true);
        })
        .detach();
        yield_now().await;
        panic!("in main");
    };
    catch_unwind(AssertUnwindSafe(|| event_loop.block_on(main))).unwrap_err();
    event_loop.block_on(async { sleep(Duration::from_millis(2)).await }).unwrap();
    assert!(done.get());
}

fn a_loop_that_ends_drops_its_tasks_while_it_still_stands(network: &Network) {
    struct UsesTheLoop(Rc<Cell<bool>>);
    impl Drop for UsesTheLoop {
        fn drop(&mut self) {
            // It can still be asked; but what begins now has been cancelled.
            let mut begun = spawn(async { 1 });
            assert!(begun.is_finished());
            assert!(poll_once(pin!(sleep(Duration::from_secs(1)))).is_pending());
            drop(catch_unwind(AssertUnwindSafe(|| poll_once(Pin::new(&mut begun)).is_ready())));
            self.0.set(true);
        }
    }
    let (event_loop, used) = (network.event_loop(), Rc::new(Cell::new(false)));
    let failures = reported(&event_loop);
    let guard = UsesTheLoop(Rc::clone(&used));
    event_loop
        .spawn(async move {
            let _guard = guard;
            sleep(Duration::from_secs(3600)).await;
        })
        .detach();
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    drop(event_loop);
    assert!(used.get());
    assert_eq!(*failures.borrow(), [""; 0]);
}

/// Counts as dropped only when it is.
struct Flag(Sender<()>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.send(()).unwrap();
    }
}

fn a_task_cancelled_on_its_way_to_the_loop_never_begins(network: &Network) {
    let event_loop = network.event_loop();
    let (drops, dropped) = channel();
    let flag = Flag(drops);
    let handle = event_loop.handle();
    let future = async move {
        let _flag = flag;
        unreachable!("it was cancelled before it began");
    };
    let task = thread::spawn(move || handle.spawn(future).unwrap()).join().unwrap();
    let mut cancelled = Box::pin(async move { task.cancel().await });
    assert!(poll_once(cancelled.as_mut()).is_pending(), "its future has not been dropped");
    assert!(dropped.try_recv().is_err());
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    dropped.try_recv().unwrap();
    assert_eq!(poll_once(cancelled.as_mut()), Poll::Ready(None));
}

fn a_task_on_its_way_when_the_loop_ends_is_cancelled(network: &Network) {
    let event_loop = network.event_loop();
    let handle = event_loop.handle();
    let (drops, dropped) = channel();
    let flag = Flag(drops);
    let task = handle.spawn(async move { drop(flag) }).unwrap();
    drop(event_loop);
    dropped.try_recv().unwrap();
    let ended = poll_once(pin!(task.join()));
    assert!(matches!(ended, Poll::Ready(Err(Ended::Cancelled))));
    assert!(handle.spawn(async {}).is_err());
}

/// Signals are the process's; no other test of this file waits for one.
#[test]
fn signals_are_counted_and_those_of_a_wait_given_up_go_to_the_next() {
    use rustix::process::{Signal, getpid, kill_process};
    let event_loop = EventLoop::new().unwrap();
    let main = async {
        let number = Signal::USR1.as_raw();
        let raise = || kill_process(getpid(), Signal::USR1).unwrap();
        let mut given_up = Box::pin(switchboard::signal(number));
        assert!(poll_once(given_up.as_mut()).is_pending());
        raise();
        // It has come, and the task was told; then it gives up.
        sleep(Duration::from_millis(1)).await;
        drop(given_up);
        assert!(timeout(DEADLINE, switchboard::signal(number)).await.unwrap().unwrap() >= 1);
        let mut interrupted = Box::pin(switchboard::interrupt());
        assert!(poll_once(interrupted.as_mut()).is_pending());
        kill_process(getpid(), Signal::TERM).unwrap();
        assert_eq!(timeout(DEADLINE, interrupted).await.unwrap().unwrap(), Signal::TERM.as_raw());
    };
    event_loop.block_on(main).unwrap();
}

/// Keeps what is reported.
fn reported(event_loop: &EventLoop) -> Rc<RefCell<Vec<String>>> {
    let failures = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&failures);
    event_loop.on_failure(move |failure| sink.borrow_mut().push(failure.message().to_owned()));
    failures
}

/// Much longer than anything here takes.
const PERIOD: Duration = Duration::from_secs(2);

const DEADLINE: Duration = Duration::from_secs(20);

#[test]
fn a_loop_may_end_with_its_thread() {
    thread_local! {
        static KEPT: Cell<Option<EventLoop>> = const { Cell::new(None) };
    }
    let (told, dropped) = channel();
    let thread = thread::spawn(move || {
        let event_loop = EventLoop::new().unwrap();
        let told = Told(told);
        event_loop
            .spawn(async move {
                std::future::pending::<Told>().await;
                drop(told);
            })
            .detach();
        event_loop.turn(Some(Duration::ZERO)).unwrap();
        KEPT.set(Some(event_loop));
    });
    thread.join().unwrap();
    dropped.recv_timeout(Duration::from_secs(20)).expect("its tasks are dropped with it");

    struct Told(Sender<()>);

    impl Drop for Told {
        fn drop(&mut self) {
            self.0.send(()).ok();
        }
    }
}

#[test]
fn a_task_that_goes_on_for_ever_needs_no_output() {
    let event_loop = EventLoop::new().unwrap();
    let task = event_loop.spawn(async {
        loop {
            yield_now().await;
        }
    });
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    assert!(!task.is_finished());
}
