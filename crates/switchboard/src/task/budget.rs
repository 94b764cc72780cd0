//! The budget of a poll: how much one task may get done before others have their turn.
//!
//! Each thing of ours that is ready when it is polled costs one, whether it succeeds or fails. When the budget is
//! spent, the next one wakes its task and answers "pending": so a task whose socket always has more is as fair as
//! one that waits. Code that runs outside a task has no budget, and is never stopped.

use std::cell::Cell;
use std::task::{Context, Poll, ready};

thread_local! {
    static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
}

/// The budget of one poll; when it is dropped, that of the poll around it is back.
pub(super) struct Budget {
    outer: Option<u32>,
}

/// Begins a poll.
pub(super) fn begin() -> Budget {
    Budget { outer: LEFT.replace(Some(THINGS_PER_POLL)) }
}

/// Polls one of those things, if there is budget left. It costs nothing while it is pending: a task that waits for a
/// thousand things at once would otherwise spend its budget on finding nothing, and be woken for more of that.
pub(crate) fn spend<T>(cx: &mut Context<'_>, thing: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    ready!(poll(cx));
    let polled = thing(cx);
    if polled.is_pending() {
        refund();
    }
    polled
}

/// Spends one; pending, with the task woken, when nothing is left.
pub(crate) fn poll(cx: &mut Context<'_>) -> Poll<()> {
    if take() {
        return Poll::Ready(());
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Spends one, if there is one left.
pub(super) fn take() -> bool {
    match LEFT.get() {
        Some(0) => return false,
        Some(left) => LEFT.set(Some(left - 1)),
        None => {}
    }
    true
}

/// Whether this poll has spent all it had.
pub(crate) fn is_spent() -> bool {
    LEFT.get() == Some(0)
}

/// Gives one back: what it was spent for is pending.
pub(crate) fn refund() {
    LEFT.set(LEFT.get().map(|left| left + 1));
}

impl Drop for Budget {
    fn drop(&mut self) {
        LEFT.set(self.outer);
    }
}

/// How many things of ours one poll of a task may find ready.
const THINGS_PER_POLL: u32 = 64;
