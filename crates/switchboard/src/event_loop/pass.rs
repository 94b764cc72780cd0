//! One pass of the loop: wait → settle what finished → take what other threads sent → expire timers → run.
//!
//! What was ready when the running began is run; what becomes ready meanwhile waits for the next pass, so nothing can
//! starve the sockets. User code runs in that one place, with nothing of the loop borrowed; and each of it under
//! [`protect`](EventLoop::protect), so a panic is reported and ends nothing else.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use std::{io, mem};

use super::rows::{Row, Waiter};
use super::{Callback, EventLoop, Next, Ready, current, watch};
use crate::engine::Ticket;

impl EventLoop {
    /// One pass, sleeping for as long as [`next`](Self::next) allows and at most for `longest`.
    ///
    /// # Errors
    ///
    /// What [`Engine::wait`](crate::engine::Engine::wait) answers, and [`io::ErrorKind::Deadlock`] when called from a callback of this loop.
    /// Where a simulated engine answers that nothing can ever happen again, of the same kind, the message lists all that
    /// is [waiting](Self::waiting).
    pub fn turn(&self, longest: Option<Duration>) -> io::Result<()> {
        self.check_not_turning()?;
        let _turning = Turning::begin(self);
        self.wait(longest)?;
        self.settle();
        let count = self.core.ready.borrow().len();
        for _ in 0..count {
            self.run_one();
        }
        Ok(())
    }

    /// Refuses to be turned from within.
    pub(crate) fn check_not_turning(&self) -> io::Result<()> {
        if !current::can_be_entered() {
            return Err(io::Error::other("no loop can run on this thread any more: it is ending"));
        }
        if !self.core.turning.get() {
            return Ok(());
        }
        let message = "a callback cannot turn its own loop: return from it, or use `soon`";
        Err(io::Error::new(io::ErrorKind::Deadlock, message))
    }

    /// Runs code as a pass runs a callback: with this loop as the current one.
    pub(crate) fn within<R>(&self, code: impl FnOnce() -> R) -> R {
        let _turning = Turning::begin(self);
        code()
    }

    fn wait(&self, longest: Option<Duration>) -> io::Result<()> {
        let core = &*self.core;
        let until = match self.due() {
            Next::Now => Some(core.engine.borrow().now()),
            Next::At(due) => Some(due),
            Next::Never => None,
        };
        let bound = longest.and_then(|longest| core.engine.borrow().clock().checked_add(longest));
        let until = [until, bound].into_iter().flatten().min();
        let waited = core.engine.borrow_mut().wait(until, &mut core.finished.borrow_mut());
        waited.map_err(|error| match error.kind() {
            io::ErrorKind::Deadlock => self.explain(error),
            _ => error,
        })
    }

    /// Queues what has become ready: finished operations, mail of other threads, timers that are due. Wakers are woken
    /// right here: all that is, as a rule, is one more in the queue.
    fn settle(&self) {
        let core = &*self.core;
        let mut finished = mem::take(&mut *core.finished.borrow_mut());
        for ticket in finished.drain(..) {
            self.settle_one(ticket);
        }
        // The same buffer for the next pass.
        *core.finished.borrow_mut() = finished;
        if core.inbox.has_mail() {
            let (letters, woken) = core.inbox.take();
            let mut ready = core.ready.borrow_mut();
            ready.extend(woken.into_iter().map(Ready::Callback));
            for letter in letters {
                ready.push_back(Ready::Callback(core.rows.borrow_mut().insert(Row::Once(letter))));
            }
        }
        let now = core.engine.borrow().now();
        // Not more than there are: a waker may set the next.
        let count = core.timers.borrow().len();
        for _ in 0..count {
            let due = core.timers.borrow_mut().pop_due(now);
            let Some(key) = due else { break };
            self.timer_is_over(key);
        }
    }

    fn settle_one(&self, ticket: Ticket) {
        let core = &*self.core;
        let mut waiting = core.waiting.borrow_mut();
        match waiting.get(ticket) {
            Some(Waiter::Waker(_)) => {
                let waiter = waiting.remove(ticket);
                drop(waiting);
                if let Some(Waiter::Waker(waker)) = waiter {
                    self.protect(|| waker.wake());
                }
            }
            Some(_) => core.ready.borrow_mut().push_back(Ready::Finished(ticket)),
            // Withdrawn since it finished: then the engine has taken the outcome back.
            None => {}
        }
    }

    fn timer_is_over(&self, key: Callback) {
        let mut rows = self.core.rows.borrow_mut();
        if let Some(Row::Sleep(..)) = rows.get(key) {
            let row = rows.remove(key);
            drop(rows);
            if let Some(Row::Sleep(_, waker)) = row {
                self.protect(|| waker.wake());
            }
            return;
        }
        if let Some(row) = rows.get_mut(key) {
            row.timer_is_over();
        }
        self.core.ready.borrow_mut().push_back(Ready::Callback(key));
    }

    /// Runs what has been ready longest.
    fn run_one(&self) {
        let Some(first) = self.core.ready.borrow_mut().pop_front() else { return };
        self.protect(|| match first {
            Ready::Callback(key) => self.call(key, Ok(1)),
            Ready::Finished(ticket) => self.complete(ticket),
        });
    }

    fn complete(&self, ticket: Ticket) {
        // Withdrawn since it finished: then the engine has taken the outcome back.
        let Some(waiter) = self.core.waiting.borrow_mut().remove(ticket) else { return };
        let outcome = self.core.engine.borrow_mut().take(ticket);
        match waiter {
            Waiter::Completion(completion) => completion.complete(self, ticket, outcome),
            Waiter::Watch(key) => self.call(key, watch::count(outcome)),
            Waiter::Waker(waker) => waker.wake(),
        }
    }

    fn call(&self, key: Callback, count: io::Result<u64>) {
        let mut rows = self.core.rows.borrow_mut();
        match rows.get_mut(key) {
            Some(Row::Watch(_)) => {
                drop(rows);
                self.call_watch(key, count);
            }
            Some(Row::Alarm(alarm, woken)) => {
                alarm.rearm();
                let woken = Rc::clone(woken);
                drop(rows);
                woken.woken(self, key);
            }
            Some(_) => {
                let row = rows.remove(key);
                drop(rows);
                if let Some(Row::Once(callback) | Row::Timer(_, callback)) = row {
                    callback(self);
                }
            }
            // Cancelled while it was ready.
            None => {}
        }
    }
}

/// A pass under way; over when this is dropped, however it ends.
struct Turning<'a> {
    turning: &'a Cell<bool>,
    _entered: current::Entered,
}

impl<'a> Turning<'a> {
    fn begin(event_loop: &'a EventLoop) -> Self {
        let turning = &event_loop.core.turning;
        turning.set(true);
        Self { turning, _entered: current::enter(event_loop) }
    }
}

impl Drop for Turning<'_> {
    fn drop(&mut self) {
        self.turning.set(false);
    }
}
