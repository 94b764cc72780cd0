//! Where a task's end is kept until somebody reads it, and what becomes of it if nobody does.
//!
//! A slot is shared by the task's row in the loop and its handle, which may be on another thread. Its lock is held
//! for moments, never while an output is dropped, a waker woken, or a failure reported.

use std::any::Any;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::{error, fmt, mem};

use super::about::About;
use super::tasks::Tasks;
use crate::event_loop::{Callback, Failure};

/// How a task ended that has no output.
pub enum Ended {
    /// It panicked, with this.
    Panicked(Box<dyn Any + Send>),
    /// It was cancelled: by its loop's end, or its scope's.
    Cancelled,
}

/// One task's.
pub(super) struct Slot<T> {
    about: About,
    /// The failure an output means, as text.
    failure: fn(&T) -> Option<String>,
    state: Mutex<State<T>>,
}

enum State<T> {
    /// Not ended yet.
    Running {
        stage: Stage,
        /// Whether there is a handle that could read the end.
        held: bool,
        awaiter: Option<Waker>,
    },
    /// Ended, and not read.
    Unread(Result<T, Ended>),
    /// Ended; read, or told of to whom it may concern.
    Over,
}

/// How far a task that has not ended has come.
#[derive(Clone, Copy)]
enum Stage {
    /// On its way to the loop.
    Unborn,
    /// On its way still, and not to begin when it arrives.
    Stillborn,
    /// In the loop, by this name.
    Begun(Callback),
}

/// A slot as the row of its task sees it, whatever the type of the output.
pub(super) trait Ending {
    fn about(&self) -> &About;
    /// The future is dropped, and this is how it ended.
    fn ended(&self, how: Ended);
    /// Tells of the waker of who awaits it, if somebody does.
    fn awaiter(&self, tell: &mut dyn FnMut(&Waker, String));
}

impl<T> Slot<T> {
    pub(super) fn new(about: About, failure: fn(&T) -> Option<String>) -> Self {
        let state = State::Running { stage: Stage::Unborn, held: true, awaiter: None };
        Self { about, failure, state: Mutex::new(state) }
    }

    pub(super) fn about(&self) -> &About {
        &self.about
    }

    /// Notes the name under which the task runs. Whether it is to: it has not been cancelled on its way.
    pub(super) fn begin(&self, name: Callback) -> bool {
        match &mut *self.lock() {
            State::Running { stage: stage @ Stage::Unborn, .. } => {
                *stage = Stage::Begun(name);
                true
            }
            _ => false,
        }
    }

    /// The name under which the task runs.
    pub(super) fn name(&self) -> Option<Callback> {
        match &*self.lock() {
            State::Running { stage: Stage::Begun(name), .. } => Some(*name),
            _ => None,
        }
    }

    /// Takes the end in: for the handle if there is one, otherwise for the failure handler.
    pub(super) fn end(&self, end: Result<T, Ended>) {
        let mut state = self.lock();
        if let State::Running { held: true, awaiter, .. } = &mut *state {
            let awaiter = awaiter.take();
            *state = State::Unread(end);
            drop(state);
            if let Some(awaiter) = awaiter {
                self.about.guard("woke somebody who panicked", || awaiter.wake());
            }
            return;
        }
        let old = mem::replace(&mut *state, State::Over);
        drop(state);
        drop(old);
        self.report(end);
    }

    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<T, Ended>> {
        // Dropped after the lock: wakers are others' code.
        let mut other;
        let mut state = self.lock();
        if let State::Running { awaiter, .. } = &*state {
            if awaiter.as_ref().is_some_and(|awaiter| awaiter.will_wake(cx.waker())) {
                return Poll::Pending;
            }
            drop(state);
            other = Some(cx.waker().clone());
            state = self.lock();
            if let State::Running { awaiter, .. } = &mut *state {
                mem::swap(awaiter, &mut other);
                drop(state);
                return Poll::Pending;
            }
        }
        let old = mem::replace(&mut *state, State::Over);
        drop(state);
        match old {
            State::Unread(end) => Poll::Ready(end),
            _ => panic!("{} was awaited again after its end was read", self.about),
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        !matches!(&*self.lock(), State::Running { .. })
    }

    /// Nobody will read the end; the task goes on.
    pub(super) fn detach(&self) {
        let mut state = self.lock();
        match &mut *state {
            State::Running { held, awaiter, .. } => {
                *held = false;
                let awaiter = awaiter.take();
                drop(state);
                drop(awaiter);
            }
            _ => self.finish_unread(state),
        }
    }

    /// Cancels the task; its end can still be read.
    pub(super) fn cancel(&self) {
        let mut state = self.lock();
        let State::Running { stage, .. } = &mut *state else { return };
        match *stage {
            Stage::Begun(name) => {
                drop(state);
                self.about.home.reach(move |event_loop| Tasks::cancel(event_loop, name));
            }
            Stage::Unborn | Stage::Stillborn => *stage = Stage::Stillborn,
        }
    }

    /// Nobody will read the end: a task that runs is cancelled. One that was detached runs for nobody anyway.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        match &mut *state {
            State::Running { held: false, .. } => {}
            State::Running { held, awaiter, .. } => {
                *held = false;
                let awaiter = awaiter.take();
                drop(state);
                drop(awaiter);
                self.cancel();
            }
            _ => self.finish_unread(state),
        }
    }

    fn finish_unread(&self, mut state: MutexGuard<'_, State<T>>) {
        let old = mem::replace(&mut *state, State::Over);
        drop(state);
        if let State::Unread(end) = old {
            self.report(end);
        }
    }

    /// Reports an end that nobody reads, if it is a failure, and drops it.
    pub(super) fn report(&self, end: Result<T, Ended>) {
        let about = &self.about;
        match end {
            Ok(output) => {
                let failure = about.guard("panicked when its error was printed", || (self.failure)(&output));
                if let Some(message) = failure.flatten() {
                    about.report("failed", message);
                }
                about.guard("panicked when its output was dropped", || drop(output));
            }
            Err(Ended::Panicked(panic)) => about.report_panic("panicked", panic),
            Err(Ended::Cancelled) => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Ending for Slot<T> {
    fn about(&self) -> &About {
        &self.about
    }

    fn ended(&self, how: Ended) {
        self.end(Err(how));
    }

    fn awaiter(&self, tell: &mut dyn FnMut(&Waker, String)) {
        if let State::Running { awaiter: Some(awaiter), .. } = &*self.lock() {
            tell(awaiter, format!("waits for the end of {}", self.about));
        }
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(panic) => write!(f, "Panicked({:?})", Failure::message_of(&**panic)),
            Self::Cancelled => f.write_str("Cancelled"),
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(panic) => write!(f, "the task panicked: {}", Failure::message_of(&**panic)),
            Self::Cancelled => f.write_str("the task was cancelled"),
        }
    }
}

impl error::Error for Ended {}
