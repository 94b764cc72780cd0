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
    home: Arc<Home>,
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
    pub(crate) fn new(descriptor: OwnedFd, peer: Address, home: &Arc<Home>) -> Self {
        Self { connection: Some((descriptor, peer)), home: Arc::clone(home) }
    }

    pub(crate) fn open(mut self) -> Option<(OwnedFd, Address)> {
        self.connection.take()
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        if let Some((descriptor, peer)) = self.connection.take() {
            self.home.tell(News::Back(descriptor, peer));
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.0.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    fn home() -> (Arc<Home>, Receiver<News>) {
        let (news, received) = channel();
        (Arc::new(Home { news, waker: Waker::noop().clone() }), received)
    }

    fn parcel(port: u16, home: &Arc<Home>) -> Letter {
        let descriptor = std::io::stderr().as_fd().try_clone_to_owned().unwrap();
        Letter::Serve(Parcel::new(descriptor, Address::Ip(([127, 0, 0, 1], port).into()), home))
    }

    fn came_back(received: &Receiver<News>) -> Vec<Option<u16>> {
        let ports = received.try_iter().map(|news| match news {
            News::Back(_, peer) => peer.port(),
            News::Open(_) => panic!("nothing was opened"),
        });
        ports.collect()
    }

    #[test]
    fn what_a_loop_did_not_take_goes_home_whenever_the_loop_ended() {
        let (home, received) = home();
        let (sender, letters) = channel();
        let inbox = Inbox::new(sender, Waker::noop().clone());
        for port in [1, 2, 3] {
            inbox.post(parcel(port, &home));
        }
        let Ok(Letter::Serve(first)) = letters.try_recv() else { panic!("the first is there") };
        assert!(first.open().is_some());
        assert_eq!(came_back(&received), []);
        drop(letters);
        assert_eq!(came_back(&received), [Some(2), Some(3)]);
        inbox.post(parcel(4, &home));
        assert_eq!(came_back(&received), [Some(4)]);
    }
}
