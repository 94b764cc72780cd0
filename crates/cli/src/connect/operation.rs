//! An operation of the engine as a future, for what `net` has no name for: descriptors that are
//! not ours, datagrams to one peer, and work for a helper thread that may not be had.

use std::io;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll};

use switchboard::EventLoop;
use switchboard::engine::{Descriptor, Direction, Done, Failed, Op, Plan, Socket, Submitted, Ticket};

/// A descriptor that others share, watched and not touched.
#[derive(Debug)]
pub(super) struct Watched {
    socket: Socket,
}

impl Watched {
    /// Watches it. It is never changed.
    pub(super) fn new(descriptor: impl std::os::fd::AsFd + 'static) -> io::Result<Self> {
        let plan = Plan::Adopt(Descriptor::Foreign(Box::new(descriptor)));
        let socket = here(|event_loop| event_loop.engine().open(plan))?;
        Ok(Self { socket })
    }

    /// Waits until a read would find something, or an end.
    pub(super) async fn readable(&self) -> io::Result<()> {
        let op = Op::Ready { socket: self.socket, direction: Direction::Read };
        operation(op).await.map(drop)
    }
}

/// Does an operation.
pub(super) async fn operation(op: Op) -> io::Result<Done> {
    Operation { op: Some(op), ticket: None }.await.map_err(io::Error::from)
}

/// Does on a helper thread what could block.
pub(super) async fn on_helper<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    match operation(Op::Call { work: Box::new(move || Box::new(work())) }).await? {
        Done::Called { outcome: Ok(output) } => {
            Ok(*output.downcast().expect("a call hands back what its work returned"))
        }
        Done::Called { outcome: Err(panic) } => resume_unwind(panic),
        other => unreachable!("a call was answered with {other:?}"),
    }
}

/// One operation.
struct Operation {
    op: Option<Op>,
    ticket: Option<Ticket>,
}

impl Future for Operation {
    type Output = Result<Done, Failed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        here(|event_loop| {
            if let Some(op) = self.op.take() {
                match event_loop.begin(op, cx.waker()) {
                    Submitted::Done(outcome) => return Poll::Ready(outcome),
                    Submitted::Pending(ticket) => self.ticket = Some(ticket),
                }
            }
            let ticket = self.ticket.expect("an operation is not polled after its end");
            let polled = event_loop.poll_taken(ticket, cx.waker());
            if polled.is_ready() {
                self.ticket = None;
            }
            polled
        })
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            EventLoop::with_current(|event_loop| event_loop.withdraw(ticket));
        }
    }
}

/// On the loop that runs this code.
pub(super) fn here<R>(code: impl FnOnce(&EventLoop) -> R) -> R {
    EventLoop::with_current(code).expect("the command runs on its event loop")
}
