//! Accepting for several threads: connections are dealt out in turn.
//!
//! A connection is released by the engine that accepted it, which may take its time, and is then put into the queue of
//! the thread whose turn it is. One that comes back from there is served here.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Client;
use super::clients::Clients;
use super::deal::Deal;
use super::drain::{Intake, Phase};
use super::gate::Gate;
use super::worker::adopt;
use crate::engine::{Address, Close, Descriptor, Done, Failed, Op, Socket, Submitted, Ticket};
use crate::event_loop::{Completion, EventLoop};
use crate::net::Stream;
use crate::task::Outcome;

/// Accepts, and deals out in turn.
pub(super) struct Dealer<H> {
    pub(super) gate: Gate,
    clients: Rc<Clients>,
    handler: Rc<H>,
    deals: Vec<Arc<Deal>>,
    back: Arc<Deal>,
    turn: usize,
    /// Connections that are being released.
    under_way: Rc<Cell<usize>>,
}

impl<H, R> Dealer<H>
where
    H: AsyncFn(Stream, Client) -> R + 'static,
    R: Outcome + 'static,
{
    pub(super) fn new(
        gate: Gate,
        clients: &Rc<Clients>,
        handler: H,
        deals: Vec<Arc<Deal>>,
        back: Arc<Deal>,
    ) -> Self {
        let (clients, handler) = (Rc::clone(clients), Rc::new(handler));
        Self { gate, handler, clients, deals, back, turn: 0, under_way: Rc::default() }
    }

    fn deal(&mut self, socket: Socket, peer: Address) {
        let turn = self.turn;
        self.turn = (turn + 1) % (self.deals.len() + 1);
        match (turn.checked_sub(1).map(|at| Arc::clone(&self.deals[at])), EventLoop::current()) {
            (Some(deal), Some(event_loop)) => {
                self.under_way.set(self.under_way.get() + 1);
                let handover = Rc::new(Handover {
                    socket,
                    peer,
                    deal,
                    back: Arc::clone(&self.back),
                    clients: Rc::clone(&self.clients),
                    under_way: Rc::clone(&self.under_way),
                });
                let submitted = event_loop.submit(Op::Release { socket }, Rc::<Handover>::clone(&handover));
                if let Submitted::Done(outcome) = submitted {
                    handover.finish(&event_loop, outcome);
                }
            }
            _ => self.clients.admit(socket, peer, &self.handler),
        }
    }
}

impl<H, R> Intake for Dealer<H>
where
    H: AsyncFn(Stream, Client) -> R + 'static,
    R: Outcome + 'static,
{
    fn poll(&mut self, cx: &mut Context<'_>, phase: Phase) -> Poll<io::Result<()>> {
        if phase != Phase::Serving {
            for deal in &self.deals {
                deal.enter(Phase::Draining);
            }
        }
        while let Poll::Ready(Some(dealt)) = self.back.poll_take(cx) {
            adopt(&self.clients, dealt, &self.handler);
        }
        if phase == Phase::Closed {
            self.gate.close();
        }
        loop {
            match self.gate.poll_accept(cx, phase != Phase::Serving) {
                Poll::Ready(Ok(Some((socket, peer)))) => self.deal(socket, peer),
                Poll::Ready(Ok(None)) => break,
                other => return other.map(|outcome| outcome.map(drop)),
            }
        }
        // Who is still on the way has come already.
        if self.under_way.get() > 0 && phase == Phase::Draining {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        for deal in &self.deals {
            deal.enter(Phase::Closed);
        }
        Poll::Ready(Ok(()))
    }
}

/// One connection on its way out of the loop that accepted it.
struct Handover {
    socket: Socket,
    peer: Address,
    deal: Arc<Deal>,
    back: Arc<Deal>,
    clients: Rc<Clients>,
    under_way: Rc<Cell<usize>>,
}

impl Handover {
    fn finish(&self, event_loop: &EventLoop, outcome: Result<Done, Failed>) {
        self.under_way.set(self.under_way.get() - 1);
        match outcome {
            Ok(Done::Released { descriptor: Descriptor::Owned(descriptor), .. }) => {
                if let Err(dealt) = self.deal.put((descriptor, self.peer.clone())) {
                    drop(self.back.put(dealt));
                }
            }
            Ok(other) => unreachable!("an accepted connection was released as {other:?}"),
            Err(failed) => {
                event_loop.engine().close(self.socket, Close::Now);
                self.clients.lose(&self.peer, &failed.error);
            }
        }
    }
}

impl Completion for Handover {
    fn complete(self: Rc<Self>, event_loop: &EventLoop, _: Ticket, outcome: Result<Done, Failed>) {
        self.finish(event_loop, outcome);
    }

    fn who(&self) -> String {
        format!("the hand-over of client {} to another thread", self.peer)
    }
}
