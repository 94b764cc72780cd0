//! What a handler is told of its client beside the stream.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use super::clients::{ClientId, Clients};
use crate::engine::Address;

/// Who is being served, and by a server in which state.
#[derive(Debug)]
pub struct Client {
    pub(super) clients: Rc<Clients>,
    pub(super) id: ClientId,
    pub(super) peer: Address,
}

impl Client {
    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &Address {
        &self.peer
    }

    /// Whether the server drains: finish what is under way, begin nothing new.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.clients.is_draining()
    }

    /// Waits until the server drains.
    ///
    /// *Cancel safety.* It may be dropped and asked for again, as often as one likes.
    pub async fn draining(&self) {
        poll_fn(|cx| {
            if self.clients.is_draining() {
                return Poll::Ready(());
            }
            self.clients.wake_at_drain(self.id, cx.waker());
            Poll::Pending
        })
        .await;
    }
}
