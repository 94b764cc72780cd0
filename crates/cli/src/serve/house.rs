//! What the models have in common that ask their sockets themselves: a door, the books, and the end.
//!
//! A model's loop has three steps, and this is two of them: [`admit`](House::admit) whoever has come, do what can be
//! done for each client (that is the model), and [`tidy`](House::tidy) up: whoever has left is let go, the clock is looked
//! at, and after a signal the server ends step by step.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use socket2::Socket;
use switchboard::server::Why;
use switchboard_selector::Bell;

use super::Options;
use super::cost::Cost;
use super::door::Door;
use super::drain::{Drain, Phase};
use super::end::End;
use super::ledger::Ledger;
use crate::explain::Explain;
use crate::model::Client;
use crate::session::Opening;

/// See the top of this file.
pub(crate) struct House {
    door: Door,
    ledger: Ledger,
    drain: Drain,
    opening: Opening,
    idle_timeout: Option<Duration>,
    last: Phase,
    pub(crate) explain: Explain,
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
            explain: options.explain,
            cost: Cost::default(),
        })
    }

    /// What is to be waited on for somebody to come.
    pub(crate) fn listeners(&self) -> impl Iterator<Item = Rc<Socket>> + '_ {
        self.door.listeners()
    }

    /// Whether somebody would be admitted now, if they came.
    pub(crate) fn is_open(&self, now: Instant) -> bool {
        self.last == Phase::Serving && self.door.is_open(self.ledger.served(), now)
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
        let Some((socket, peer)) = taken else { return Ok(None) };
        self.explain.tell(|| format!("{peer} was taken from the queue"));
        Client::new((socket, peer), self.opening.begin(now), self.idle_timeout, now).map(Some)
    }

    /// Looks at the clock for each of them, and at the signals. Those who have left are to be let go of by
    /// [`dismiss`](Self::dismiss) then.
    pub(crate) fn look_at_the_clock<'a>(
        &mut self,
        clients: impl Iterator<Item = &'a mut Client>,
        now: Instant,
    ) {
        let phase = self.drain.phase(now);
        let entered = phase != self.last;
        for client in clients {
            client.look_at_the_clock(now);
            match phase {
                Phase::LastWords if entered => client.end_reading(now),
                Phase::Over => client.cancel(Why::Drain),
                _ => {}
            }
        }
        if phase == Phase::LastWords && entered {
            self.door.close();
        }
        self.last = phase;
    }

    /// Writes down that somebody has left, if they have: whoever has is to be dropped.
    pub(crate) fn dismiss(&mut self, client: &Client, now: Instant) -> bool {
        let Some((visit, gone)) = client.gone() else { return false };
        self.ledger.went(&visit, gone, now);
        true
    }

    /// How it stands, all who have left having been dismissed; the others are asked when they are to be looked at.
    pub(crate) fn standing<'a>(
        &mut self,
        clients: impl Iterator<Item = &'a Client>,
        now: Instant,
    ) -> Standing {
        match self.last {
            Phase::AtOnce(signal) => Standing::Ended(End::AtOnce(signal)),
            _ if self.door.is_closed() && self.ledger.served() == 0 => {
                Standing::Ended(End::Drained(std::mem::take(&mut self.ledger).close(), Some(self.cost)))
            }
            _ => {
                let theirs = clients.filter_map(Client::wake);
                let ours = [self.drain.next(now), self.door.wake()].into_iter().flatten();
                Standing::Open(theirs.chain(ours).min())
            }
        }
    }

    /// All of that, for clients that are kept in a row.
    pub(crate) fn tidy(&mut self, clients: &mut Vec<Client>, now: Instant) -> Standing {
        self.look_at_the_clock(clients.iter_mut(), now);
        clients.retain(|client| !self.dismiss(client, now));
        self.standing(clients.iter(), now)
    }
}
