//! The gate: takes in those who connect, for as long as there is room.
//!
//! Without room nothing is asked of the listeners; whoever had been asked for stays in the queue (law 3). Out of
//! descriptors it pauses; what one client does to its connection before it is accepted ends nothing.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::census::Census;
use crate::engine::{Address, Done, Socket, is_exhaustion, is_transient};
use crate::event_loop::EventLoop;
use crate::net::Listener;
use crate::task::{Operation, Sleep, sleep};

/// The listeners of a server.
pub(super) struct Gate {
    doors: Vec<Door>,
    census: Arc<Census>,
    /// Which door is looked at first: each in its turn.
    first: usize,
    /// Until when nothing is tried, out of descriptors.
    pause: Option<Sleep>,
    /// It was said that descriptors have run out, and since then somebody was always waiting for one.
    is_exhausted: bool,
    /// When a descriptor was last missing.
    exhausted: Option<Instant>,
    is_draining: bool,
    /// Why a listener could not be emptied.
    failure: Option<io::Error>,
    pub(super) tally: Tally,
}

/// What befell it.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tally {
    /// How often descriptors ran out.
    pub(super) exhausted: u64,
    /// Connections that were gone before they were accepted.
    pub(super) lost: u64,
}

/// A listener, and the accept that waits on it.
struct Door {
    // In this order: the accept is withdrawn before the listener is closed.
    accepting: Option<Operation>,
    listener: Listener,
}

impl Gate {
    pub(super) fn new(listeners: Vec<Listener>, census: Arc<Census>) -> Self {
        let doors = listeners.into_iter().map(|listener| Door { accepting: None, listener }).collect();
        Self {
            doors,
            census,
            first: 0,
            pause: None,
            is_exhausted: false,
            exhausted: None,
            is_draining: false,
            failure: None,
            tally: Tally::default(),
        }
    }

    /// Takes in the next one, and counts it. Draining, it closes each listener whose queue is empty, and is over (`None`) when all
    /// are closed; otherwise it waits.
    pub(super) fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
        draining: bool,
    ) -> Poll<io::Result<Option<(Socket, Address)>>> {
        if draining != std::mem::replace(&mut self.is_draining, draining) {
            // Those that wait are asked for anew, without waiting.
            self.withdraw();
        }
        if self.doors.is_empty() {
            return self.over();
        }
        if self.census.poll_room(cx).is_pending() {
            self.withdraw();
            return Poll::Pending;
        }
        if let Some(pause) = &mut self.pause {
            ready!(Pin::new(pause).poll(cx));
            self.pause = None;
        }
        let mut tried = 0;
        while tried < self.doors.len() {
            let at = (self.first + tried) % self.doors.len();
            let polled = self.doors[at].poll(cx, !draining);
            match polled {
                Poll::Pending => tried += 1,
                Poll::Ready(Ok(accepted)) => {
                    self.first = at + 1;
                    self.census.enter();
                    return Poll::Ready(Ok(Some(accepted)));
                }
                Poll::Ready(Err(error)) if draining && error.kind() == io::ErrorKind::WouldBlock => {
                    self.doors.remove(at);
                    self.first = 0;
                    tried = 0;
                }
                Poll::Ready(Err(error)) if is_transient(&error) => {
                    self.tally.lost += 1;
                    tracing::debug!("a connection was gone before it was accepted: {error}");
                }
                Poll::Ready(Err(error)) if is_exhaustion(&error) => return self.pause(cx, &error),
                Poll::Ready(Err(error)) => {
                    let error = self.doors[at].say(&error);
                    if !draining {
                        return Poll::Ready(Err(error));
                    }
                    // The others are emptied all the same.
                    self.failure.get_or_insert(error);
                    self.doors.remove(at);
                    self.first = 0;
                    tried = 0;
                }
            }
        }
        if self.doors.is_empty() {
            return self.over();
        }
        self.is_exhausted = false;
        Poll::Pending
    }

    fn over<T>(&mut self) -> Poll<io::Result<Option<T>>> {
        Poll::Ready(self.failure.take().map_or(Ok(None), Err))
    }

    /// Closes all listeners. Who still waits in their queues is refused.
    pub(super) fn close(&mut self) {
        self.doors.clear();
    }

    /// Asks for nobody for the time being.
    fn withdraw(&mut self) {
        for door in &mut self.doors {
            door.accepting = None;
        }
    }

    fn pause(
        &mut self,
        cx: &mut Context<'_>,
        error: &io::Error,
    ) -> Poll<io::Result<Option<(Socket, Address)>>> {
        let now = EventLoop::current().map(|event_loop| event_loop.now());
        let last = std::mem::replace(&mut self.exhausted, now);
        // A full server lets somebody in whenever somebody leaves, and is full again: all that is one outage.
        let is_known = std::mem::replace(&mut self.is_exhausted, true);
        let is_new =
            !is_known && last.zip(now).is_none_or(|(last, now)| now.saturating_duration_since(last) > OUTAGE);
        if is_new {
            self.tally.exhausted += 1;
            tracing::warn!("cannot accept for now: {error}; trying again until it works");
        }
        self.withdraw();
        let pause = self.pause.insert(sleep(PAUSE));
        let polled = Pin::new(pause).poll(cx);
        debug_assert!(polled.is_pending(), "a pause that has just begun is not over");
        Poll::Pending
    }
}

impl Door {
    fn poll(&mut self, cx: &mut Context<'_>, wait: bool) -> Poll<io::Result<(Socket, Address)>> {
        if self.accepting.is_none() {
            self.accepting = Some(self.listener.begin_accept(wait)?);
        }
        let Some(accepting) = &mut self.accepting else { return Poll::Pending };
        let outcome = ready!(Pin::new(accepting).poll(cx));
        self.accepting = None;
        match outcome? {
            Done::Accepted { socket, peer } => Poll::Ready(Ok((socket, peer))),
            other => unreachable!("an accept was answered with {other:?}"),
        }
    }

    /// The error of a listener that cannot go on.
    fn say(&self, error: &io::Error) -> io::Error {
        let address = self.listener.local_addr();
        let address = address.map_or_else(|_| "a listener".to_owned(), |address| address.to_string());
        io::Error::new(error.kind(), format!("cannot accept on {address} any more: {error}"))
    }
}

/// For how long no descriptor must have been missing before it is news that one is.
const OUTAGE: Duration = Duration::from_secs(1);

/// How long to wait for a descriptor to be free.
const PAUSE: Duration = Duration::from_millis(100);
