//! What threads share with a loop, in every order of events there is: models of the product's own files.
//!
//! `inbox.rs` and `alarm.rs` are compiled here a second time, word for word, with loom's locks and atomics for those of
//! `sync.rs`, and small stand-ins for what is around them. Loom then runs each model under all interleavings, and with
//! all values that a relaxed load may see; a thread that sleeps for ever is a failure. How each was seen to fail:
//! `docs/testing.md`.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "the product's files are used in part, and export what a crate would"
)]

#[path = "../src/event_loop/alarm.rs"]
mod alarm;
#[path = "../src/event_loop/inbox.rs"]
mod inbox;
#[path = "loom/models.rs"]
mod models;
#[path = "loom/sync.rs"]
mod sync;

use std::sync::Arc;

use inbox::Inbox;
use loom::sync::{Condvar, Mutex};

/// Names, in place of the slab's.
type Callback = u32;

type SharedInbox = Inbox<models::Letter, Callback>;

/// What `alarm.rs` calls back; here nothing is.
struct EventLoop;

/// The engine's bell, with the wait it ends.
#[derive(Clone)]
struct Bell(Arc<(Mutex<bool>, Condvar)>);

impl Bell {
    fn new() -> Self {
        Self(Arc::new((Mutex::new(false), Condvar::new())))
    }

    fn ring(&self) {
        let (rung, heard) = &*self.0;
        *rung.lock().unwrap() = true;
        heard.notify_one();
    }

    /// Sleeps until it is rung, or was.
    fn wait(&self) {
        let (rung, heard) = &*self.0;
        let mut rung = rung.lock().unwrap();
        while !*rung {
            rung = heard.wait(rung).unwrap();
        }
        *rung = false;
    }
}

/// No pass is under way on the threads that wake: all goes through the inbox.
mod current {
    use std::sync::Arc;

    pub(super) fn make_ready(_: &Arc<super::SharedInbox>, _: super::Callback) -> bool {
        false
    }
}
