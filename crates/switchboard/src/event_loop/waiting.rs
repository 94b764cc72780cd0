//! Waiting by waker, as futures do: for the end of an operation, and for a moment.
//!
//! Whoever waits so is woken while the pass settles what finished, and takes the outcome when it runs; until
//! then the engine has it, so one that is given up in between has lost nothing (law 3).

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
            self.core.waiting.borrow_mut().insert(ticket, Waiter::Waker(waker.clone()));
        }
        submitted
    }

    /// Takes the outcome of an operation that was [begun](Self::begin), or has this waker woken when it is finished.
    ///
    /// # Errors
    ///
    /// As [`Engine::take`](crate::engine::Engine::take).
    pub fn poll_taken(&self, ticket: Ticket, waker: &Waker) -> Poll<Result<Done, Failed>> {
        if let Some(Waiter::Waker(waiting)) = self.core.waiting.borrow_mut().get_mut(ticket) {
            waiting.clone_from(waker);
            return Poll::Pending;
        }
        Poll::Ready(self.core.engine.borrow_mut().take(ticket))
    }

    /// Wakes the waker at this moment, or in the next pass if it is over. Never early.
    pub fn wake_at(&self, due: Instant, waker: &Waker) -> Callback {
        let mut timers = self.core.timers.borrow_mut();
        let waker = waker.clone();
        self.core.rows.borrow_mut().insert_with_key(|key| Row::Sleep(timers.insert(due, key), waker))
    }

    /// Whether the moment of a [`wake_at`](Self::wake_at) has come; if not, this waker is woken then.
    pub fn poll_woken(&self, sleep: Callback, waker: &Waker) -> Poll<()> {
        match self.core.rows.borrow_mut().get_mut(sleep) {
            Some(Row::Sleep(_, waiting)) => {
                waiting.clone_from(waker);
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
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
