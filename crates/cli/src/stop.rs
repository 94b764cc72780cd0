//! Signals, and what they end: SIGINT (Ctrl-C) or SIGTERM has a server drain, and a second one ends it at once.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use switchboard::signal;

use crate::error::reason;

/// A signal, such as one that ends programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signal {
    pub(crate) number: u8,
    pub(crate) name: &'static str,
}

/// The signals, from the moment they are caught, in the order they came.
pub(crate) struct Signals {
    waiting: Vec<(Signal, Wait)>,
    came: VecDeque<Signal>,
}

/// For one of them: how often it came.
type Wait = Pin<Box<dyn Future<Output = io::Result<u64>>>>;

impl Signals {
    /// Catches them: from here on they no longer end the process by themselves.
    pub(crate) async fn catch() -> Self {
        Self::catch_these(&ALL).await
    }

    /// The same for others than those that end programs by a person's wish.
    pub(crate) async fn catch_these(signals: &[Signal]) -> Self {
        let waiting = signals.iter().map(|&caught| (caught, wait_for(caught))).collect();
        let mut signals = Self { waiting, came: VecDeque::new() };
        poll_fn(|cx| {
            signals.look(cx);
            Poll::Ready(())
        })
        .await;
        signals
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Signal {
        poll_fn(|cx| {
            self.look(cx);
            self.came.pop_front().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Takes in what has come, and sees to it that the next is heard of.
    fn look(&mut self, cx: &mut Context<'_>) {
        let came = &mut self.came;
        self.waiting.retain_mut(|(caught, waiting)| {
            while let Poll::Ready(outcome) = waiting.as_mut().poll(cx) {
                match outcome {
                    // More than two mean no more than two do.
                    Ok(count) => came.extend((0..count.min(2)).map(|_| *caught)),
                    Err(error) => {
                        let Signal { name, .. } = caught;
                        tracing::warn!(
                            "cannot wait for {name}: {}; it will do what it does to any program",
                            reason(&error)
                        );
                        return false;
                    }
                }
                *waiting = wait_for(*caught);
            }
            true
        });
    }
}

fn wait_for(caught: Signal) -> Wait {
    Box::pin(signal(caught.number.into()))
}

/// Something to wait for that happens once: the beginning of the drain.
#[derive(Debug, Default, Clone)]
pub(crate) struct Latch {
    inner: Rc<(Cell<bool>, RefCell<Option<Waker>>)>,
}

impl Latch {
    pub(crate) fn open(&self) {
        self.inner.0.set(true);
        let waiting = self.inner.1.take();
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    /// Waits for it. Of several, the last who asked is woken.
    pub(crate) async fn opened(self) {
        poll_fn(|cx| {
            if self.inner.0.get() {
                return Poll::Ready(());
            }
            let old = self.inner.1.replace(Some(cx.waker().clone()));
            drop(old);
            Poll::Pending
        })
        .await;
    }
}

/// Which of two futures was done first.
pub(crate) enum First<A, B> {
    One(A),
    Other(B),
}

/// Waits for the first of two, and drops the other.
pub(crate) async fn first<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> First<A, B> {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|cx| match one.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(First::One(output)),
        Poll::Pending => other.as_mut().poll(cx).map(First::Other),
    })
    .await
}

/// The same numbers on every Unix (POSIX, kill(1)).
pub(crate) const ALL: [Signal; 2] =
    [Signal { number: 2, name: "SIGINT" }, Signal { number: 15, name: "SIGTERM" }];
