//! Waiting by waker, as futures do: for the end of an operation, and for a moment.
//!
//! Whoever waits so is woken while the pass settles what finished, and takes the outcome when it runs; until
//! then the engine has it, so one that is given up in between has lost nothing (law 3). Wakers are others' code: they
//! are cloned and dropped with nothing borrowed.

use std::mem;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Instant;

use super::rows::{Row, Waiter};
use super::{Callback, EventLoop};
use crate::engine::{Done, Failed, Op, Submitted, Ticket};
use crate::event_loop::alarm::{Alarm, Woken};

impl EventLoop {
    /// Begins an operation. If it is pending, the waker is woken when it is finished; then
    /// [`poll_taken`](Self::poll_taken) takes the outcome, or [`withdraw`](Self::withdraw) gives it up.
    pub fn begin(&self, op: Op, waker: &Waker) -> Submitted {
        let submitted = self.core.engine.borrow_mut().submit(op);
        if let Submitted::Pending(ticket) = submitted {
            let waker = waker.clone();
            self.core.waiting.borrow_mut().insert(ticket, Waiter::Waker(waker));
        }
        submitted
    }

    /// Takes the outcome of an operation that was [begun](Self::begin), or has this waker woken when it is finished.
    ///
    /// # Errors
    ///
    /// As [`Engine::take`](crate::engine::Engine::take).
    pub fn poll_taken(&self, ticket: Ticket, waker: &Waker) -> Poll<Result<Done, Failed>> {
        let core = &*self.core;
        let is_same = match core.waiting.borrow().get(ticket) {
            Some(Waiter::Waker(waiting)) => Some(waiting.will_wake(waker)),
            _ => None,
        };
        match is_same {
            None => return Poll::Ready(core.engine.borrow_mut().take(ticket)),
            Some(true) => {}
            Some(false) => {
                let mut other = waker.clone();
                if let Some(Waiter::Waker(waiting)) = core.waiting.borrow_mut().get_mut(ticket) {
                    mem::swap(waiting, &mut other);
                }
            }
        }
        Poll::Pending
    }

    /// Wakes the waker at this moment, or in the next pass if it is over. Never early.
    pub fn wake_at(&self, due: Instant, waker: &Waker) -> Callback {
        let waker = waker.clone();
        let mut timers = self.core.timers.borrow_mut();
        self.core.rows.borrow_mut().insert_with_key(|key| Row::Sleep(timers.insert(due, key), waker))
    }

    /// Whether the moment of a [`wake_at`](Self::wake_at) has come; if not, this waker is woken then.
    pub fn poll_woken(&self, sleep: Callback, waker: &Waker) -> Poll<()> {
        let rows = &self.core.rows;
        let is_same = match rows.borrow().get(sleep) {
            Some(Row::Sleep(_, waiting)) => waiting.will_wake(waker),
            _ => return Poll::Ready(()),
        };
        if !is_same {
            let mut other = waker.clone();
            if let Some(Row::Sleep(_, waiting)) = rows.borrow_mut().get_mut(sleep) {
                mem::swap(waiting, &mut other);
            }
        }
        Poll::Pending
    }

    /// Calls back whenever the waker that comes with it was woken, from whatever thread, until it is
    /// [cancelled](Self::cancel). Waking it then, or when the loop has ended, does nothing.
    pub fn on_wake(&self, woken: Rc<dyn Woken>) -> (Callback, Waker) {
        let spare = self.core.spare_alarms.borrow_mut().pop();
        let mut waker = None;
        let name = self.core.rows.borrow_mut().insert_with_key(|name| {
            let alarm = spare.and_then(|alarm| Alarm::renamed(alarm, name));
            let alarm = alarm.unwrap_or_else(|| Alarm::new(&self.core.inbox, name));
            waker = Some(alarm.waker());
            Row::Alarm(alarm, woken)
        });
        (name, waker.expect("made as the row was"))
    }
}
