//! Wakers: from other threads, after the loop's end, and with code of their own that re-enters or panics.
//!
//! Also what endless waking must not do: keep timers, sockets or other tasks from their turn.
#![allow(clippy::disallowed_methods, reason = "tests have threads, and guard themselves by the real clock")]

mod network;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use network::{Network, on_every_engine, pair, until};
use switchboard::engine::{Direction, Done, Op, Submitted};
use switchboard::{EventLoop, Handle, Sleep, Task, sleep, spawn, yield_now};

on_every_engine! {
    c3_waking_while_the_loop_ends_is_harmless,
    c3_waking_after_the_loops_end_is_harmless,
    c4_wakers_are_cloned_woken_and_dropped_on_other_threads,
    c5_the_main_future_is_woken_again_and_again_from_another_thread,
    c6_no_wake_of_many_threads_is_lost,
    c8_a_waker_may_use_the_loop_when_it_is_cloned_woken_and_dropped,
    c10_b17_tasks_that_yield_for_ever_starve_neither_timers_nor_sockets,
    c11_a_task_whose_things_are_always_ready_lets_others_run,
    c13_a_waker_that_panics_is_reported_and_ends_nothing,
}

/// Hands the waker of a task out.
fn waker_of_a_task(event_loop: &EventLoop) -> Waker {
    let slot = Rc::new(RefCell::new(None));
    let sink = Rc::clone(&slot);
    let task = event_loop.spawn(poll_fn(move |cx| {
        *sink.borrow_mut() = Some(cx.waker().clone());
        Poll::<()>::Pending
    }));
    task.detach();
    until(event_loop, "the first poll", || slot.borrow().is_some());
    slot.take().unwrap()
}

fn c3_waking_while_the_loop_ends_is_harmless(network: &Network) {
    for _ in 0..300 {
        let event_loop = network.event_loop();
        let waker = waker_of_a_task(&event_loop);
        let (begun, has_begun) = channel();
        let other = thread::spawn(move || {
            begun.send(()).unwrap();
            for _ in 0..20 {
                let clone = waker.clone();
                clone.wake_by_ref();
                drop(clone);
            }
        });
        has_begun.recv().unwrap();
        drop(event_loop);
        other.join().unwrap();
    }
}

fn c3_waking_after_the_loops_end_is_harmless(network: &Network) {
    let event_loop = network.event_loop();
    let waker = waker_of_a_task(&event_loop);
    drop(event_loop);
    waker.wake_by_ref();
    thread::spawn(move || waker.wake()).join().unwrap();
}

fn c4_wakers_are_cloned_woken_and_dropped_on_other_threads(network: &Network) {
    let event_loop = network.event_loop();
    let handle = event_loop.handle();
    let polls = Rc::new(Cell::new(0));
    let counter = Rc::clone(&polls);
    let task = event_loop.spawn(poll_fn(move |cx| {
        counter.set(counter.get() + 1);
        if counter.get() == 50 {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        thread::spawn(move || {
            let clones = [waker.clone(), waker.clone(), waker];
            for clone in &clones {
                clone.wake_by_ref();
            }
            thread::spawn(move || drop(clones)).join().unwrap();
        });
        Poll::Pending
    }));
    event_loop.block_on(task).unwrap();
    assert_eq!(polls.get(), 50);
    drop(handle);
}

fn c5_the_main_future_is_woken_again_and_again_from_another_thread(network: &Network) {
    let event_loop = network.event_loop();
    let handle = event_loop.handle();
    let (ask, asked) = channel::<Waker>();
    let other = thread::spawn(move || asked.iter().for_each(Waker::wake));
    let mut pendings = 0;
    let main = poll_fn(move |cx| {
        pendings += 1;
        if pendings > 1000 {
            return Poll::Ready(());
        }
        ask.send(cx.waker().clone()).unwrap();
        Poll::Pending
    });
    event_loop.block_on(main).unwrap();
    other.join().unwrap();
    drop(handle);
}

/// Each thread counts up, then wakes; the task ends when it has seen all. A wake that is lost makes it hang.
fn c6_no_wake_of_many_threads_is_lost(network: &Network) {
    let event_loop = network.event_loop();
    let handle = event_loop.handle();
    for _ in 0..20 {
        let count = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&count);
        let mut threads = Vec::new();
        let main = poll_fn(|cx| {
            if threads.is_empty() {
                threads.extend((0..4).map(|_| {
                    let (waker, count) = (cx.waker().clone(), Arc::clone(&count));
                    thread::spawn(move || {
                        for _ in 0..2_000 {
                            count.fetch_add(1, Ordering::Relaxed);
                            waker.wake_by_ref();
                        }
                    })
                }));
            }
            if seen.load(Ordering::Relaxed) == 8_000 { Poll::Ready(()) } else { Poll::Pending }
        });
        event_loop.block_on(main).unwrap();
        for thread in threads {
            thread.join().unwrap();
        }
    }
    drop(handle);
}

/// A waker whose wake and drop do something with what it was given to.
struct Reenters(Mutex<Box<dyn FnMut() + Send>>);

impl Reenters {
    fn waker(code: impl FnMut() + Send + 'static) -> Waker {
        Arc::new(Self(Mutex::new(Box::new(code)))).into()
    }
}

impl Wake for Reenters {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        (self.0.lock().unwrap())();
    }
}

impl Drop for Reenters {
    fn drop(&mut self) {
        (self.0.get_mut().unwrap())();
    }
}

fn poll_once<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

fn c8_a_waker_may_use_the_loop_when_it_is_cloned_woken_and_dropped(network: &Network) {
    let event_loop = network.event_loop();
    let failures = reported(&event_loop);
    let (ours, _theirs) = pair(&mut **event_loop.engine());
    let times = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&times);
    let fresh = move || {
        let counter = Arc::clone(&counter);
        Reenters::waker(move || {
            counter.fetch_add(1, Ordering::Relaxed);
            // Asks for timers, rows, alarms, operations and the engine's clock, in whatever loop runs.
            assert!(poll_once(&mut Box::pin(switchboard::signal(SIGUSR2)), Waker::noop()).is_pending());
            spawn(async { sleep(Duration::from_millis(1)).await }).detach();
            let mut sleep = Box::pin(sleep(Duration::from_secs(1)));
            assert!(poll_once(&mut sleep, Waker::noop()).is_pending());
        })
    };
    let shared: Arc<Mutex<Option<Task<()>>>> = Arc::default();
    let own = Arc::clone(&shared);
    let looked = Arc::new(AtomicUsize::new(0));
    let mut looker = None;
    let main = poll_fn(|_| {
        // Each is polled with two wakers: the first is dropped for the second, within our code.
        let mut long: Pin<Box<Sleep>> = Box::pin(sleep(Duration::from_secs(3600)));
        let mut task = spawn(std::future::pending::<()>());
        let op = Op::Ready { socket: ours, direction: Direction::Read };
        let Submitted::Pending(ticket) = event_loop.begin(op, &fresh()) else { panic!("nothing is there") };
        for _ in 0..2 {
            assert!(poll_once(&mut long, &fresh()).is_pending());
            assert!(poll_once(&mut task, &fresh()).is_pending());
            assert!(event_loop.poll_taken(ticket, &fresh()).is_pending());
        }
        event_loop.withdraw(ticket);
        drop(long);
        // Woken when the task ends, it looks at that very task; and once more when it is dropped.
        let (looks, looked) = (Arc::clone(&own), Arc::clone(&looked));
        let waker = Reenters::waker(move || {
            assert!(looks.lock().unwrap().as_ref().is_some_and(Task::is_finished));
            looked.fetch_add(1, Ordering::Relaxed);
        });
        let mut ends = spawn(async {});
        assert!(poll_once(&mut ends, &waker).is_pending());
        *own.lock().unwrap() = Some(ends);
        looker = Some(waker);
        Poll::Ready(())
    });
    event_loop.block_on(main).unwrap();
    event_loop.block_on(async { sleep(Duration::from_millis(5)).await }).unwrap();
    assert_eq!(looked.load(Ordering::Relaxed), 1);
    drop(looker);
    assert_eq!(looked.load(Ordering::Relaxed), 2, "only the test still had it");
    assert!(shared.lock().unwrap().take().is_some_and(|task| task.is_finished()));
    assert_eq!(times.load(Ordering::Relaxed), 7, "each waker was dropped once");
    assert_eq!(*failures.borrow(), [""; 0]);
}

fn c10_b17_tasks_that_yield_for_ever_starve_neither_timers_nor_sockets(network: &Network) {
    let event_loop = network.event_loop();
    for _ in 0..10 {
        let storm = async {
            loop {
                yield_now().await;
            }
        };
        event_loop.spawn(storm).detach();
    }
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let arrived = Rc::new(Cell::new(false));
    let seen = Rc::clone(&arrived);
    event_loop.on_readable(ours, move |_, _| seen.set(true));
    event_loop.block_on(async { sleep(Duration::from_millis(10)).await }).unwrap();
    let sent = event_loop.engine().try_send(theirs, &[std::io::IoSlice::new(b"ping")]);
    assert_eq!(sent.unwrap(), 4);
    until(&event_loop, "the socket's turn", || arrived.get());
}

/// Succeeding or failing, what is ready at once counts.
fn c11_a_task_whose_things_are_always_ready_lets_others_run(network: &Network) {
    let event_loop = network.event_loop();
    let done = Rc::new(Cell::new(0));
    for kind in 0..2 {
        let counter = Rc::clone(&done);
        let greedy = event_loop.spawn(async move {
            let mut over = pin!(sleep(Duration::ZERO));
            loop {
                match kind {
                    0 => (&mut over).await,
                    _ => drop(fail().await),
                }
                counter.set(counter.get() + 1);
            }
        });
        let before = done.get();
        event_loop.block_on(async { (yield_now().await, yield_now().await) }).unwrap();
        event_loop.block_on(async { yield_now().await }).unwrap();
        let times = done.get() - before;
        assert!((1..2_000).contains(&times), "{times} in a few passes");
        drop(greedy);
        event_loop.turn(Some(Duration::ZERO)).unwrap();
    }
}

/// Fails as often as it is asked, at once: there is no signal of this number.
async fn fail() -> std::io::Result<u64> {
    switchboard::signal(-1).await
}

fn c13_a_waker_that_panics_is_reported_and_ends_nothing(network: &Network) {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("in a waker");
        }
    }
    let event_loop = network.event_loop();
    let failures = reported(&event_loop);
    let waker = Waker::from(Arc::new(Panics));
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let mut task = event_loop.spawn(async { 5 });
    assert!(poll_once(&mut task, &waker).is_pending());
    event_loop.wake_at(event_loop.now(), &waker);
    let ready = Op::Ready { socket: ours, direction: Direction::Read };
    let Submitted::Pending(ticket) = event_loop.begin(ready, &waker) else { panic!("nothing is there") };
    event_loop.engine().try_send(theirs, &[std::io::IoSlice::new(b"ping")]).unwrap();
    until(&event_loop, "three panics", || failures.borrow().len() == 3);
    assert_eq!(*failures.borrow(), ["in a waker"; 3]);
    assert_eq!(event_loop.block_on(task).unwrap(), 5);
    assert!(matches!(event_loop.poll_taken(ticket, &waker), Poll::Ready(Ok(Done::Ready))));
}

/// Keeps what is reported.
fn reported(event_loop: &EventLoop) -> Rc<RefCell<Vec<String>>> {
    let failures = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&failures);
    event_loop.on_failure(move |failure| sink.borrow_mut().push(failure.message().to_owned()));
    failures
}

/// A handle may be used and dropped anywhere.
#[test]
fn c4_handles_cross_threads() {
    fn crosses<T: Send + Sync>() {}
    crosses::<Handle>();
}

/// Its number on Linux; elsewhere it is some other that nobody sends.
const SIGUSR2: i32 = 12;
