//! What the models that are *told* have a selector watch: the sockets that listen, and the clients.
//!
//! The selector owns them, so that no descriptor is closed, and its number given to somebody else, while it is watched.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::Instant;

use socket2::Socket;
use switchboard_selector::{Event, Interest, Key, Mode, Rejected, Selector};

use super::client::Client;
use crate::model::house::House;

/// One of them.
#[expect(clippy::large_enum_variant, reason = "but for a few, all are clients")]
pub(super) enum Watched {
    Listener(Rc<Socket>),
    /// Level-triggered: with what it is watched for. Edge-triggered: with what would not block, as far as is known.
    Client(Client, Interest),
}

/// The sockets that listen. They are watched for as long as the house has a door, and while nobody waits there in vain.
pub(super) struct Doorway {
    listeners: Vec<Key>,
    interest: Interest,
}

impl Doorway {
    pub(super) fn open(house: &House, selector: &mut Selector<Watched>) -> io::Result<Self> {
        let interest = Interest::READ;
        let mut register = |listener| {
            selector.register(Watched::Listener(listener), interest, Mode::Level).map_err(io::Error::from)
        };
        let listeners = house.listeners().map(&mut register).collect::<io::Result<_>>()?;
        Ok(Self { listeners, interest })
    }

    /// Has the selector watch what the house wants to be told of now.
    pub(super) fn follow(
        &mut self,
        house: &House,
        selector: &mut Selector<Watched>,
        now: Instant,
    ) -> io::Result<()> {
        if house.is_closed() {
            // With the last who has it, a listener is closed: whoever comes now is refused, and not left in the queue.
            return self.listeners.drain(..).try_for_each(|key| selector.unregister(key).map(drop));
        }
        let interest = house.interest(now);
        if interest != self.interest {
            self.interest = interest;
            self.listeners.iter().try_for_each(|key| selector.modify(*key, interest, Mode::Level))?;
        }
        Ok(())
    }
}

/// Has a client watched. One that cannot be is let go of.
pub(super) fn watch(
    client: Watched,
    (interest, mode): (Interest, Mode),
    selector: &mut Selector<Watched>,
    house: &mut House,
    now: Instant,
) {
    if let Err(Rejected { error, source: Watched::Client(mut client, _) }) =
        selector.register(client, interest, mode)
    {
        client.fail(&error);
        house.dismiss(&client, now);
    }
}

/// What is told of a client besides that it may be received from or sent to.
pub(super) fn heed(client: &mut Client, event: &Event, now: Instant) {
    if event.priority() {
        client.receive_urgent(now);
    }
    if event.readable() && (event.priority() || event.read_closed() || event.error()) {
        client.expect_more();
    }
    if event.error() || event.write_closed() {
        client.hang_up();
    }
}

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Listener(listener) => listener.as_fd(),
            Self::Client(client, _) => client.as_fd(),
        }
    }
}
