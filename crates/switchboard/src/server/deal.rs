//! Connections on their way from the thread that accepts to one that serves.
//!
//! None is lost on it: what a thread did not take when it ended goes back to the thread that accepts.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::drain::Phase;
use crate::engine::Address;

/// A connection between two loops.
pub(super) type Dealt = (OwnedFd, Address);

/// The queue of one thread.
#[derive(Debug)]
pub(super) struct Deal {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    queue: VecDeque<Dealt>,
    phase: Phase,
    has_begun: bool,
    /// The serving thread has ended, or is to end without a drain.
    is_over: bool,
    waker: Option<Waker>,
}

impl Deal {
    pub(super) fn new() -> Self {
        let state = State {
            queue: VecDeque::new(),
            phase: Phase::Serving,
            has_begun: false,
            is_over: false,
            waker: None,
        };
        Self { state: Mutex::new(state) }
    }

    /// The serving thread runs.
    pub(super) fn begin(&self) {
        self.lock().has_begun = true;
    }

    pub(super) fn has_begun(&self) -> bool {
        self.lock().has_begun
    }

    /// Puts a connection in. It comes back when the thread has ended, or takes nobody any more.
    pub(super) fn put(&self, dealt: Dealt) -> Result<(), Dealt> {
        let mut state = self.lock();
        if state.is_over || state.phase == Phase::Closed {
            return Err(dealt);
        }
        state.queue.push_back(dealt);
        wake(state);
        Ok(())
    }

    /// Takes the next one; none when nobody can come any more.
    pub(super) fn poll_take(&self, cx: &Context<'_>) -> Poll<Option<Dealt>> {
        let mut state = self.lock();
        match state.queue.pop_front() {
            Some(dealt) => Poll::Ready(Some(dealt)),
            None if state.phase == Phase::Closed => Poll::Ready(None),
            None => wait(state, cx),
        }
    }

    /// Says how far the server is. There is no way back.
    pub(super) fn enter(&self, phase: Phase) {
        let mut state = self.lock();
        if state.phase < phase {
            state.phase = phase;
            wake(state);
        }
    }

    /// Waits until the server drains.
    pub(super) fn poll_draining(&self, cx: &Context<'_>) -> Poll<()> {
        let state = self.lock();
        if state.phase == Phase::Serving { wait(state, cx) } else { Poll::Ready(()) }
    }

    /// Waits until the thread is to end at once.
    pub(super) fn poll_over(&self, cx: &Context<'_>) -> Poll<()> {
        let state = self.lock();
        if state.is_over { Poll::Ready(()) } else { wait(state, cx) }
    }

    /// Ends it: what was not taken comes back.
    pub(super) fn end(&self) -> VecDeque<Dealt> {
        let mut state = self.lock();
        state.is_over = true;
        let left = std::mem::take(&mut state.queue);
        wake(state);
        left
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes who waits on it, without the lock.
fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Has the one task wait that serves from it; whatever it waits for, it looks at everything again.
fn wait<T>(mut state: MutexGuard<'_, State>, cx: &Context<'_>) -> Poll<T> {
    let old = state.waker.replace(cx.waker().clone());
    drop(state);
    drop(old);
    Poll::Pending
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::task::Waker;

    use super::*;

    fn dealt() -> Dealt {
        (std::io::stderr().as_fd().try_clone_to_owned().unwrap(), "127.0.0.1:1".parse().unwrap())
    }

    /// Its grace period may be over before that of the thread that accepts.
    #[test]
    fn a_thread_that_takes_nobody_any_more_sends_them_back() {
        let (deal, cx) = (Deal::new(), Context::from_waker(Waker::noop()));
        deal.enter(Phase::Draining);
        deal.put(dealt()).unwrap();
        deal.enter(Phase::Closed);
        // The thread that accepts is not so far yet.
        deal.enter(Phase::Draining);
        assert!(deal.put(dealt()).is_err());
        assert!(matches!(deal.poll_take(&cx), Poll::Ready(Some(_))));
        assert!(matches!(deal.poll_take(&cx), Poll::Ready(None)));
    }
}
