//! What the models have in common that ask their sockets themselves: a door, the books, and the end.
//!
//! A model's loop has three steps, and this is two of them: [`admit`](House::admit) whoever has come, do what can be
//! done for each client (that is the model), and [`tidy`](House::tidy) up: whoever has left is let go, the clock is looked
//! at, and after a signal the server ends step by step. Models that keep their clients elsewhere tidy up in the same
//! order: `look_at_the_clock`, `attend` to each, `dismiss` whoever has left, and ask for the `standing`.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use socket2::Socket;
use switchboard::server::Why;
use switchboard_selector::{Bell, Interest};

use super::client::Client;
use crate::error::reason;
use crate::explain::Explain;
use crate::serve::cost::Cost;
use crate::serve::door::Door;
use crate::serve::drain::{Drain, Phase};
use crate::serve::end::End;
use crate::serve::ledger::{Gone, Ledger, Visit};
use crate::serve::options::Options;
use crate::serve::reception::now as this_moment;
use crate::session::Opening;

/// See the top of this file.
pub(crate) struct House {
    door: Door,
    ledger: Ledger,
    drain: Drain,
    opening: Opening,
    idle_timeout: Option<Duration>,
    last: Phase,
    /// Whether that phase began with the last look at the clock.
    entered: bool,
    /// The system said that somebody stands at the door, and they were not admitted yet.
    knocked: bool,
    pub(crate) explain: Explain,
    /// Told of a model that asks its sockets over and over.
    tells_cost: bool,
    pub(crate) cost: Cost,
}

/// Where a server stands after a pass.
pub(crate) enum Standing {
    /// To go on, and look again at this time at the latest.
    Open(Option<Instant>),
    Ended(End),
}

impl House {
    /// Opens it. Signals ring the bell.
    pub(crate) fn open(listeners: Vec<OwnedFd>, options: &Options, bell: &Bell) -> io::Result<Self> {
        Ok(Self {
            door: Door::new(listeners, options.limit),
            ledger: Ledger::default(),
            drain: Drain::at_signals(bell, options.grace)?,
            opening: options.opening(),
            idle_timeout: options.idle_timeout,
            last: Phase::Serving,
            entered: false,
            knocked: false,
            explain: options.explain,
            tells_cost: options.model.polls(),
            cost: Cost::default(),
        })
    }

    /// What is to be waited on for somebody to come.
    pub(crate) fn listeners(&self) -> impl Iterator<Item = Rc<Socket>> + '_ {
        self.door.listeners()
    }

    /// What to wait for at the listeners. Of somebody who cannot be admitted it is not to be told again and again.
    pub(crate) fn interest(&self, now: Instant) -> Interest {
        if self.is_open(now) || !self.knocked { Interest::READ } else { Interest::NONE }
    }

    /// The system says that somebody stands at the door.
    pub(crate) fn knock(&mut self) {
        if !self.knocked && self.ledger.served() >= self.door.limit() {
            self.explain.tell(|| {
                "the limit is reached: somebody waits in the queue until somebody leaves".to_owned()
            });
        }
        self.knocked = true;
    }

    /// Whether to try to admit somebody: the system says that they are there, or the queue is emptied before the end.
    pub(crate) fn expects(&self, now: Instant) -> bool {
        self.knocked || self.is_emptying(now)
    }

    /// Whether nobody will be admitted any more: the listeners are to be let go of.
    pub(crate) fn is_closed(&self) -> bool {
        self.door.is_closed()
    }

    /// Admits somebody who waits in the queue, if there is one and they can be served.
    ///
    /// # Errors
    ///
    /// What ends accepting for good.
    pub(crate) fn admit(&mut self, now: Instant) -> io::Result<Option<Client>> {
        let taken = match self.last {
            Phase::Serving => self.door.accept(&mut self.ledger, now)?,
            Phase::Draining => self.door.empty(&mut self.ledger, now)?,
            Phase::LastWords | Phase::Over | Phase::AtOnce(_) => None,
        };
        if taken.is_some() || self.is_open(now) {
            self.cost.call(taken.is_none());
        }
        // At the limit it is not known whether another waits; the system will say. Out of descriptors, one does.
        if taken.is_some() != self.is_open(now) {
            self.knocked = false;
        }
        let Some((socket, peer)) = taken else { return Ok(None) };
        self.explain.tell(|| format!("{peer} was taken from the queue"));
        let session = self.opening.begin(this_moment());
        let client = Client::new((socket, peer.clone()), session, self.idle_timeout, self.explain, now);
        Ok(client
            .inspect_err(|error| {
                let visit = Visit { peer: &peer, since: now, received: 0, sent: 0 };
                self.ledger.went(&visit, &Gone::Failed(reason(error)), now);
            })
            .ok())
    }

    /// Looks at the clock and at the signals. Whether everybody is to be attended to, and not only those of whom there
    /// is news: a new phase of the end has begun.
    pub(crate) fn look_at_the_clock(&mut self, now: Instant) -> bool {
        let phase = self.drain.phase(now);
        self.entered = phase != self.last;
        self.last = phase;
        if !matches!(phase, Phase::Serving | Phase::Draining) {
            self.door.close();
        }
        self.entered
    }

    /// What that means for one of them, and whether it may have something to say now that it had not. Those who have left
    /// are to be let go of by [`dismiss`](Self::dismiss) then.
    pub(crate) fn attend(&self, client: &mut Client, now: Instant) -> bool {
        let has_news = client.look_at_the_clock(now);
        match self.last {
            Phase::LastWords if self.entered => client.end_reading(now),
            Phase::Over => client.cancel(Why::Drain),
            _ => return has_news,
        }
        true
    }

    /// Writes down that somebody has left, if they have: whoever has is to be dropped.
    pub(crate) fn dismiss(&mut self, client: &Client, now: Instant) -> bool {
        let Some((visit, gone)) = client.gone() else { return false };
        self.ledger.went(&visit, gone, now);
        true
    }

    /// How it stands, all who have left having been dismissed; the others are to be looked at at these times.
    pub(crate) fn standing(&mut self, theirs: impl Iterator<Item = Instant>, now: Instant) -> Standing {
        match self.last {
            Phase::AtOnce(signal) => Standing::Ended(End::AtOnce(signal)),
            _ if self.door.is_closed() && self.ledger.served() == 0 => {
                let cost = self.tells_cost.then_some(self.cost);
                Standing::Ended(End::Drained(std::mem::take(&mut self.ledger).close(), cost))
            }
            _ => {
                // The queue is not waited for, but emptied at once.
                let emptying = self.is_emptying(now).then_some(now);
                let ours = [self.drain.next(now), self.door.wake(now), emptying].into_iter().flatten();
                Standing::Open(theirs.chain(ours).min())
            }
        }
    }

    /// All of that, for clients that are kept in a row.
    pub(crate) fn tidy(&mut self, clients: &mut Vec<Client>, now: Instant) -> Standing {
        self.look_at_the_clock(now);
        for client in &mut *clients {
            self.attend(client, now);
        }
        clients.retain(|client| !self.dismiss(client, now));
        self.standing(clients.iter().filter_map(|client| client.wake(now)), now)
    }

    /// Whether somebody would be admitted now, if they came.
    fn is_open(&self, now: Instant) -> bool {
        self.last == Phase::Serving && self.door.is_open(self.ledger.served(), now)
    }

    fn is_emptying(&self, now: Instant) -> bool {
        self.last == Phase::Draining && !self.door.is_closed() && self.door.is_open(self.ledger.served(), now)
    }
}
