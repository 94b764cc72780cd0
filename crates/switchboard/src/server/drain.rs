//! The end of a server, in good order and in bounded time.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::client::Client;
use super::clients::{Clients, FLUSH};
use super::gate::Gate;
use super::receipt::Why;
use crate::event_loop::EventLoop;
use crate::net::Stream;
use crate::task::{Outcome, elsewhere, sleep, sleep_until};

/// Drains: see the head of `server`. Over no later than the grace period, the flush and a moment.
pub(super) async fn drain<H, R>(gate: &mut Gate, clients: &Rc<Clients>, handler: &Rc<H>) -> io::Result<()>
where
    H: AsyncFn(Stream, Client) -> R + 'static,
    R: Outcome + 'static,
{
    let event_loop = EventLoop::current().ok_or_else(elsewhere)?;
    let grace = event_loop.deadline(clients.rules().grace);
    let flushed = event_loop.deadline(clients.rules().grace.saturating_add(FLUSH));
    let end = event_loop.deadline(clients.rules().grace.saturating_add(FLUSH).saturating_add(MOMENT));
    drop(event_loop);
    clients.begin_drain(end);
    gate.withdraw();

    // The queue is emptied, and who is being served may end; but not for longer than the grace period.
    let mut time = pin!(sleep_until(grace));
    let refused = poll_fn(|cx| {
        loop {
            match gate.poll_accept(cx, true) {
                Poll::Ready(Ok(Some((socket, peer)))) => clients.admit(socket, peer, handler),
                Poll::Ready(Ok(None)) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => break,
            }
        }
        time.as_mut().poll(cx).map(Ok)
    })
    .await;
    gate.close();
    clients.note_gate(gate.tally);
    first(clients.gone(), &mut time).await;
    if clients.len() > 0 {
        tracing::info!("the grace period is over; {} still connected", clients.len());
        clients.end_reading();
        first(clients.gone(), sleep_until(flushed)).await;
        clients.cancel(Why::Drain);
    }
    close(clients, end).await;
    refused
}

/// Waits until all is closed, but no longer than to the end of the drain.
async fn close(clients: &Clients, end: std::time::Instant) {
    loop {
        let Some(event_loop) = EventLoop::current() else { return };
        let now = event_loop.now();
        if now >= end {
            clients.hurry(now);
        }
        if event_loop.engine().closing() == 0 || now >= end {
            return;
        }
        drop(event_loop);
        sleep(LOOK).await;
    }
}

/// Waits for the first of two.
async fn first(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|cx| match one.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => other.as_mut().poll(cx),
    })
    .await;
}

/// What closing may take at the end.
const MOMENT: Duration = Duration::from_millis(50);

/// How long to wait between two looks at what is being closed.
const LOOK: Duration = Duration::from_millis(2);
