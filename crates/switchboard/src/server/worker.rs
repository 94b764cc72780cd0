//! A thread of a server beside the one that accepts: a loop of its own, on a helper of the engine.

use std::future::poll_fn;
use std::io;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Client;
use super::census::Census;
use super::clients::Clients;
use super::deal::{Deal, Dealt};
use super::drain::{Intake, Phase, first, serve};
use super::receipt::Receipt;
use super::rules::Rules;
use crate::engine::{self, Descriptor, Mechanism, Plan};
use crate::event_loop::{EventLoop, Failure, WeakHandle};
use crate::net::Stream;
use crate::task::{Outcome, elsewhere};

/// One thread to be.
pub(super) struct Worker<F> {
    pub(super) mechanism: Option<Mechanism>,
    pub(super) rules: Rules,
    pub(super) census: Arc<Census>,
    pub(super) spawned: &'static Location<'static>,
    pub(super) factory: Arc<F>,
    pub(super) deal: Arc<Deal>,
    /// The loop that accepts.
    pub(super) home: WeakHandle,
    pub(super) back: Arc<Deal>,
}

impl<F> Worker<F> {
    /// Serves, until the server ends.
    pub(super) fn run<H, R>(self) -> io::Result<Receipt>
    where
        F: Fn() -> H,
        H: AsyncFn(Stream, Client) -> R + 'static,
        R: Outcome + 'static,
    {
        let event_loop = EventLoop::with(match self.mechanism {
            Some(mechanism) => engine::with(mechanism)?,
            None => engine::best()?,
        });
        let home = self.home.clone();
        event_loop.on_failure(move |failure: &Failure| home.tell(failure.clone()));
        let receipt = event_loop.block_on(async {
            let event_loop = EventLoop::current().ok_or_else(elsewhere)?;
            let clients = Clients::new(&event_loop, self.rules, Arc::clone(&self.census), self.spawned);
            let _guests = clients.guard();
            let handler = Rc::new((self.factory)());
            drop(event_loop);
            self.deal.open();
            let mut taker = Taker { deal: Arc::clone(&self.deal), clients: Rc::clone(&clients), handler };
            let draining = async {
                poll_fn(|cx| self.deal.poll_draining(cx)).await;
                Ok(())
            };
            let mut served = Ok(());
            let over = poll_fn(|cx| self.deal.poll_over(cx));
            first(async { served = serve(&clients, draining, None, &mut taker).await }, over).await;
            served.map(|()| clients.receipt())
        })??;
        event_loop.wind_up()?;
        Ok(receipt)
    }
}

impl<F> Drop for Worker<F> {
    /// However the thread ended: who was dealt to it and not taken in is served by the one that accepts.
    fn drop(&mut self) {
        for dealt in self.deal.end() {
            drop(self.back.put(dealt));
        }
    }
}

/// Takes in who is dealt to a thread.
struct Taker<H> {
    deal: Arc<Deal>,
    clients: Rc<Clients>,
    handler: Rc<H>,
}

impl<H, R> Intake for Taker<H>
where
    H: AsyncFn(Stream, Client) -> R + 'static,
    R: Outcome + 'static,
{
    fn poll(&mut self, cx: &mut Context<'_>, phase: Phase) -> Poll<io::Result<()>> {
        if phase == Phase::Closed {
            // Who is dealt to it from here on goes back.
            self.deal.enter(phase);
        }
        loop {
            match self.deal.poll_take(cx) {
                Poll::Ready(Some(dealt)) => adopt(&self.clients, dealt, &self.handler),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Takes a connection in that another loop released.
pub(super) fn adopt<H, R>(clients: &Rc<Clients>, (descriptor, peer): Dealt, handler: &Rc<H>)
where
    H: AsyncFn(Stream, Client) -> R + 'static,
    R: Outcome + 'static,
{
    let Some(event_loop) = EventLoop::current() else { return };
    let opened = event_loop.engine().open(Plan::Adopt(Descriptor::Owned(descriptor)));
    match opened {
        Ok(socket) => clients.admit(socket, peer, handler),
        Err(error) => clients.lose(&peer, &error),
    }
}
