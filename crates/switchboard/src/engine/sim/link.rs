//! What lies between two hosts: how long it takes to cross it, what is lost there, and whether it can be crossed at all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::hosts::HostId;

/// How packets cross the network from one host to another.
///
/// The default is a link that takes no time and loses nothing.
///
/// ```
/// use std::time::Duration;
/// use switchboard::sim::Link;
///
/// let far_away = Link::default().latency(Duration::from_millis(80)).jitter(Duration::from_millis(20)).loss(0.001);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Link {
    latency: Duration,
    jitter: Duration,
    bandwidth: Option<u64>,
    loss: f64,
    reordering: f64,
}

impl Link {
    /// Each packet takes at least so long: a hundred years at most.
    #[must_use]
    pub fn latency(self, latency: Duration) -> Self {
        Self { latency: latency.min(LONGEST), ..self }
    }

    /// And up to so much longer, evenly spread: a hundred years at most.
    #[must_use]
    pub fn jitter(self, jitter: Duration) -> Self {
        Self { jitter: jitter.min(LONGEST), ..self }
    }

    /// So many bytes cross it in a second, all connections together; what comes faster queues.
    ///
    /// # Panics
    ///
    /// At zero: to stop everything, partition the hosts.
    #[must_use]
    pub fn bandwidth(self, bytes_per_second: u64) -> Self {
        assert!(bytes_per_second > 0, "a bandwidth is at least a byte per second");
        Self { bandwidth: Some(bytes_per_second), ..self }
    }

    /// A packet is lost with this probability. A datagram is gone then; what belongs to a connection is sent again
    /// later, so that it is late.
    ///
    /// # Panics
    ///
    /// Outside 0..=1. (At 1 what belongs to a connection still arrives, after eight times: to lose everything, partition the hosts.)
    #[must_use]
    pub fn loss(self, probability: f64) -> Self {
        Self { loss: checked(probability), ..self }
    }

    /// A datagram overtakes those before it with this probability: it takes the shortest time there is, while all the
    /// others keep their order.
    ///
    /// # Panics
    ///
    /// Outside 0..=1.
    #[must_use]
    pub fn reordering(self, probability: f64) -> Self {
        Self { reordering: checked(probability), ..self }
    }
}

impl Link {
    /// A link of half the way.
    pub(crate) fn halved(self) -> Self {
        Self { latency: self.latency / 2, jitter: self.jitter / 2, ..Self::default() }
    }
}

/// All links: the usual one, and those that differ.
#[derive(Default)]
pub(super) struct Links {
    /// Between two hosts.
    pub(super) usual: Link,
    /// From a host to itself.
    pub(super) loopback: Link,
    named: BTreeMap<Way, Link>,
    cut: BTreeSet<Way>,
    traffic: BTreeMap<Way, Traffic>,
}

/// From whom to whom.
pub(super) type Way = (HostId, HostId);

/// What is on its way.
#[derive(Clone, Copy)]
struct Traffic {
    /// Until when the link has bytes to carry.
    busy: Instant,
    /// When the last orderly datagram arrives.
    last: Instant,
}

impl Links {
    /// Both ways between two hosts.
    pub(super) fn name(&mut self, one: HostId, other: HostId, link: Link) {
        self.named.insert((one, other), link);
        self.named.insert((other, one), link);
    }

    /// Nothing crosses any more, in this direction.
    pub(super) fn cut(&mut self, way: Way) {
        self.cut.insert(way);
    }

    pub(super) fn mend(&mut self, way: Way) {
        self.cut.remove(&way);
    }

    pub(super) fn is_cut(&self, way: Way) -> bool {
        !self.cut.is_empty() && self.cut.contains(&way)
    }

    /// When something arrives that belongs to a connection: what is lost is sent again, later each time.
    pub(super) fn carry(
        &mut self,
        way: Way,
        bytes: usize,
        now: Instant,
        random: &mut impl FnMut() -> u64,
    ) -> Instant {
        let link = self.link(way);
        let mut due = self.cross(way, &link, bytes, now, random);
        let mut wait = FIRST_REPEAT.max(2 * link.latency);
        for _ in 0..MOST_REPEATS {
            if !strikes(link.loss, random) {
                break;
            }
            due += wait;
            wait *= 2;
        }
        due
    }

    /// When a datagram arrives, unless it is lost.
    pub(super) fn throw(
        &mut self,
        way: Way,
        bytes: usize,
        now: Instant,
        random: &mut impl FnMut() -> u64,
    ) -> Option<Instant> {
        let link = self.link(way);
        let due = self.cross(way, &link, bytes, now, random);
        if self.is_cut(way) || strikes(link.loss, random) {
            return None;
        }
        if strikes(link.reordering, random) {
            return Some(now + link.latency);
        }
        let traffic = self.traffic.entry(way).or_insert(Traffic { busy: now, last: now });
        // Those of one instant would be shuffled.
        traffic.last = due.max(traffic.last + Duration::from_nanos(1));
        Some(traffic.last)
    }

    fn link(&self, way: Way) -> Link {
        match self.named.get(&way) {
            Some(&link) => link,
            None if way.0 == way.1 => self.loopback,
            None => self.usual,
        }
    }

    fn cross(
        &mut self,
        way: Way,
        link: &Link,
        bytes: usize,
        now: Instant,
        random: &mut impl FnMut() -> u64,
    ) -> Instant {
        let mut due = now;
        if let Some(bandwidth) = link.bandwidth {
            let traffic = self.traffic.entry(way).or_insert(Traffic { busy: now, last: now });
            let packet = (bytes + HEADERS) as u64;
            traffic.busy = traffic.busy.max(now) + Duration::from_nanos(packet * 1_000_000_000 / bandwidth);
            due = traffic.busy;
        }
        due + link.latency + part_of(link.jitter, random)
    }
}

/// Whether something happens that does with this probability.
fn strikes(probability: f64, random: &mut impl FnMut() -> u64) -> bool {
    probability > 0.0 && ((random() >> 11) as f64) < probability * (1_u64 << 53) as f64
}

/// A random part of a time.
fn part_of(time: Duration, random: &mut impl FnMut() -> u64) -> Duration {
    match u64::try_from(time.as_nanos()) {
        Ok(0) => Duration::ZERO,
        Ok(nanos) => Duration::from_nanos(random() % (nanos + 1)),
        Err(_) => time,
    }
}

fn checked(probability: f64) -> f64 {
    assert!((0.0..=1.0).contains(&probability), "a probability is between 0 and 1, not {probability}");
    probability
}

/// As long as it takes at most, so that no sum of times is more than a clock can show.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The least time after which TCP sends again what was not acknowledged (RFC 6298 with Linux's `TCP_RTO_MIN`).
const FIRST_REPEAT: Duration = Duration::from_millis(200);

/// What is lost more often than this in a row arrives all the same: only a partition loses everything.
const MOST_REPEATS: u32 = 8;

/// What IP and TCP add to each packet.
const HEADERS: usize = 40;
