//! The door: the sockets that listen, asked in turn, and closed for a while when nobody more can be served.
//!
//! With nobody to be taken, `accept(2)` on a non-blocking socket says so and returns. Whoever is not taken waits in the
//! kernel's queue and is lost to nobody: so at the limit, and out of descriptors, the door is not opened rather than
//! opened and slammed.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use socket2::{SockAddr, Socket};
use switchboard::engine::{Address, UnixName, is_exhaustion, is_transient};

use super::ledger::Ledger;
use crate::error::reason;

/// See the top of this file.
#[derive(Debug)]
pub(crate) struct Door<L = Rc<Socket>> {
    listeners: Vec<L>,
    limit: usize,
    /// Which listener is asked first, so that none waits for another's crowd.
    first: usize,
    /// Out of descriptors, until then.
    paused: Option<Instant>,
    /// That was said, and since then somebody was always waiting.
    told: bool,
    /// When a descriptor was last missing.
    exhausted: Option<Instant>,
}

impl Door {
    pub(crate) fn new(listeners: Vec<OwnedFd>, limit: Option<usize>) -> Self {
        Self::of(listeners.into_iter().map(|listener| Rc::new(Socket::from(listener))).collect(), limit)
    }

    /// What is to be waited on for somebody to come.
    pub(crate) fn listeners(&self) -> impl Iterator<Item = Rc<Socket>> + '_ {
        self.listeners.iter().map(Rc::clone)
    }

    /// Takes somebody who waits, if the door is open. They are in the ledger then.
    ///
    /// # Errors
    ///
    /// What ends accepting for good.
    pub(crate) fn accept(
        &mut self,
        ledger: &mut Ledger,
        now: Instant,
    ) -> io::Result<Option<(Socket, Address)>> {
        self.accept_with(ledger, now, accept)
    }

    /// Takes one of the last. With nobody left, the listeners are closed.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub(crate) fn empty(
        &mut self,
        ledger: &mut Ledger,
        now: Instant,
    ) -> io::Result<Option<(Socket, Address)>> {
        self.empty_with(ledger, now, accept)
    }
}

impl<L> Door<L> {
    /// One whose listeners accept by other means.
    pub(crate) fn of(listeners: Vec<L>, limit: Option<usize>) -> Self {
        Self {
            listeners,
            limit: limit.unwrap_or(usize::MAX),
            first: 0,
            paused: None,
            told: false,
            exhausted: None,
        }
    }

    /// Whether somebody would be taken now.
    pub(crate) fn is_open(&self, served: usize, now: Instant) -> bool {
        served < self.limit && self.paused.is_none_or(|until| until <= now)
    }

    /// When it opens again by itself, if it is to.
    pub(crate) fn wake(&self, now: Instant) -> Option<Instant> {
        self.paused.filter(|until| *until > now)
    }

    /// Until when it is closed for want of descriptors, though that may be over.
    pub(crate) fn paused(&self) -> Option<Instant> {
        self.paused
    }

    /// At how many it is closed.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Takes somebody who waits, if the door is open, by these means. They are in the ledger then.
    ///
    /// # Errors
    ///
    /// What ends accepting for good.
    pub(crate) fn accept_with<S>(
        &mut self,
        ledger: &mut Ledger,
        now: Instant,
        accept: impl FnMut(&L) -> io::Result<(S, Address)>,
    ) -> io::Result<Option<(S, Address)>> {
        if self.is_open(ledger.served(), now) { self.take(ledger, now, accept) } else { Ok(None) }
    }

    /// Takes one of the last by these means. With nobody left, the listeners are let go of.
    ///
    /// # Errors
    ///
    /// As [`accept_with`](Self::accept_with).
    pub(crate) fn empty_with<S>(
        &mut self,
        ledger: &mut Ledger,
        now: Instant,
        accept: impl FnMut(&L) -> io::Result<(S, Address)>,
    ) -> io::Result<Option<(S, Address)>> {
        if !self.is_open(ledger.served(), now) {
            return Ok(None);
        }
        let last = self.take(ledger, now, accept)?;
        if last.is_none() && self.paused.is_none() {
            self.close();
        }
        Ok(last)
    }

    /// Closes the listeners: whoever is still in the queue is refused.
    pub(crate) fn close(&mut self) {
        self.listeners.clear();
        self.paused = None;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.listeners.is_empty()
    }

    fn take<S>(
        &mut self,
        ledger: &mut Ledger,
        now: Instant,
        mut accept: impl FnMut(&L) -> io::Result<(S, Address)>,
    ) -> io::Result<Option<(S, Address)>> {
        self.paused = None;
        let count = self.listeners.len();
        self.first += 1;
        for listener in (0..count).map(|at| &self.listeners[(self.first + at) % count]) {
            for _ in 0..MOST_LOST {
                match accept(listener) {
                    Ok((socket, peer)) => {
                        ledger.came(&peer);
                        return Ok(Some((socket, peer)));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if is_transient(&error) => ledger.lost(),
                    Err(error) if is_exhaustion(&error) => {
                        self.pause(&error, ledger, now);
                        return Ok(None);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        // Until the queue was empty, it is still the same shortage.
        self.told = false;
        Ok(None)
    }

    /// Nobody is taken for a moment; said once.
    pub(crate) fn pause(&mut self, error: &io::Error, ledger: &mut Ledger, now: Instant) {
        let last = self.exhausted.replace(now);
        // A full server lets somebody in whenever somebody leaves, and is full again: all that is one outage.
        let is_new = last.is_none_or(|last| now.saturating_duration_since(last) > OUTAGE);
        if !std::mem::replace(&mut self.told, true) && is_new {
            tracing::warn!("cannot accept for now: {}; trying again until it works", reason(error));
            ledger.exhausted();
        }
        self.paused = Some(now + PAUSE);
    }
}

fn accept(listener: &Rc<Socket>) -> io::Result<(Socket, Address)> {
    listener.accept().map(|(socket, peer)| (socket, address(&peer)))
}

/// The library's name for an address.
pub(crate) fn address(name: &SockAddr) -> Address {
    if let Some(ip) = name.as_socket() {
        return Address::Ip(ip);
    }
    let abstract_name = || name.as_abstract_namespace().map(|bytes| UnixName::Abstract(bytes.to_vec()));
    let path = name.as_pathname().map(|path| UnixName::Path(path.to_owned()));
    Address::Unix(path.or_else(abstract_name).unwrap_or(UnixName::Unnamed))
}

/// For how long no descriptor must have been missing before it is news that one is.
const OUTAGE: Duration = Duration::from_secs(1);

/// How many who were gone already are passed over in one go.
const MOST_LOST: usize = 64;

/// How long to wait for a descriptor to be free.
const PAUSE: Duration = Duration::from_millis(100);
