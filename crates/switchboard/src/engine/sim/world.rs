//! The whole network: its clock, its sockets, and the desks of its engines.
//!
//! A socket here is known by an [`Id`], which never changes; the engine that owns it knows it by a name of
//! its own. A desk is what an engine has here: the list of sockets that have something to tell it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use slotmap::{SlotMap, new_key_type};
use switchboard_selector::{Interest, Mode};

use super::agenda::{Agenda, Event};
use super::chime::Chime;
use super::datagram::Datagram;
use super::directory::Directory;
use super::hosts::{HostId, Hosts};
use super::link::{Links, Way};
use super::listener::Listener;
use super::stream::Stream;
use super::watch::{Cause, Signs, Watch};
use crate::engine::faults::Dice;
use crate::engine::kernel::Lamp;
use crate::engine::trace::Trace;
use crate::engine::{Socket, random};

new_key_type! {
    /// A socket of the network.
    pub(super) struct Id;

    /// An engine of the network.
    pub(super) struct DeskId;
}

/// All there is.
pub(super) struct World {
    pub(super) now: Instant,
    pub(super) start: Instant,
    pub(super) hosts: Hosts,
    pub(super) links: Links,
    pub(super) agenda: Agenda,
    /// Ends of connections that something waits to reach, across a link that is cut.
    pub(super) stalled: BTreeSet<Id>,
    /// What goes wrong that is nobody's call: none, unless asked for.
    pub(super) dice: Option<Dice>,
    /// Where it is written down what befalls the network.
    pub(super) trace: Option<Trace>,
    /// Somebody else moves the clock: engines only look.
    pub(super) is_driven: bool,
    /// What falls on one instant is in random order.
    pub(super) is_shuffled: bool,
    /// For how long an engine really sleeps at most, until another thread rings.
    pub(super) patience: Option<Duration>,
    /// Descriptors that were released and dropped, by whatever thread: to be closed.
    pub(super) lost: Arc<Mutex<Vec<Id>>>,
    sockets: SlotMap<Id, Entry>,
    desks: SlotMap<DeskId, Desk>,
    seed: u64,
}

struct Entry {
    body: Body,
    host: HostId,
    watch: Watch,
    /// The engine that has it, and its name there.
    owner: Option<(DeskId, Socket)>,
}

/// What a socket is.
pub(super) enum Body {
    Stream(Box<Stream>),
    Listener(Listener),
    Datagram(Datagram),
}

/// What an engine has here.
struct Desk {
    host: HostId,
    chime: Arc<Chime>,
    lit: VecDeque<Id>,
    /// Signals that are watched, and how often each came.
    signals: Vec<(i32, u64)>,
    /// Work of its that is done, and not told.
    jobs: usize,
}

impl World {
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time begins at the real one, and is its own from then on"
    )]
    pub(super) fn new(seed: u64) -> Self {
        let now = Instant::now();
        Self {
            now,
            start: now,
            hosts: Hosts::new(),
            links: Links::default(),
            agenda: Agenda::default(),
            stalled: BTreeSet::new(),
            dice: None,
            trace: None,
            is_driven: false,
            is_shuffled: false,
            patience: None,
            lost: Arc::default(),
            sockets: SlotMap::with_key(),
            desks: SlotMap::with_key(),
            seed,
        }
    }

    pub(super) fn random(&mut self) -> u64 {
        random::next(&mut self.seed)
    }

    /// A desk for a new engine, and where its random numbers begin.
    pub(super) fn open_desk(&mut self, host: HostId, chime: Arc<Chime>) -> (DeskId, u64) {
        let random = self.random();
        let desk = Desk { host, chime, lit: VecDeque::new(), signals: Vec::new(), jobs: 0 };
        (self.desks.insert(desk), random)
    }

    pub(super) fn close_desk(&mut self, desk: DeskId) {
        self.desks.remove(desk);
    }

    /// Whether an engine's host has not crashed.
    pub(super) fn has_desk(&self, desk: DeskId) -> bool {
        self.desks.contains_key(desk)
    }

    /// Whether there are other engines.
    pub(super) fn has_other_desks(&self) -> bool {
        self.desks.len() > 1
    }

    /// The hosts with an engine that would find something to do.
    pub(super) fn with_news(&self) -> BTreeSet<HostId> {
        let has_news = |desk: &&Desk| {
            let signalled = desk.signals.iter().any(|(_, count)| *count > 0);
            !desk.lit.is_empty() || signalled || desk.jobs > 0 || desk.chime.is_rung()
        };
        self.desks.values().filter(has_news).map(|desk| desk.host).collect()
    }

    /// A signal arrives on one host, or on all. Whether anybody there counts it.
    pub(super) fn raise(&mut self, at: Option<HostId>, number: i32) -> bool {
        let mut is_heard = false;
        for desk in self.desks.values_mut().filter(|desk| at.is_none_or(|at| at == desk.host)) {
            if let Some((_, count)) = desk.signals.iter_mut().find(|(other, _)| *other == number) {
                *count += 1;
                is_heard = true;
            }
        }
        is_heard
    }

    /// Whether another thread has rung a bell of that host.
    pub(super) fn was_rung_from_elsewhere(&self, host: HostId) -> bool {
        self.desks.values().any(|desk| desk.host == host && desk.chime.was_rung_from_elsewhere())
    }

    /// One of the signals that a host counts arrives there. Whether it counts any.
    pub(super) fn raise_one(&mut self, at: HostId) -> bool {
        let here = self.desks.values().filter(|desk| desk.host == at);
        let numbers: Vec<i32> =
            here.flat_map(|desk| desk.signals.iter().map(|(number, _)| *number)).collect();
        if numbers.is_empty() {
            return false;
        }
        let chosen = self.random() % numbers.len() as u64;
        let number = numbers[usize::try_from(chosen).unwrap_or(0)];
        self.note(at, format_args!("signal {number} arrives"));
        self.raise(Some(at), number)
    }

    /// Writes down what befalls a host.
    pub(super) fn note(&self, host: HostId, what: impl std::fmt::Display) {
        if let Some(trace) = &self.trace {
            trace.note(&self.hosts.host(host).name, self.now, what);
        }
    }

    /// Whether a host counts a signal.
    pub(super) fn watches(&self, host: HostId, number: i32) -> bool {
        let mut here = self.desks.values().filter(|desk| desk.host == host);
        here.any(|desk| desk.signals.iter().any(|(other, _)| *other == number))
    }

    pub(super) fn watch_signal(&mut self, desk: DeskId, number: i32) {
        self.desks[desk].signals.push((number, 0));
    }

    /// Takes the signals that came.
    pub(super) fn take_signals(&mut self, desk: DeskId, into: &mut Vec<(i32, u64)>) {
        for (number, count) in &mut self.desks[desk].signals {
            if *count > 0 {
                into.push((*number, std::mem::take(count)));
            }
        }
    }

    /// How much work of an engine is done since this was asked last.
    pub(super) fn take_jobs(&mut self, desk: DeskId) -> usize {
        std::mem::take(&mut self.desks[desk].jobs)
    }

    /// Has something happen later.
    pub(super) fn schedule(&mut self, due: Instant, event: Event) {
        let lot = if self.is_shuffled { self.random() } else { 0 };
        self.agenda.add(due, lot, event);
    }

    /// Moves the clock on, through all that happens until then.
    pub(super) fn advance(&mut self, to: Instant) {
        while let Some(due) = self.agenda.first().filter(|due| *due <= to) {
            self.now = self.now.max(due);
            while let Some(event) = self.agenda.pop_due(self.now) {
                self.happens(event);
            }
        }
        self.now = self.now.max(to);
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Arrival(id) => {
                let sender = self.stream_if_there(id).and_then(|stream| stream.other);
                self.arrive(id);
                if let Some(sender) = sender {
                    self.look_at_room(sender);
                }
            }
            Event::Knock { client, attempt } => self.knock_again(client, attempt),
            Event::GiveUp { sender, since } => self.give_up(sender, since),
            Event::Repeat(id) => self.flush(id),
            Event::Stranger { id, deed } => self.act(id, deed),
            Event::Packet { at, from, to, bytes } => self.receive_packet(at, from, to, &bytes),
            Event::Job(desk) => {
                if let Some(desk) = self.desks.get_mut(desk) {
                    desk.jobs += 1;
                }
            }
        }
    }

    /// When something that is sent now in a connection arrives.
    pub(super) fn carry(&mut self, way: Way, bytes: usize) -> Instant {
        let Self { links, seed, now, .. } = self;
        links.carry(way, bytes, *now, &mut || random::next(seed))
    }

    /// When a datagram that is sent now arrives, unless it is lost.
    pub(super) fn throw(&mut self, way: Way, bytes: usize) -> Option<Instant> {
        let Self { links, seed, now, .. } = self;
        links.throw(way, bytes, *now, &mut || random::next(seed))
    }

    /// A host vanishes with all it has, and tells nobody.
    pub(super) fn crash(&mut self, host: HostId) {
        let here: Vec<Id> =
            self.sockets.iter().filter(|(_, entry)| entry.host == host).map(|(id, _)| id).collect();
        for &id in &here {
            if let Body::Listener(listener) = self.body(id) {
                let waiting = listener.take_waiting();
                for client in waiting {
                    self.knock_later(client, 0);
                }
            }
        }
        for id in here {
            // Elsewhere it may wait to be let in.
            if self.stream_if_there(id).is_some() {
                self.stop_knocking(id);
            }
            self.sockets.remove(id);
        }
        self.send_in_vain(host);
        self.desks.retain(|_, desk| desk.host != host);
        let host = self.hosts.host_mut(host);
        host.directory = Directory::default();
        host.is_down = true;
    }

    /// The ends of connections to a host.
    pub(super) fn streams_to(&self, host: HostId) -> Vec<Id> {
        let is_to = |entry: &Entry| matches!(&entry.body, Body::Stream(stream) if stream.far == host);
        self.sockets.iter().filter(|(_, entry)| is_to(entry)).map(|(id, _)| id).collect()
    }

    /// The sockets that engines on a host have and have not closed, in words.
    pub(super) fn sockets_of(&self, host: HostId) -> Vec<String> {
        let here = self.sockets.values().filter(|entry| entry.host == host && entry.owner.is_some());
        let words = here.filter_map(|Entry { body, .. }| match body {
            Body::Stream(stream) if stream.orphan => None,
            Body::Stream(stream) => Some(match &stream.peer {
                Some(peer) => format!("a connection to {peer}"),
                None => "a socket that is not connected".to_owned(),
            }),
            Body::Listener(listener) => Some(format!("a listener on {}", listener.address)),
            Body::Datagram(datagram) => Some(format!("a socket for datagrams on {}", datagram.address)),
        });
        words.collect()
    }

    pub(super) fn insert(&mut self, host: HostId, body: Body) -> Id {
        self.sockets.insert(Entry { body, host, watch: Watch::default(), owner: None })
    }

    /// Whether a socket is not gone, with its host.
    pub(super) fn is_there(&self, id: Id) -> bool {
        self.sockets.contains_key(id)
    }

    /// The host that a socket is on.
    pub(super) fn host_of(&self, id: Id) -> HostId {
        self.sockets[id].host
    }

    /// Who is bound where on a host.
    pub(super) fn directory(&mut self, host: HostId) -> &mut Directory {
        &mut self.hosts.host_mut(host).directory
    }

    /// Forgets a socket, with what it holds of the directory's.
    pub(super) fn remove(&mut self, id: Id) {
        self.forget_pair(id);
        self.refuse_what_arrives(id);
        self.sockets.remove(id);
    }

    /// Gives a client's port back, if it has one.
    pub(super) fn forget_pair(&mut self, id: Id) {
        if let Some((local, to)) = self.stream_if_there(id).and_then(|stream| stream.pair.take()) {
            let host = self.host_of(id);
            self.directory(host).free_pair(local, to);
        }
    }

    pub(super) fn own(&mut self, id: Id, desk: DeskId, socket: Socket) {
        let entry = &mut self.sockets[id];
        entry.owner = Some((desk, socket));
        entry.watch = Watch::default();
    }

    /// Whoever had it is told nothing more.
    pub(super) fn disown(&mut self, id: Id) {
        let entry = &mut self.sockets[id];
        entry.owner = None;
        entry.watch = Watch::default();
    }

    pub(super) fn body(&mut self, id: Id) -> &mut Body {
        &mut self.sockets[id].body
    }

    /// Two at once, if both are there.
    pub(super) fn bodies(&mut self, ids: [Id; 2]) -> Option<[&mut Body; 2]> {
        self.sockets.get_disjoint_mut(ids).map(|entries| entries.map(|entry| &mut entry.body))
    }

    /// The stream of that id. The engine has seen to it that it is one.
    pub(super) fn stream(&mut self, id: Id) -> &mut Stream {
        self.stream_if_there(id).expect("a stream that its engine knows is in the network")
    }

    /// The stream of that id, unless it is gone.
    pub(super) fn stream_if_there(&mut self, id: Id) -> Option<&mut Stream> {
        match &mut self.sockets.get_mut(id)?.body {
            Body::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    pub(super) fn listener(&mut self, id: Id) -> &mut Listener {
        match self.body(id) {
            Body::Listener(listener) => listener,
            _ => unreachable!("the engine lets only listeners accept"),
        }
    }

    pub(super) fn datagram(&mut self, id: Id) -> &mut Datagram {
        match self.body(id) {
            Body::Datagram(datagram) => datagram,
            _ => unreachable!("the engine lets only datagram sockets send and receive datagrams"),
        }
    }

    /// What a socket shows now.
    pub(super) fn signs(&self, id: Id) -> Signs {
        self.sockets[id].signs()
    }

    /// Closes a socket, unless it is gone, with its host.
    pub(super) fn close(&mut self, id: Id, reset: bool) {
        match self.sockets.get(id).map(|entry| &entry.body) {
            Some(Body::Stream(_)) => self.close_stream(id, reset),
            Some(Body::Listener(_)) => self.close_listener(id),
            Some(Body::Datagram(_)) => self.close_datagram(id),
            None => {}
        }
    }

    /// Closes the descriptors that were dropped by whoever had them.
    pub(super) fn close_lost(&mut self) {
        let lost = std::mem::take(&mut *self.lost.lock().unwrap_or_else(PoisonError::into_inner));
        for id in lost {
            self.close(id, false);
        }
    }

    /// Something happened on a socket: it is to be looked at, if anybody there wants to know.
    pub(super) fn wake(&mut self, id: Id, cause: Cause) {
        if self.sockets.get(id).is_some_and(|entry| entry.watch.hears(cause)) {
            self.list(id);
        }
    }

    /// Watches a socket from now on; what it shows already is told, too.
    pub(super) fn watch(&mut self, id: Id, interest: Interest, mode: Mode) {
        let entry = &mut self.sockets[id];
        (entry.watch.interest, entry.watch.mode) = (interest, mode);
        if let Some((_, socket)) = entry.owner
            && entry.signs().lamp(socket, interest).is_some()
        {
            self.list(id);
        }
    }

    fn list(&mut self, id: Id) {
        let entry = &mut self.sockets[id];
        if let Some((desk, _)) = entry.owner
            && !entry.watch.listed
        {
            entry.watch.listed = true;
            self.desks[desk].lit.push_back(id);
        }
    }

    /// Takes the lamps that are lit, oldest first and not too many at a time.
    pub(super) fn collect(&mut self, desk: DeskId, into: &mut VecDeque<Lamp>) {
        if self.is_shuffled {
            self.shuffle(desk);
        }
        while into.len() < MOST_LAMPS
            && let Some(id) = self.desks[desk].lit.pop_front()
        {
            let Some(entry) = self.sockets.get_mut(id) else { continue };
            let Some((owner, socket)) = entry.owner else { continue };
            if owner != desk {
                continue;
            }
            entry.watch.listed = false;
            if let Some(lamp) = entry.signs().lamp(socket, entry.watch.interest) {
                if entry.watch.mode != Mode::Edge {
                    entry.watch.interest = Interest::NONE;
                }
                into.push_back(lamp);
            }
        }
    }
}

impl World {
    /// Brings the lamps of an engine into random order (Fisher and Yates).
    fn shuffle(&mut self, desk: DeskId) {
        let Self { desks, seed, .. } = self;
        let lit = &mut desks[desk].lit;
        for last in (1..lit.len()).rev() {
            let other = random::next(seed) % (last as u64 + 1);
            lit.swap(last, usize::try_from(other).unwrap_or(0));
        }
    }
}

#[cfg(test)]
impl World {
    /// Nothing is here, and nothing is bound.
    pub(super) fn assert_empty(&self) {
        assert_eq!(self.sockets.len(), 0, "sockets are left");
        for host in self.hosts.ids() {
            self.hosts.host(host).directory.assert_empty();
        }
    }
}

impl Entry {
    fn signs(&self) -> Signs {
        match &self.body {
            Body::Stream(stream) => stream.signs(),
            Body::Listener(listener) => listener.signs(),
            Body::Datagram(datagram) => datagram.signs(),
        }
    }
}

/// How many lamps one wait tells at most; the others are next.
const MOST_LAMPS: usize = 256;
