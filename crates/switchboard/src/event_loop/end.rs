//! The end of a loop: whatever users gave it is dropped while it still stands.
//!
//! So what a callback or a task holds can be given back to the loop by destructors (a stream that is dropped is
//! closed by the engine), and a panic in one of them ends none of the others.

use std::mem;
use std::rc::Rc;

use super::{EventLoop, current};

impl EventLoop {
    /// Whether it is ending: nothing that begins now will ever be run.
    pub(crate) fn is_ending(&self) -> bool {
        self.core.ending.get()
    }

    fn end(&self) {
        self.core.ending.set(true);
        let _entered = current::enter(self);
        let (letters, _) = self.core.inbox.end();
        for letter in letters {
            self.protect(|| drop(letter));
        }
        // What is dropped may make more of the same.
        for _ in 0..MOST_ROUNDS {
            let locals = mem::take(&mut *self.core.locals.borrow_mut());
            let rows: Vec<_> = self.core.rows.borrow_mut().drain().collect();
            let waiting: Vec<_> = self.core.waiting.borrow_mut().drain().collect();
            if locals.is_empty() && rows.is_empty() && waiting.is_empty() {
                break;
            }
            for local in locals {
                self.protect(|| local.end(self));
            }
            for (_, waiter) in waiting {
                self.protect(|| drop(waiter));
            }
            for (_, row) in rows {
                self.protect(|| drop(row));
            }
        }
    }
}

impl Drop for EventLoop {
    /// The last one ends the loop.
    fn drop(&mut self) {
        if Rc::strong_count(&self.core) == 1 && !self.core.ending.get() {
            self.end();
        }
    }
}

/// How often what is dropped may make more that is to be dropped.
const MOST_ROUNDS: usize = 100;
