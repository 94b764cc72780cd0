//! A client's task: the handler, watched for being idle, and counted out at its end however that comes.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::clients::{ClientId, Clients, End};
use super::idle::{Idle, Verdict};
use super::receipt::Why;
use crate::net::Traffic;

/// What a client's task holds, and is counted by: dropped, its client has left.
pub(super) struct Seat {
    clients: Rc<Clients>,
    id: ClientId,
}

pin_project! {
    /// Runs a handler, unless its connection is idle for too long: then there is no outcome.
    pub(super) struct Watched<'a, F> {
        #[pin]
        handling: F,
        seat: &'a Seat,
        traffic: &'a Traffic,
        idle: Option<Idle>,
    }
}

impl Seat {
    pub(super) fn new(clients: &Rc<Clients>, id: ClientId) -> Self {
        Self { clients: Rc::clone(clients), id }
    }

    /// Runs its handler.
    pub(super) fn watch<'a, F: Future>(&'a self, handling: F, traffic: &'a Traffic) -> Watched<'a, F> {
        let idle = self.clients.rules().idle.map(|time| Idle::new(time, traffic));
        Watched { handling, seat: self, traffic, idle }
    }

    /// Notes how the handler ended.
    pub(super) fn note(&self, end: End) {
        self.clients.note(self.id, end);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.clients.leave(self.id);
    }
}

impl<F: Future> Future for Watched<'_, F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(outcome) = this.handling.poll(cx) {
            return Poll::Ready(Some(outcome));
        }
        let Some(idle) = this.idle else { return Poll::Pending };
        let Seat { clients, id } = this.seat;
        loop {
            match ready!(idle.poll(cx, this.traffic)) {
                Verdict::End => clients.end_reading_of(*id),
                Verdict::Cancel => {
                    clients.note_cancelled(*id, Why::Idle);
                    return Poll::Ready(None);
                }
            }
        }
    }
}
