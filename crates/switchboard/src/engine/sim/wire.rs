//! What is on its way between the two ends of a connection: bytes, FIN, RST, and the answer to a knock.
//!
//! Each end has a wire that comes in, in order: nothing overtakes anything on it, however long each takes to cross.
//! Where a link is cut it waits, and goes on when the link is mended; whoever sent it has only so much patience. An end
//! that is gone cannot say anything, so what it sent before lies on the other's wire.

use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::agenda::Event;
use super::hosts::HostId;
use super::link::Way;
use super::stream::{Family, Parcel, Phase, What};
use super::watch::Cause;
use super::world::{Body, Id, World};

impl World {
    /// Sends something on its way to one end, from that host.
    pub(super) fn post(&mut self, to: Id, from: HostId, what: What) {
        if self.stream_if_there(to).is_none() {
            return;
        }
        let bytes = if let What::Bytes(count) = what { count } else { 0 };
        let due = self.carry((from, self.host_of(to)), bytes);
        let wire = &mut self.stream(to).wire;
        let due = wire.back().map_or(due, |last| last.due.max(due));
        wire.push_back(Parcel { due, what });
        if due > self.now {
            self.schedule(due, Event::Arrival(to));
        } else {
            self.arrive(to);
        }
    }

    /// Takes in what has arrived at one end by now.
    pub(super) fn arrive(&mut self, id: Id) {
        let now = self.now;
        while let Some(stream) = self.stream_if_there(id)
            && let Some(&Parcel { what, .. }) = stream.wire.front().filter(|parcel| parcel.due <= now)
        {
            let (far, other) = (stream.far, stream.other);
            if self.links.is_cut((far, self.host_of(id))) {
                return self.stall(id, what);
            }
            self.stream(id).wire.pop_front();
            if let Some(sender) = other.and_then(|other| self.stream_if_there(other)) {
                sender.unanswered = None;
            }
            match what {
                What::Welcome => self.welcome(id),
                What::Bytes(count) => self.take_in_bytes(id, other, count),
                What::End => self.take_in_end(id, other),
                What::Reset => self.hit_by_reset(id),
            }
        }
    }

    fn welcome(&mut self, id: Id) {
        let stream = self.stream(id);
        if stream.phase == Phase::Connecting {
            stream.phase = Phase::Established;
            stream.unanswered = None;
            self.wake(id, Cause::Change);
        }
    }

    fn take_in_bytes(&mut self, id: Id, sender: Option<Id>, count: usize) {
        let host = self.host_of(id);
        let stream = self.stream(id);
        let refused = stream.refuses();
        if refused {
            stream.discard(count);
            self.hit_by_reset(id);
        } else {
            stream.land(count);
            self.wake(id, Cause::Arrival);
        }
        let Some(sender) = sender else { return };
        if let Some(stream) = self.stream_if_there(sender) {
            stream.discharge(count);
        }
        if refused {
            self.post(sender, host, What::Reset);
        }
    }

    fn take_in_end(&mut self, id: Id, sender: Option<Id>) {
        let stream = self.stream(id);
        (stream.fin_seen, stream.read_shut) = (true, true);
        if let Some(sender) = sender.and_then(|sender| self.stream_if_there(sender)) {
            sender.fin_sent = true;
        }
        for end in [Some(id), sender].into_iter().flatten() {
            let Some(stream) = self.stream_if_there(end) else { continue };
            if stream.fin_sent && stream.fin_seen && stream.phase == Phase::Established {
                stream.phase = Phase::Closed;
                (stream.read_shut, stream.write_shut) = (true, true);
            }
            self.wake(end, Cause::Change);
        }
        if let Some(sender) = sender
            && self.stream_if_there(sender).is_some_and(|stream| stream.orphan)
        {
            self.remove(sender);
        }
    }

    /// The link is cut that something has to cross to this end. A RST is not repeated: it is lost, and whoever is not
    /// answered sends again.
    fn stall(&mut self, id: Id, what: What) {
        if what == What::Reset {
            let stream = self.stream(id);
            stream.wire.pop_front();
            if stream.unsent() > 0 {
                self.stalled.insert(id);
                self.lose_patience(id, PATIENCE);
            }
            return;
        }
        self.stalled.insert(id);
        if what == What::Welcome {
            return self.lose_patience(id, PATIENCE_CONNECTING);
        }
        if let Some(sender) = self.stream(id).other {
            self.lose_patience(sender, PATIENCE);
        }
    }

    /// Nothing is heard of what this end has sent.
    pub(super) fn lose_patience(&mut self, sender: Id, after: Duration) {
        let now = self.now;
        if let Some(stream) = self.stream_if_there(sender)
            && stream.unanswered.is_none()
        {
            stream.unanswered = Some(now);
            self.schedule(now + after, Event::GiveUp { sender, since: now });
        }
    }

    /// Nothing has been heard for as long as one waits.
    pub(super) fn give_up(&mut self, sender: Id, since: Instant) {
        let Some(stream) = self.stream_if_there(sender) else { return };
        if stream.unanswered != Some(since) {
            return;
        }
        stream.fail(Errno::TIMEDOUT);
        let (other, is_orphan) = (stream.other, stream.orphan);
        self.stop_knocking(sender);
        // What was repeated until now is not repeated any more.
        if let Some(other) = other.and_then(|other| self.stream_if_there(other)) {
            other.lose_what_comes();
        }
        if is_orphan {
            return self.remove(sender);
        }
        self.wake(sender, Cause::Change);
    }

    /// Sends what fits, and the FIN behind it.
    pub(super) fn flush(&mut self, id: Id) {
        let Some(other) = self.stream_if_there(id).and_then(|stream| stream.other) else { return };
        let host = self.host_of(id);
        loop {
            let Some([Body::Stream(here), Body::Stream(there)]) = self.bodies([id, other]) else {
                return self.flush_to_nobody(id);
            };
            let count = here.pour(there, SEGMENT);
            if count == 0 {
                break;
            }
            if here.family == Family::Unix {
                there.land(count);
                self.wake(other, Cause::Arrival);
            } else {
                self.post(other, host, What::Bytes(count));
            }
            // A RST may have come back at once.
            if self.stream_if_there(id).is_none() {
                return;
            }
        }
        let stream = self.stream(id);
        let ends = stream.write_shut && !stream.fin_flying && stream.has_left();
        if ends && stream.family != Family::Unix && stream.phase == Phase::Established {
            stream.fin_flying = true;
            self.post(other, host, What::End);
        }
    }

    /// The other end is closed and forgotten, or its host has crashed.
    fn flush_to_nobody(&mut self, id: Id) {
        let far = self.stream(id).far;
        let is_down = self.hosts.host(far).is_down;
        let stream = self.stream(id);
        if stream.unsent() > 0 || stream.unanswered.is_some() {
            if is_down {
                self.lose_patience(id, PATIENCE);
            } else if !stream.wire.iter().any(|parcel| parcel.what == What::Reset) {
                self.post(id, far, What::Reset);
            }
        } else if stream.write_shut && !stream.fin_sent && stream.phase == Phase::Established {
            stream.fin_sent = true;
            if stream.fin_seen {
                stream.phase = Phase::Closed;
            }
            if stream.orphan {
                return self.remove(id);
            }
            self.wake(id, Cause::Change);
        }
    }

    /// An end goes away with something on its way to it: that is answered with RST.
    pub(super) fn refuse_what_arrives(&mut self, id: Id) {
        let Some(stream) = self.stream_if_there(id) else { return };
        let is_answered =
            stream.wire.iter().any(|parcel| matches!(parcel.what, What::Bytes(_) | What::Welcome));
        if let Some(sender) = stream.other
            && is_answered
        {
            let host = self.host_of(id);
            self.post(sender, host, What::Reset);
        }
    }

    /// Something crosses from one host to the other again; what waited arrives.
    pub(super) fn mend(&mut self, way: Way) {
        self.links.mend(way);
        let stalled: Vec<Id> = self.stalled.iter().copied().collect();
        for id in stalled {
            let Some(stream) = self.stream_if_there(id) else {
                self.stalled.remove(&id);
                continue;
            };
            if (stream.far, self.host_of(id)) == way {
                self.stalled.remove(&id);
                let due = self.carry(way, 0);
                self.schedule(due, Event::Arrival(id));
                self.schedule(due, Event::Repeat(id));
            }
        }
    }

    /// A host has vanished: who has sent what it did not have yet sends that again, until patience is over.
    pub(super) fn send_in_vain(&mut self, host: HostId) {
        for id in self.streams_to(host) {
            let stream = self.stream(id);
            if stream.unsent() > 0 || stream.fin_flying && !stream.fin_sent {
                self.lose_patience(id, PATIENCE);
            }
        }
    }

    /// A host is there again, with nothing on it: who still sends to what it had is told.
    pub(super) fn start(&mut self, host: HostId) {
        self.hosts.host_mut(host).is_down = false;
        for id in self.streams_to(host) {
            let due = self.carry((self.host_of(id), host), 0);
            self.schedule(due, Event::Repeat(id));
        }
    }
}

/// How much crosses a link in one piece.
const SEGMENT: usize = 16 << 10;

/// How long TCP repeats what nobody acknowledges (`tcp_retries2` of ip-sysctl: 15 times), and a knock (`tcp_syn_retries`: 6 times).
const PATIENCE: Duration = Duration::from_millis(924_600);
pub(super) const PATIENCE_CONNECTING: Duration = Duration::from_secs(127);
