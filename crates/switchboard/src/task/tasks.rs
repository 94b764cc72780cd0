//! The tasks of one loop: a row each, named by the alarm that its waker is.
//!
//! While a future is polled it is away from its row, so that whatever it does, to its own task too, finds nothing
//! borrowed. Futures that are cancelled are dropped at once; those that are cancelled by the dropping of one are
//! dropped after it, not within it, so that a long chain of tasks that hold each other needs no deep stack.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use slotmap::SecondaryMap;

use super::budget;
use super::slot::{Ended, Ending};
use crate::event_loop::{Callback, EventLoop, Local, Woken};

/// A task's future, with the end that it brings about wrapped in.
pub(super) type Body = Pin<Box<dyn Future<Output = ()>>>;

/// All tasks of a loop.
#[derive(Default)]
pub(super) struct Tasks {
    rows: RefCell<SecondaryMap<Callback, Row>>,
    /// Futures to be dropped.
    graves: RefCell<VecDeque<(Body, Arc<dyn Ending>)>>,
    burying: Cell<bool>,
}

/// One task.
struct Row {
    life: Life,
    ending: Arc<dyn Ending>,
}

enum Life {
    Resting(Body, Waker),
    /// Its future is away, being polled.
    Polled,
    /// The same, and it is to be dropped when it comes back.
    Cancelled,
}

impl Tasks {
    /// Adds a task, to be run in the next pass.
    pub(super) fn add(event_loop: &EventLoop, ending: Arc<dyn Ending>, body: Body) -> Callback {
        let tasks = event_loop.local::<Self>();
        let (name, waker) = event_loop.on_wake(Rc::<Self>::clone(&tasks));
        waker.wake_by_ref();
        tasks.rows.borrow_mut().insert(name, Row { life: Life::Resting(body, waker), ending });
        name
    }

    /// Drops a task's future, now or as soon as it is not being polled.
    pub(super) fn cancel(event_loop: &EventLoop, name: Callback) {
        let tasks = event_loop.local::<Self>();
        let mut rows = tasks.rows.borrow_mut();
        let Some(row) = rows.get_mut(name) else { return };
        match row.life {
            Life::Polled | Life::Cancelled => row.life = Life::Cancelled,
            Life::Resting(..) => {
                let row = rows.remove(name);
                drop(rows);
                event_loop.cancel(name);
                if let Some(Row { life: Life::Resting(body, waker), ending }) = row {
                    drop(waker);
                    tasks.bury(body, ending);
                }
            }
        }
    }

    fn bury(&self, body: Body, ending: Arc<dyn Ending>) {
        self.graves.borrow_mut().push_back((body, ending));
        if self.burying.replace(true) {
            return;
        }
        loop {
            let first = self.graves.borrow_mut().pop_front();
            let Some((body, ending)) = first else { break };
            ending.about().guard("panicked when it was dropped", || drop(body));
            ending.ended(Ended::Cancelled);
        }
        self.burying.set(false);
    }

    fn run(&self, event_loop: &EventLoop, name: Callback) {
        let Some((mut body, waker)) = self.begin_poll(name) else { return };
        let polled = {
            let _budget = budget::begin();
            catch_unwind(AssertUnwindSafe(|| body.as_mut().poll(&mut Context::from_waker(&waker))))
        };
        let mut rows = self.rows.borrow_mut();
        let is_over = !matches!(polled, Ok(Poll::Pending));
        if !is_over
            && let Some(row) = rows.get_mut(name)
            && matches!(row.life, Life::Polled)
        {
            row.life = Life::Resting(body, waker);
            return;
        }
        let row = rows.remove(name);
        drop(rows);
        drop(waker);
        event_loop.cancel(name);
        let Some(Row { ending, .. }) = row else { return };
        match polled {
            Ok(Poll::Pending) => self.bury(body, ending),
            Ok(Poll::Ready(())) => {
                ending.about().guard("panicked when it was dropped", || drop(body));
            }
            Err(panic) => {
                ending.about().guard("panicked again when it was dropped", || drop(body));
                ending.ended(Ended::Panicked(panic));
            }
        }
    }

    fn begin_poll(&self, name: Callback) -> Option<(Body, Waker)> {
        let mut rows = self.rows.borrow_mut();
        match mem::replace(&mut rows.get_mut(name)?.life, Life::Polled) {
            Life::Resting(body, waker) => Some((body, waker)),
            // Its own poll turned the loop, which loops refuse.
            Life::Polled | Life::Cancelled => None,
        }
    }
}

impl Woken for Tasks {
    fn woken(self: Rc<Self>, event_loop: &EventLoop, name: Callback) {
        self.run(event_loop, name);
    }

    fn who(&self, name: Callback) -> Option<String> {
        let rows = self.rows.borrow();
        let row = rows.get(name).filter(|row| matches!(row.life, Life::Resting(..)))?;
        Some(row.ending.about().to_string())
    }
}

impl Local for Tasks {
    fn waiting(&self, tell: &mut dyn FnMut(&Waker, String)) {
        for row in self.rows.borrow().values() {
            row.ending.awaiter(tell);
        }
    }

    /// Cancels all.
    fn end(&self, event_loop: &EventLoop) {
        let names: Vec<_> = self.rows.borrow().keys().collect();
        for name in names {
            let row = self.rows.borrow_mut().remove(name);
            event_loop.cancel(name);
            if let Some(Row { life: Life::Resting(body, waker), ending }) = row {
                drop(waker);
                self.bury(body, ending);
            }
        }
    }
}
