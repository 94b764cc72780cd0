//! Serving until it is to end, and the end: in good order and in bounded time.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::clients::Clients;
use super::receipt::Why;
use super::rules::FLUSH;
use crate::event_loop::EventLoop;
use crate::task::{elsewhere, is_spent, sleep, sleep_until, yield_now};

/// Where new clients come from: takes in all who are there, and is ready when nobody can come any more, or with an error
/// that will not pass.
pub(super) trait Intake {
    fn poll(&mut self, cx: &mut Context<'_>, phase: Phase) -> Poll<io::Result<()>>;
}

/// How far the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Whoever comes is taken in.
    Serving,
    /// Who has come already is taken in.
    Draining,
    /// The grace period is over: nobody is.
    Closed,
}

/// Who is told that serving has begun.
pub(super) type Ready = Box<dyn FnOnce()>;

/// Serves until told to end, and drains. It has begun when it hears of its end, and before anybody is taken in. The first
/// of what went wrong on the way is the error.
pub(super) async fn serve(
    clients: &Clients,
    until: impl Future<Output = io::Result<()>>,
    mut ready: Option<Ready>,
    intake: &mut impl Intake,
) -> io::Result<()> {
    let mut until = pin!(until);
    let ended = poll_fn(|cx| {
        if let Poll::Ready(end) = until.as_mut().poll(cx) {
            return Poll::Ready(end);
        }
        if let Some(ready) = ready.take() {
            ready();
        }
        match intake.poll(cx, Phase::Serving) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Pending,
        }
    })
    .await;
    ended.and(drain(clients, intake).await)
}

/// Drains: see the head of `server`. Over no later than the grace period, the flush and a moment.
async fn drain(clients: &Clients, intake: &mut impl Intake) -> io::Result<()> {
    let event_loop = EventLoop::current().ok_or_else(elsewhere)?;
    let grace = event_loop.deadline(clients.rules().grace);
    let flushed = event_loop.deadline(clients.rules().grace.saturating_add(FLUSH));
    drop(event_loop);
    clients.begin_drain();

    let mut time = pin!(sleep_until(grace));
    let mut looks = 0;
    let emptied = poll_fn(|cx| match intake.poll(cx, Phase::Draining) {
        Poll::Ready(outcome) => Poll::Ready(outcome),
        // Those who were in the queue when the drain began are taken in however short the time is; not all who ever come.
        Poll::Pending if is_spent() && looks < MOST_LOOKS => {
            looks += 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        Poll::Pending => time.as_mut().poll(cx).map(Ok),
    })
    .await;
    let closed = poll_fn(|cx| Poll::Ready(intake.poll(cx, Phase::Closed))).await;
    first(clients.gone(), &mut time).await;
    if clients.len() > 0 {
        // In this pass those run who were woken already, in the next those for whom something has arrived: to end their
        // reading before they had a turn would throw that away.
        yield_now().await;
        yield_now().await;
        tracing::info!("the grace period is over; {} still connected", clients.len());
        clients.end_reading();
        first(clients.gone(), sleep_until(flushed)).await;
        clients.cancel(Why::Drain);
    }
    close(clients, flushed).await;
    match closed {
        Poll::Ready(closed) => emptied.and(closed),
        Poll::Pending => emptied,
    }
}

/// Waits until all is closed, but no longer than to the end of the time to flush: and a moment, if a handler took all of
/// that time, and has only just sent its last.
async fn close(clients: &Clients, flushed: Instant) {
    let end = clients.last_left().map_or(flushed, |left| flushed.max(left + MOMENT));
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
pub(super) async fn first(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|cx| match one.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => other.as_mut().poll(cx),
    })
    .await;
}

/// How often an intake that spends a whole budget is looked at before the time is: enough for a queue of 4096, the most
/// that systems allow by default.
const MOST_LOOKS: u32 = 100;

/// What closing may take after a handler's end.
const MOMENT: Duration = Duration::from_millis(50);

/// How long to wait between two looks at what tells nobody: what is being closed, and threads that begin.
const LOOK: Duration = Duration::from_millis(2);
