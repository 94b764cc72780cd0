//! Signals, as futures.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;

use super::operation;
use crate::engine::{Done, Op, Submitted};
use crate::event_loop::EventLoop;

/// Waits for a signal (`SIGHUP` is 1, signal(7)), and says how often it came since somebody last waited for it. From
/// this call on, the signal no longer does what it does by default, for as long as the process lives. (Where no loop runs
/// this code: from the first poll on.)
///
/// *Cancel safety.* A signal that came for one who gave up goes to the next who waits.
///
/// # Errors
///
/// When the number is no signal, or one that cannot be taken over, such as `SIGKILL`.
pub fn signal(number: i32) -> impl Future<Output = io::Result<u64>> {
    take_over(number);
    async move {
        match operation(Op::Signal { number }).await? {
            Done::Signalled { count } => Ok(count),
            other => unreachable!("a signal was answered with {other:?}"),
        }
    }
}

/// Waits until somebody wants the program to end: for `SIGINT` (Ctrl-C) or `SIGTERM`. Which of them it was.
///
/// *Cancel safety.* As [`signal`].
///
/// # Errors
///
/// As [`signal`].
pub fn interrupt() -> impl Future<Output = io::Result<i32>> {
    let (int, term) = (signal(SIGINT), signal(SIGTERM));
    async {
        let (mut int, mut term) = (pin!(int), pin!(term));
        poll_fn(|cx| {
            for (number, signal) in [(SIGINT, int.as_mut()), (SIGTERM, term.as_mut())] {
                if let Poll::Ready(came) = signal.poll(cx) {
                    return Poll::Ready(came.map(|_| number));
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Has the engine catch a signal. Should it refuse, it will again when the signal is waited for.
fn take_over(number: i32) {
    if let Some(event_loop) = EventLoop::current() {
        let submitted = event_loop.engine().submit(Op::Signal { number });
        if let Submitted::Pending(ticket) = submitted {
            event_loop.engine().cancel(ticket);
        }
    }
}

/// Ctrl-C, the same number on every Unix (POSIX, kill(1)).
const SIGINT: i32 = 2;

/// A polite request to end, likewise.
const SIGTERM: i32 = 15;
