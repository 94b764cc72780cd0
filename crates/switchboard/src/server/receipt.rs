//! What a server hands back when it has drained: what it did, and who was left.

use std::fmt;
use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::engine::Address;

/// What a server did. `accepted = finished + failed + cancelled`.
///
/// It prints as a sentence, and serialises with the names of its fields (times in seconds, addresses as text).
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Receipt {
    /// Connections that were accepted.
    pub accepted: u64,
    /// Whose handler ended well.
    pub finished: u64,
    /// Whose handler failed: with an error, or a panic.
    pub failed: u64,
    /// Whose handler was cancelled: at the end of the grace period, or because they were idle.
    pub cancelled: u64,
    /// The most that were served at once.
    pub most_at_once: usize,
    /// Bytes that handlers received.
    pub received: u64,
    /// Bytes that handlers sent and the system took over.
    pub sent: u64,
    /// Connections that were gone before they could be accepted.
    pub lost: u64,
    /// How often descriptors ran out.
    pub exhausted: u64,
    /// Of those who were cancelled, the first thousand.
    pub left: Vec<Left>,
}

/// Somebody who was cancelled.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Left {
    /// Who.
    pub peer: Address,
    /// For how long they had been connected.
    pub age: Duration,
    /// Bytes that were to be sent to them and that they have not acknowledged.
    pub unsent: u64,
    /// Why.
    pub why: Why,
}

/// Why somebody was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// No byte had gone either way for the idle timeout.
    Idle,
    /// The server ended, and so had the grace period.
    Drain,
}

impl Receipt {
    /// Writes down that somebody was cancelled, for those who keep the books of a server of their own.
    pub fn leave(&mut self, peer: Address, age: Duration, unsent: u64, why: Why) {
        self.cancelled += 1;
        if self.left.len() < MOST_LEFT {
            self.left.push(Left { peer, age, unsent, why });
        }
    }

    /// Adds what another thread of the server did.
    pub(super) fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.finished += other.finished;
        self.failed += other.failed;
        self.cancelled += other.cancelled;
        self.most_at_once = self.most_at_once.max(other.most_at_once);
        self.received += other.received;
        self.sent += other.sent;
        self.lost += other.lost;
        self.exhausted += other.exhausted;
        let room = MOST_LEFT.saturating_sub(self.left.len());
        self.left.extend(other.left.into_iter().take(room));
    }
}

/// `3 accepted: 2 finished, 0 failed, 1 cancelled; at most 2 at once; 12 bytes received, 12 sent`, and a line for each
/// who was left.
impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted, finished, failed, cancelled, most_at_once, received, sent, .. } = self;
        write!(f, "{accepted} accepted: {finished} finished, {failed} failed, {cancelled} cancelled; ")?;
        write!(f, "at most {most_at_once} at once; {received} bytes received, {sent} sent")?;
        if self.lost > 0 {
            write!(f, "; {} gone before they were accepted", self.lost)?;
        }
        if self.exhausted > 0 {
            let times =
                if self.exhausted == 1 { "once".to_owned() } else { format!("{} times", self.exhausted) };
            write!(f, "; out of descriptors {times}")?;
        }
        for left in &self.left {
            write!(f, "\n  {left}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peer, age, unsent, why } = self;
        write!(f, "{peer} cancelled ({why}) after {:.1} s with {unsent} bytes unsent", age.as_secs_f64())
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "idle",
            Self::Drain => "drain",
        })
    }
}

impl Serialize for Receipt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Receipt", 10)?;
        fields.serialize_field("accepted", &self.accepted)?;
        fields.serialize_field("finished", &self.finished)?;
        fields.serialize_field("failed", &self.failed)?;
        fields.serialize_field("cancelled", &self.cancelled)?;
        fields.serialize_field("most_at_once", &self.most_at_once)?;
        fields.serialize_field("received", &self.received)?;
        fields.serialize_field("sent", &self.sent)?;
        fields.serialize_field("lost", &self.lost)?;
        fields.serialize_field("exhausted", &self.exhausted)?;
        fields.serialize_field("left", &self.left)?;
        fields.end()
    }
}

impl Serialize for Left {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Left", 4)?;
        fields.serialize_field("peer", &self.peer.to_string())?;
        fields.serialize_field("age", &self.age.as_secs_f64())?;
        fields.serialize_field("unsent", &self.unsent)?;
        fields.serialize_field("why", &self.why.to_string())?;
        fields.end()
    }
}

/// How many of those who were cancelled are remembered one by one.
const MOST_LEFT: usize = 1000;
