//! The whole network: its clock, its sockets, and the desks of its engines.
//!
//! A socket here is known by an [`Id`], which never changes; the engine that owns it knows it by a name of
//! its own. A desk is what an engine has here: the list of sockets that have something to tell it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use slotmap::{SlotMap, new_key_type};
use switchboard_selector::{Interest, Mode};

use super::datagram::Datagram;
use super::directory::Directory;
use super::hosts::Hosts;
use super::listener::Listener;
use super::stream::Stream;
use super::watch::{Cause, Signs, Watch};
use crate::engine::Socket;
use crate::engine::kernel::Lamp;

new_key_type! {
    /// A socket of the network.
    pub(super) struct Id;

    /// An engine of the network.
    pub(super) struct DeskId;
}

/// All there is.
pub(super) struct World {
    pub(super) now: Instant,
    pub(super) directory: Directory,
    pub(super) hosts: Hosts,
    /// Descriptors that were released and dropped, by whatever thread: to be closed.
    pub(super) lost: Arc<Mutex<Vec<Id>>>,
    sockets: SlotMap<Id, Entry>,
    desks: SlotMap<DeskId, Desk>,
    seed: u64,
}

struct Entry {
    body: Body,
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
#[derive(Default)]
struct Desk {
    lit: VecDeque<Id>,
    /// Signals that are watched, and how often each came.
    signals: Vec<(i32, u64)>,
}

impl World {
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time begins at the real one, and is its own from then on"
    )]
    pub(super) fn new(seed: u64) -> Self {
        Self {
            now: Instant::now(),
            directory: Directory::default(),
            hosts: Hosts::new(),
            lost: Arc::default(),
            sockets: SlotMap::with_key(),
            desks: SlotMap::with_key(),
            seed,
        }
    }

    /// A desk for a new engine, and where its random numbers begin.
    pub(super) fn open_desk(&mut self) -> (DeskId, u64) {
        let random = crate::engine::random::next(&mut self.seed);
        (self.desks.insert(Desk::default()), random)
    }

    pub(super) fn close_desk(&mut self, desk: DeskId) {
        self.desks.remove(desk);
    }

    /// Whether there are other engines.
    pub(super) fn has_other_desks(&self) -> bool {
        self.desks.len() > 1
    }

    pub(super) fn raise(&mut self, number: i32) {
        for desk in self.desks.values_mut() {
            if let Some((_, count)) = desk.signals.iter_mut().find(|(other, _)| *other == number) {
                *count += 1;
            }
        }
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

    pub(super) fn insert(&mut self, body: Body) -> Id {
        self.sockets.insert(Entry { body, watch: Watch::default(), owner: None })
    }

    /// Forgets a socket, with what it holds of the directory's.
    pub(super) fn remove(&mut self, id: Id) {
        self.forget_pair(id);
        self.sockets.remove(id);
    }

    /// Gives a client's port back, if it has one.
    pub(super) fn forget_pair(&mut self, id: Id) {
        if let Some((local, to)) = self.stream_if_there(id).and_then(|stream| stream.pair.take()) {
            self.directory.free_pair(local, to);
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

    /// Closes a socket.
    pub(super) fn close(&mut self, id: Id, reset: bool) {
        match self.body(id) {
            Body::Stream(_) => self.close_stream(id, reset),
            Body::Listener(_) => self.close_listener(id),
            Body::Datagram(_) => self.close_datagram(id),
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

#[cfg(test)]
impl World {
    /// Nothing is here, and nothing is bound.
    pub(super) fn assert_empty(&self) {
        assert_eq!(self.sockets.len(), 0, "sockets are left");
        self.directory.assert_empty();
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
