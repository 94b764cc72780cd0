//! An engine's operation as a future.
//!
//! It is submitted when it is first polled, and withdrawn when it is dropped: what it may have got by then goes to
//! the next one (law 3). It is taken from the engine only by a poll that hands it on.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::budget;
use crate::engine::{Done, Failed, Op, Submitted, Ticket};
use crate::event_loop::{EventLoop, WeakHandle};

/// An operation to do, under way, or over.
#[derive(Debug)]
pub(crate) struct Operation {
    state: State,
}

#[derive(Debug)]
enum State {
    ToDo(Option<Op>),
    Pending(WeakHandle, Ticket),
    Over,
}

/// Does an operation on the loop that runs this code.
///
/// *Cancel safety.* Dropping it loses nothing: see [`Engine::cancel`](crate::engine::Engine::cancel).
pub(crate) fn operation(op: Op) -> Operation {
    Operation { state: State::ToDo(Some(op)) }
}

impl Future for Operation {
    type Output = Result<Done, Failed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(budget::poll(cx));
        let Some(event_loop) = EventLoop::current() else {
            let op = match &mut self.state {
                State::ToDo(op) => op.take(),
                _ => None,
            };
            return Poll::Ready(Err(Failed { error: elsewhere(), op }));
        };
        let polled = match &mut self.state {
            State::ToDo(op) => {
                let op = op.take().expect("an operation that is polled again after its end");
                match event_loop.begin(op, cx.waker()) {
                    Submitted::Done(outcome) => Poll::Ready(outcome),
                    Submitted::Pending(ticket) => {
                        self.state = State::Pending(event_loop.weak_handle(), ticket);
                        Poll::Pending
                    }
                }
            }
            State::Pending(home, ticket) if home.names(&event_loop) => {
                event_loop.poll_taken(*ticket, cx.waker())
            }
            State::Pending(..) => return Poll::Ready(Err(Failed { error: elsewhere(), op: None })),
            State::Over => panic!("an operation was polled again after its end"),
        };
        match polled {
            Poll::Ready(_) => self.state = State::Over,
            Poll::Pending => budget::refund(),
        }
        polled
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if let State::Pending(home, ticket) = &self.state {
            let ticket = *ticket;
            home.reach(move |event_loop| event_loop.withdraw(ticket));
        }
    }
}

/// The error of something that belongs to a loop and is used where that loop does not run.
pub(crate) fn elsewhere() -> io::Error {
    io::Error::other("used outside its event loop: await it in a task of that loop")
}
