//! What the two directions of one conversation know of each other: how far the answers are, and when bytes last went.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use switchboard::sleep;

use super::client::now;

/// See the top of this file.
pub(super) struct Flow {
    /// How many messages may be said before the first of them is answered.
    ahead: usize,
    answered: Cell<usize>,
    said: Cell<u64>,
    has_said_all: Cell<bool>,
    touched: Cell<Instant>,
    /// The longest time for which none went.
    silence: Cell<Duration>,
    /// When something was last said.
    last_said: Cell<Instant>,
    /// Of whoever waits for an answer before it goes on.
    waiting: RefCell<Option<Waker>>,
}

impl Flow {
    /// Of a conversation that begins with that message.
    pub(super) fn new(from: usize, ahead: usize) -> Self {
        Self {
            ahead,
            answered: Cell::new(from),
            said: Cell::new(0),
            has_said_all: Cell::new(false),
            touched: Cell::new(now()),
            silence: Cell::new(Duration::ZERO),
            last_said: Cell::new(now()),
            waiting: RefCell::default(),
        }
    }

    /// Waits until this message may be said.
    pub(super) async fn room(&self, number: usize) {
        poll_fn(|cx| {
            if number.saturating_sub(self.answered.get()) < self.ahead {
                return Poll::Ready(());
            }
            self.waiting.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Something has come: all messages before this one have their answers.
    pub(super) fn answered(&self, until: usize) {
        self.touch();
        if self.answered.replace(until) != until
            && let Some(waker) = self.waiting.take()
        {
            waker.wake();
        }
    }

    /// So many bytes were said.
    pub(super) fn say(&self, bytes: usize) {
        self.said.set(self.said.get() + bytes as u64);
        self.silence.set(self.idle());
        self.last_said.set(now());
        self.touch();
    }

    /// How many were.
    pub(super) fn said(&self) -> u64 {
        self.said.get()
    }

    /// A byte went.
    fn touch(&self) {
        self.silence.set(self.silence());
        self.touched.set(now());
    }

    /// The longest time for which the server may have taken it for idle: none went, or nothing was said, and what was
    /// heard may have come long before.
    pub(super) fn idle(&self) -> Duration {
        self.silence().max(now().saturating_duration_since(self.last_said.get()))
    }

    fn silence(&self) -> Duration {
        self.silence.get().max(now().saturating_duration_since(self.touched.get()))
    }

    /// The client ends its side.
    pub(super) fn said_all(&self) {
        self.has_said_all.set(true);
    }

    pub(super) fn has_said_all(&self) -> bool {
        self.has_said_all.get()
    }

    /// Waits until nothing has gone for so long.
    pub(super) async fn stuck(&self, patience: Duration) {
        loop {
            let left = (self.touched.get() + patience).saturating_duration_since(now());
            if left.is_zero() {
                return;
            }
            sleep(left).await;
        }
    }
}
