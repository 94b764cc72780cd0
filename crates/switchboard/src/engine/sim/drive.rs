//! What somebody needs who runs many hosts on one network: their engines, the clock, and the ways between them.
//!
//! Driven, the network's engines only look; the clock is moved by whoever drives, when no host has anything to do.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{HostId, Link, Network};
use crate::engine::Faults;
use crate::engine::faults::Dice;
use crate::engine::trace::Trace;

impl Network {
    /// A network with hosts to come, whose engines do not move its clock. What falls on one instant is shuffled.
    pub(crate) fn driven(seed: u64) -> Self {
        let network = Self::with_seed(seed);
        let mut world = network.world.borrow_mut();
        (world.is_driven, world.is_shuffled) = (true, true);
        drop(world);
        network
    }

    /// A network for one program that is alone, and reaches itself by this link. Its engine moves the clock; what falls on
    /// one instant is shuffled. It waits so long for other threads, really, and not for ever.
    pub(crate) fn alone(seed: u64, loopback: Link, patience: Duration) -> Self {
        let network = Self::with_seed(seed);
        let mut world = network.world.borrow_mut();
        (world.is_shuffled, world.links.loopback, world.patience) = (true, loopback, Some(patience));
        drop(world);
        network
    }

    /// What goes wrong: at the calls of the engines that are opened from now on, and between the hosts.
    pub(crate) fn go_wrong(&mut self, faults: &Faults) {
        self.faults = faults.clone();
        let mut world = self.world.borrow_mut();
        let seed = world.random();
        world.dice = Some(Dice::new(seed, faults, self.injected.clone()));
    }

    /// Has it written down what befalls the network.
    pub(crate) fn trace(&self, trace: &Trace) {
        self.world.borrow_mut().trace = Some(trace.clone());
    }

    /// Writes down something that befalls the network.
    pub(crate) fn note(&self, what: impl std::fmt::Display) {
        self.world.borrow().note(HostId::default(), what);
    }

    /// Whether a bell of the only host was rung by another thread, so that its seed does not repeat it.
    pub(crate) fn is_repeatable(&self) -> bool {
        !self.was_rung_from_elsewhere(HostId::default())
    }

    /// Whether a bell of that host was rung by another thread, so that nothing here repeats.
    pub(crate) fn was_rung_from_elsewhere(&self, host: HostId) -> bool {
        self.world.borrow().was_rung_from_elsewhere(host)
    }

    /// Adds a host, which its name resolves to.
    pub(crate) fn add_host(&self, name: &str) -> HostId {
        self.world.borrow_mut().hosts.add(name)
    }

    /// The same network; engines opened through this value are on that host.
    pub(crate) fn on(&self, host: HostId) -> Self {
        Self { host, ..self.clone() }
    }

    /// The links that are not named, between hosts and from a host to itself.
    pub(crate) fn link_usually(&self, between: Link, loopback: Link) {
        let links = &mut self.world.borrow_mut().links;
        (links.usual, links.loopback) = (between, loopback);
    }

    /// The link between two hosts.
    pub(crate) fn link(&self, one: HostId, other: HostId, link: Link) {
        self.world.borrow_mut().links.name(one, other, link);
    }

    pub(crate) fn partition(&self, one: HostId, other: HostId) {
        let links = &mut self.world.borrow_mut().links;
        links.cut((one, other));
        links.cut((other, one));
    }

    pub(crate) fn heal(&self, one: HostId, other: HostId) {
        let mut world = self.world.borrow_mut();
        world.mend((one, other));
        world.mend((other, one));
    }

    /// The host vanishes, with all that its engines have. They answer nothing but stale names from now on.
    pub(crate) fn crash(&self, host: HostId) {
        self.world.borrow_mut().crash(host);
    }

    /// Whether the host has crashed and is not there again.
    pub(crate) fn is_down(&self, host: HostId) -> bool {
        self.world.borrow().hosts.host(host).is_down
    }

    /// It is there again.
    pub(crate) fn start(&self, host: HostId) {
        self.world.borrow_mut().start(host);
    }

    pub(crate) fn raise_on(&self, host: HostId, number: i32) {
        self.world.borrow_mut().raise(Some(host), number);
    }

    /// Whether somebody on that host waits for a signal, or ever has.
    pub(crate) fn watches(&self, host: HostId, number: i32) -> bool {
        self.world.borrow().watches(host, number)
    }

    /// The hosts with an engine that would find something to do.
    pub(crate) fn with_news(&self) -> BTreeSet<HostId> {
        self.world.borrow().with_news()
    }

    /// The sockets that engines on that host have, in words.
    pub(crate) fn sockets_of(&self, host: HostId) -> Vec<String> {
        self.world.borrow().sockets_of(host)
    }

    pub(crate) fn now(&self) -> Instant {
        self.world.borrow().now
    }

    /// How long it has been since there was this network, by its clock.
    pub(crate) fn age(&self) -> Duration {
        let world = self.world.borrow();
        world.now - world.start
    }

    /// When something happens next on the network itself.
    pub(crate) fn first_event(&self) -> Option<Instant> {
        self.world.borrow().agenda.first()
    }

    /// Moves the clock on, through all that happens until then.
    pub(crate) fn advance(&self, to: Instant) {
        self.world.borrow_mut().advance(to);
    }

    /// The next number of the network's seed.
    pub(crate) fn random(&self) -> u64 {
        self.world.borrow_mut().random()
    }
}
