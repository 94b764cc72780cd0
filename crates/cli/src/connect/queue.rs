//! Bytes on their way from one part of the exchange to another: in order, and never more than a bounded number.
//!
//! Who gives waits for room, and who takes gets all there is at once: what came in small pieces goes out in large ones.

use std::cell::RefCell;
use std::future::poll_fn;
use std::mem;
use std::task::{Context, Poll, Waker};

/// The queue, shared by who gives and who takes.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    /// Nothing more will be given.
    ended: bool,
    /// What was taken last is still being worked on.
    busy: bool,
    /// Nobody will take anything any more: what is given is thrown away.
    refused: bool,
    taker: Option<Waker>,
    /// Who waits for room, or for the queue to be idle.
    givers: Vec<Waker>,
}

impl Queue {
    /// Appends some bytes, as soon as there is room. It may then hold more than it has room for, by what one gives.
    ///
    /// Nothing was given of what is dropped.
    pub(super) async fn give(&self, bytes: &[u8]) {
        poll_fn(|cx| self.poll(cx, |state| state.bytes.len() < ROOM)).await;
        self.give_now(bytes);
    }

    /// The same for what has some more room, since others wait for it: answers to a peer that reads nothing before it has
    /// them, and what a person types while the peer fills the screen.
    pub(super) async fn give_urgent(&self, bytes: &[u8]) {
        poll_fn(|cx| self.poll(cx, |state| state.bytes.len() < URGENT_ROOM)).await;
        self.give_now(bytes);
    }

    /// The same without waiting: for the few bytes that must not wait.
    pub(super) fn give_now(&self, bytes: &[u8]) {
        let mut state = self.state.borrow_mut();
        if !state.refused {
            state.bytes.extend_from_slice(bytes);
            state.wake_taker();
        }
    }

    /// Says that nothing will be taken any more. Who waits for that need not.
    pub(super) fn refuse(&self) {
        let mut state = self.state.borrow_mut();
        state.refused = true;
        state.busy = false;
        state.bytes = Vec::new();
        state.wake_givers();
    }

    /// Says that nothing more will be given.
    pub(super) fn end(&self) {
        let mut state = self.state.borrow_mut();
        state.ended = true;
        state.wake_taker();
    }

    /// Exchanges an empty buffer for all there is, at least one byte; `None` at the end. What was taken before counts as
    /// done now.
    pub(super) async fn take(&self, mut buffer: Vec<u8>) -> Option<Vec<u8>> {
        buffer.clear();
        let mut buffer = Some(buffer);
        poll_fn(|cx| {
            let mut state = self.state.borrow_mut();
            state.busy = !state.bytes.is_empty();
            if state.busy || state.ended {
                let empty = buffer.take().unwrap_or_default();
                let taken = state.busy.then(|| mem::replace(&mut state.bytes, empty));
                state.wake_givers();
                return Poll::Ready(taken);
            }
            state.wake_givers();
            state.taker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Waits until all that was given is done with: taken, and more asked for.
    pub(super) async fn idle(&self) {
        poll_fn(|cx| self.poll(cx, |state| state.bytes.is_empty() && !state.busy)).await;
    }

    fn poll(&self, cx: &Context<'_>, is_so: impl Fn(&State) -> bool) -> Poll<()> {
        let mut state = self.state.borrow_mut();
        if is_so(&state) {
            return Poll::Ready(());
        }
        state.givers.push(cx.waker().clone());
        Poll::Pending
    }
}

impl State {
    fn wake_taker(&mut self) {
        if let Some(taker) = self.taker.take() {
            taker.wake();
        }
    }

    fn wake_givers(&mut self) {
        self.givers.drain(..).for_each(Waker::wake);
    }
}

/// How many bytes make who gives wait.
const ROOM: usize = 256 << 10;

const URGENT_ROOM: usize = 4 * ROOM;
