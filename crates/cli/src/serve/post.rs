//! What the loops of a server send each other: connections one way, and back if nobody could take them.
//!
//! A connection on its way is a [`Parcel`]. However a loop ends, what it did not take is dropped with its inbox, and a
//! parcel that is dropped unopened goes home: so none is lost.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::task::Waker;
use std::time::Instant;

use switchboard::engine::Address;

use super::hall::Shared;

/// To a loop that serves. When the last [`Inbox`] for it is gone, nobody comes any more.
pub(crate) enum Letter {
    Serve(Parcel),
    /// The server drains since then.
    Drain(Instant),
}

/// To the loop that accepts.
pub(crate) enum News {
    /// A loop serves from now on; this reaches it.
    Open(Inbox),
    /// It did not serve this one.
    Back(OwnedFd, Address),
}

/// Where the loop that accepts is reached.
pub(crate) struct Home {
    pub(crate) news: Sender<News>,
    pub(crate) waker: Waker,
}

/// Where a loop that serves is reached.
pub(crate) struct Inbox {
    // In this order: the loop wakes to find that it is gone.
    letters: Sender<Letter>,
    ring: Ring,
}

/// A connection between two loops.
pub(crate) struct Parcel {
    connection: Option<(OwnedFd, Address)>,
    shared: Arc<Shared>,
}

/// Wakes a loop; the last time, when it is dropped.
struct Ring(Waker);

impl Home {
    pub(crate) fn tell(&self, news: News) {
        // It is gone only when all is over.
        self.news.send(news).ok();
        self.wake();
    }

    /// Has it look for news, and who may be admitted.
    pub(crate) fn wake(&self) {
        self.waker.wake_by_ref();
    }
}

impl Inbox {
    pub(crate) fn new(letters: Sender<Letter>, waker: Waker) -> Self {
        Self { letters, ring: Ring(waker) }
    }

    pub(crate) fn post(&self, letter: Letter) {
        // If nobody is there, what is in it goes home by being dropped.
        drop(self.letters.send(letter));
        self.ring.0.wake_by_ref();
    }
}

impl Parcel {
    pub(crate) fn new(descriptor: OwnedFd, peer: Address, shared: &Arc<Shared>) -> Self {
        Self { connection: Some((descriptor, peer)), shared: Arc::clone(shared) }
    }

    pub(crate) fn open(mut self) -> Option<(OwnedFd, Address)> {
        self.connection.take()
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        if let Some((descriptor, peer)) = self.connection.take() {
            self.shared.home.tell(News::Back(descriptor, peer));
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.0.wake_by_ref();
    }
}
