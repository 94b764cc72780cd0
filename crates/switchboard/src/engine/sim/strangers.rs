//! Strangers: peers that nobody wrote, who come to any listener as they do on a real network.
//!
//! They connect beside those who are meant to, and say nothing: one leaves or resets at once, another ends its side, a third is silent
//! for long. A signal that is watched may come at such a moment, too. Who they are and when they go is decided by the network's dice.

use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use super::agenda::Event;
use super::hosts::HostId;
use super::stream::Stream;
use super::world::{Body, Id, World};
use crate::engine::Fault;

/// What a stranger does next.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deed {
    End,
    Leave,
    Reset,
}

impl World {
    /// Somebody knocks at a host: strangers may come along.
    pub(super) fn attract(&mut self, at: HostId, to: SocketAddr) {
        for fault in [Fault::Early, Fault::Late, Fault::Half] {
            if !self.dice.as_mut().is_some_and(|dice| dice.roll(fault)) {
                continue;
            }
            let soon = self.some_time(SOON);
            let (deed, after) = match fault {
                Fault::Late => (Deed::Leave, SOON + self.some_time(LONG)),
                Fault::Half => (Deed::End, soon),
                _ if self.random().is_multiple_of(2) => (Deed::Reset, soon),
                _ => (Deed::Leave, soon),
            };
            if let Some(id) = self.come(at, to) {
                self.note(at, format_args!("a stranger comes ({fault})"));
                self.schedule(self.now + after, Event::Stranger { id, deed });
            }
        }
        if self.dice.as_mut().is_some_and(|dice| dice.roll(Fault::Signal)) && !self.raise_one(at) {
            self.dice.as_mut().expect("was rolled").take_back(Fault::Signal);
        }
    }

    /// A stranger's deed, unless it is gone.
    pub(super) fn act(&mut self, id: Id, deed: Deed) {
        if self.stream_if_there(id).is_none() {
            return;
        }
        match deed {
            Deed::End => {
                // It may have been reset by now, and has nothing to end then.
                self.shutdown(id, Shutdown::Write).ok();
                let due = self.now + self.some_time(LONG);
                self.schedule(due, Event::Stranger { id, deed: Deed::Leave });
            }
            Deed::Leave => self.close(id, false),
            Deed::Reset => self.close(id, true),
        }
    }

    /// Knocks at that address of a host as a stranger.
    fn come(&mut self, at: HostId, to: SocketAddr) -> Option<Id> {
        // Whoever reaches a loopback address is on the same host.
        let host = if to.ip().is_loopback() { at } else { self.hosts.strangers() };
        let mut stream = Stream::new(&to.into());
        stream.is_strange = true;
        let id = self.insert(host, Body::Stream(Box::new(stream)));
        // An answer that is there already is none that a stranger waits for.
        match self.begin_to_connect(id, to) {
            Err(rustix::io::Errno::INPROGRESS) => Some(id),
            _ => {
                self.remove(id);
                None
            }
        }
    }

    fn some_time(&mut self, most: Duration) -> Duration {
        most.mul_f64((self.random() >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

/// How soon those go who do not stay.
const SOON: Duration = Duration::from_millis(5);

/// How long those may stay who do.
const LONG: Duration = Duration::from_secs(30);
