//! What a handler is told of its client beside the stream.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::clients::{Clients, WaitId};
use crate::engine::Address;

/// Who is being served, and by a server in which state.
#[derive(Debug)]
pub struct Client {
    pub(super) clients: Rc<Clients>,
    pub(super) peer: Address,
    pub(super) id: u64,
}

impl Client {
    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &Address {
        &self.peer
    }

    /// A number that no other client of this server has on this thread: peers on Unix sockets have no names of their own.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Whether the server drains, or is gone: finish what is under way, begin nothing new.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.clients.is_draining()
    }

    /// Waits until the server drains, or is gone: its serving was dropped.
    ///
    /// *Cancel safety.* It may be dropped and asked for again, as often as one likes.
    pub async fn draining(&self) {
        let mut wait = Wait { clients: &self.clients, id: None };
        poll_fn(|cx| wait.poll(cx)).await;
    }
}

/// A wait for the drain. Whoever gives it up is not woken, and nothing is kept of it.
struct Wait<'a> {
    clients: &'a Clients,
    id: Option<WaitId>,
}

impl Wait<'_> {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.clients.is_draining() {
            return Poll::Ready(());
        }
        self.id = Some(self.clients.wake_at_drain(self.id, cx.waker()));
        Poll::Pending
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.clients.forget_at_drain(id);
        }
    }
}
