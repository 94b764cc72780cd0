//! One task's life, played from its spawning to its loop's end, and what was reported of it.
//!
//! Handles are polled by hand, as another executor would: so they can be read after the loop's end, too, and no second
//! task takes part.

use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::Pin;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use switchboard::{EventLoop, Outcome, Task, scope};
use tracing::Level;

use crate::network::log::Log;
use crate::network::{DEADLINE, Network};
use crate::{End, Hold};

/// Plays it, and says what was reported.
pub(crate) fn play(network: &Network, end: End, hold: Hold) -> Vec<String> {
    let heard = Log::default();
    tracing::subscriber::with_default(heard.clone(), || match end {
        End::Value => Play::<u8>::new(network, end, hold, &heard).run(),
        _ => Play::<Result<Fine, Bad>>::new(network, end, hold, &heard).run(),
    });
    heard.at(Level::ERROR)
}

struct Play<T> {
    end: End,
    hold: Hold,
    /// What was reported, to the loop's handler or where no loop is.
    heard: Log,
    event_loop: Option<EventLoop>,
    cues: Arc<Cues<T>>,
    /// The handle, as long as it is just kept.
    task: Option<Task<T>>,
    /// The handle, where it is used up by a future that waits for the end.
    waits: Option<Waits>,
    elsewhere: Option<Receiver<()>>,
}

type Waits = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<T: Made> Play<T> {
    fn new(network: &Network, end: End, hold: Hold, heard: &Log) -> Self {
        let event_loop = network.event_loop();
        let handler = heard.clone();
        event_loop.on_failure(move |failure| handler.error(failure.to_string()));
        let heard = heard.clone();
        Self {
            end,
            hold,
            heard,
            event_loop: Some(event_loop),
            cues: Arc::default(),
            task: None,
            waits: None,
            elsewhere: None,
        }
    }

    fn run(mut self) {
        self.spawn();
        if self.end != End::CancelledBeforeItsFirstPoll {
            self.turn();
        }
        self.before_the_end();
        if self.hold.cancels() && !self.end.cancels_itself() {
            // From outside of a pass it is cancelled by the next.
            self.turn();
        }
        self.bring_about_the_end();
        self.after_the_end();
        self.event_loop = None;
        drop(self.task.take());
        if let Some(elsewhere) = self.elsewhere {
            elsewhere.recv_timeout(DEADLINE).expect("another thread waits for ever");
        }
    }

    fn spawn(&mut self) {
        let event_loop = self.event_loop.as_ref().expect("the loop has not ended");
        let act = Act { end: self.end, cues: Arc::clone(&self.cues) };
        if self.hold == Hold::ChildOfAScope {
            let parent = event_loop.spawn(scope(async move |scope| scope.spawn(act)));
            if self.end.cancels_itself() {
                *self.cues.cancel.lock().unwrap() = Some(Box::new(move || drop(parent)));
            } else {
                parent.detach();
            }
            return self.turn();
        }
        let task = if self.hold.spawns_elsewhere() {
            let handle = event_loop.handle();
            let task = thread::spawn(move || handle.spawn(act).unwrap()).join().unwrap();
            // It arrives in this pass, and runs in the next.
            event_loop.turn(Some(Duration::ZERO)).unwrap();
            task
        } else {
            event_loop.spawn(act)
        };
        self.task = Some(task);
    }

    fn before_the_end(&mut self) {
        let Some(mut task) = self.task.take() else { return };
        if self.end.cancels_itself() {
            return self.lay_the_handle_down(task);
        }
        match self.hold {
            Hold::DetachedAtOnce | Hold::SpawnedElsewhereAndDetached => task.detach(),
            Hold::DroppedWhileItRuns => drop(task),
            Hold::DroppedElsewhereWhileItRuns => self.elsewhere(move || drop(task)),
            Hold::CancelledAndWaitedFor => self.wait_with(async { mem::forget(task.cancel().await) }),
            Hold::Joined => self.wait_with(async { drop(task.join().await.map(mem::forget)) }),
            Hold::Awaited | Hold::SpawnedElsewhereAndAwaited => {
                self.wait_with(async { mem::forget(task.await) });
            }
            Hold::AwaitedByReferenceThenDropped => self.wait_with(async move {
                let mut task = task;
                mem::forget((&mut task).await);
            }),
            Hold::AwaitedInVainThenDropped => {
                let polled = Pin::new(&mut task).poll(&mut Context::from_waker(Waker::noop()));
                assert!(polled.is_pending());
                self.task = Some(task);
            }
            Hold::AwaitedElsewhere => self.await_elsewhere(task),
            _ => self.task = Some(task),
        }
    }

    fn bring_about_the_end(&mut self) {
        match self.end {
            End::CancelledBeforeItsFirstPoll | End::Cancelled | End::CancelledWithABadDestructor => {
                self.event_loop.as_ref().expect("the loop has not ended").wind_up().unwrap();
            }
            End::LoopEnds | End::LoopEndsWithABadDestructor => self.event_loop = None,
            _ => {
                self.cues.open();
                self.turn();
            }
        }
    }

    fn after_the_end(&mut self) {
        if let Some(mut waits) = self.waits.take().or_else(|| self.cues.waits.lock().unwrap().take()) {
            assert!(poll(&mut waits), "{:?}, {:?}: the end has not come", self.end, self.hold);
        }
        let Some(task) = self.task.take() else { return };
        assert!(task.is_finished());
        match self.hold {
            Hold::DetachedAfterItsEnd => task.detach(),
            Hold::CancelledAfterItsEnd => {
                self.wait_with(async { mem::forget(task.cancel().await) });
                assert!(self.waits.is_none());
            }
            Hold::DroppedUnread | Hold::AwaitedInVainThenDropped | Hold::SpawnedElsewhereAndDropped => {
                drop(task);
            }
            Hold::DroppedElsewhere => self.elsewhere(move || drop(task)),
            Hold::OutlivesTheLoop => self.task = Some(task),
            other => unreachable!("{other:?} does not keep the handle so long"),
        }
    }

    /// A task that cancels itself does it with its own handle.
    fn lay_the_handle_down(&mut self, task: Task<T>) {
        let cues = Arc::clone(&self.cues);
        *self.cues.cancel.lock().unwrap() = Some(match self.hold {
            Hold::CancelledAndWaitedFor => Box::new(move || {
                let mut waits: Waits = Box::pin(async { mem::forget(task.cancel().await) });
                assert!(!poll(&mut waits));
                *cues.waits.lock().unwrap() = Some(waits);
            }),
            _ => Box::new(move || drop(task)),
        });
    }

    fn wait_with(&mut self, waits: impl Future<Output = ()> + Send + 'static) {
        let mut waits: Waits = Box::pin(waits);
        if !poll(&mut waits) {
            self.waits = Some(waits);
        }
    }

    fn elsewhere(&self, code: impl FnOnce() + Send + 'static) {
        let heard = self.heard.clone();
        thread::spawn(move || tracing::subscriber::with_default(heard, code)).join().unwrap();
    }

    fn await_elsewhere(&mut self, task: Task<T>) {
        let heard = self.heard.clone();
        let (over, is_over) = channel();
        thread::spawn(move || {
            tracing::subscriber::with_default(heard, || {
                let waker = Arc::new(Unpark(thread::current())).into();
                let mut waits: Waits = Box::pin(async { mem::forget(task.await) });
                while !poll_with(&mut waits, &waker) {
                    thread::park();
                }
            });
            over.send(()).unwrap();
        });
        self.elsewhere = Some(is_over);
    }

    fn turn(&self) {
        let Some(event_loop) = &self.event_loop else { return };
        // A letter arrives, what it brings begins, and what that wakes runs.
        for _ in 0..4 {
            event_loop.turn(Some(Duration::ZERO)).unwrap();
        }
    }
}

/// Whether it is over. That it panics is what it observes.
fn poll(waits: &mut Waits) -> bool {
    poll_with(waits, Waker::noop())
}

fn poll_with(waits: &mut Waits, waker: &Waker) -> bool {
    let polled = catch_unwind(AssertUnwindSafe(|| waits.as_mut().poll(&mut Context::from_waker(waker))));
    polled.map_or(true, |polled| polled.is_ready())
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// What a task is told from outside, and tells.
struct Cues<T> {
    /// Whether to end, and who waits for that.
    open: Mutex<(bool, Option<Waker>)>,
    cancel: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    waits: Mutex<Option<Waits>>,
    _of: std::marker::PhantomData<fn() -> T>,
}

impl<T> Cues<T> {
    fn open(&self) {
        let mut open = self.open.lock().unwrap();
        open.0 = true;
        let waker = open.1.take();
        drop(open);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Default for Cues<T> {
    fn default() -> Self {
        Self {
            open: Mutex::default(),
            cancel: Mutex::default(),
            waits: Mutex::default(),
            _of: std::marker::PhantomData,
        }
    }
}

/// The future of the task.
struct Act<T> {
    end: End,
    cues: Arc<Cues<T>>,
}

impl<T: Made> Future for Act<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut open = self.cues.open.lock().unwrap();
        if !open.0 {
            open.1 = Some(cx.waker().clone());
            return Poll::Pending;
        }
        drop(open);
        let cancel = self.cues.cancel.lock().unwrap().take();
        if let Some(cancel) = cancel {
            cancel();
        }
        match self.end {
            End::PanicStr | End::CancelsItselfAndPanics => panic!("a &str"),
            End::PanicString => panic_any("a String".to_owned()),
            End::PanicOfNoText => panic_any(7),
            End::BadLocal => drop(Bomb("in a local's destructor")),
            End::CancelsItself => return Poll::Pending,
            _ => {}
        }
        Poll::Ready(T::made(self.end))
    }
}

impl<T> Drop for Act<T> {
    fn drop(&mut self) {
        if self.end.has_bad_destructor() {
            panic!("in a destructor");
        }
    }
}

/// What a task that ends so comes to.
trait Made: Outcome + Send + 'static {
    fn made(end: End) -> Self;
}

impl Made for u8 {
    fn made(_: End) -> Self {
        42
    }
}

impl Made for Result<Fine, Bad> {
    fn made(end: End) -> Self {
        match end {
            End::Error | End::CancelsItselfAndFails => Err(Bad { panics: false }),
            End::BadPrint => Err(Bad { panics: true }),
            End::BadOutput => Ok(Fine { _bomb: Some(Bomb("in the output's destructor")) }),
            _ => Ok(Fine { _bomb: None }),
        }
    }
}

struct Fine {
    _bomb: Option<Bomb>,
}

struct Bad {
    panics: bool,
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        assert!(!self.panics, "while it is printed");
        f.write_str("trouble")
    }
}

struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}
