//! What is to happen, and when: arrivals, repeated knocks, the end of patience.
//!
//! What falls on one instant is in an order that follows from the seed and not from who was first, so that programs
//! are shown all the orders that there may be. What has an order of its own (the bytes of one connection) keeps it
//! elsewhere: the agenda only says when to look.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::Instant;

use super::hosts::HostId;
use super::strangers::Deed;
use super::world::{DeskId, Id};

/// What is to happen.
#[derive(Debug)]
pub(super) enum Event {
    /// Something has crossed the network to this end of a connection.
    Arrival(Id),
    /// The first packet of a connection arrives, the how-manieth of its kind.
    Knock {
        client: Id,
        attempt: u32,
    },
    /// Nothing was heard of what was sent, for as long as one waits; unless something has been since then.
    GiveUp {
        sender: Id,
        since: Instant,
    },
    /// What was not answered is sent once more.
    Repeat(Id),
    /// A datagram arrives.
    Packet {
        at: HostId,
        from: SocketAddr,
        to: SocketAddr,
        bytes: Vec<u8>,
    },
    /// Work of an engine is done.
    Job(DeskId),
    Stranger {
        id: Id,
        deed: Deed,
    },
}

/// All of it.
#[derive(Default)]
pub(super) struct Agenda {
    entries: BinaryHeap<Reverse<Entry>>,
    added: u64,
}

struct Entry {
    due: Instant,
    /// Decides among those of one instant.
    lot: u64,
    added: u64,
    event: Event,
}

impl Agenda {
    /// Adds something; `lot` is random.
    pub(super) fn add(&mut self, due: Instant, lot: u64, event: Event) {
        self.added += 1;
        self.entries.push(Reverse(Entry { due, lot, added: self.added, event }));
    }

    /// When the first of it happens.
    pub(super) fn first(&self) -> Option<Instant> {
        self.entries.peek().map(|Reverse(entry)| entry.due)
    }

    /// The first of what is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Event> {
        if self.first()? > now {
            return None;
        }
        self.entries.pop().map(|Reverse(entry)| entry.event)
    }
}

impl Entry {
    fn place(&self) -> (Instant, u64, u64) {
        (self.due, self.lot, self.added)
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place().cmp(&other.place())
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for Entry {}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}
