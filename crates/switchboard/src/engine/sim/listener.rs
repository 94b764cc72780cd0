//! Listeners: a queue of connections that nobody has accepted yet, and who waits to join it.
//!
//! A connection is made when it joins the queue, as on Linux: the client may send before anybody accepts. When the
//! queue is full, TCP lets the client wait (on Linux it repeats its SYN, here it is let in as soon as there is room),
//! and a Unix socket is answered with EAGAIN. `backlog` plus one fit, as in `sk_acceptq_is_full`.

use std::collections::VecDeque;
use std::net::SocketAddr;

use rustix::io::Errno;

use super::directory::{Protocol, destination, seen_by};
use super::options::Options;
use super::stream::{Call, Phase, Stream};
use super::watch::{Cause, Signs};
use super::world::{Body, Id, World};
use crate::engine::{Address, Listen, UnixName};

/// A socket that listens.
pub(super) struct Listener {
    pub(super) address: Address,
    room: usize,
    queue: VecDeque<Id>,
    waiting: VecDeque<Id>,
    pub(super) options: Options,
}

impl Listener {
    pub(super) fn signs(&self) -> Signs {
        Signs { readable: !self.queue.is_empty(), ..Signs::default() }
    }

    fn is_full(&self) -> bool {
        self.queue.len() >= self.room
    }
}

impl World {
    pub(super) fn listen(&mut self, listen: &Listen) -> Result<Id, Errno> {
        let id = self.insert(Body::Listener(Listener {
            address: listen.address.clone(),
            room: listen.backlog.min(SOMAXCONN) as usize + 1,
            queue: VecDeque::new(),
            waiting: VecDeque::new(),
            options: Options::default(),
        }));
        match self.directory.bind(Protocol::Stream, &listen.address, listen.reuse_port, id) {
            Ok(address) => {
                self.listener(id).address = address;
                Ok(id)
            }
            Err(error) => {
                self.remove(id);
                Err(error)
            }
        }
    }

    /// Takes the oldest connection off the queue, and lets the next one in.
    pub(super) fn accept(&mut self, id: Id) -> Result<(Id, Address), Errno> {
        let listener = self.listener(id);
        let child = listener.queue.pop_front().ok_or(Errno::AGAIN)?;
        if let Some(client) = listener.waiting.pop_front() {
            self.admit(id, client);
        }
        let peer = self.stream(child).peer.clone();
        Ok((child, peer.unwrap_or(Address::Unix(UnixName::Unnamed))))
    }

    /// Sends the first packet of a TCP connection.
    pub(super) fn begin_to_connect(&mut self, id: Id, to: SocketAddr) -> Result<(), Errno> {
        let to = destination(to);
        self.forget_pair(id);
        let local = self.directory.take_pair(to)?;
        self.stream(id).begin(local, to);
        self.knock(id);
        // The answer is here, but it is told with the lamp.
        Err(Errno::INPROGRESS)
    }

    fn knock(&mut self, id: Id) {
        let (local, to) = self.stream(id).pair.expect("who knocks has a port to be answered at");
        match self.directory.find_ip(Protocol::Stream, to, local.port()) {
            None => self.hit_by_reset(id),
            Some(at) if self.listener(at).is_full() => {
                self.listener(at).waiting.push_back(id);
                self.stream(id).knocking = Some(at);
            }
            Some(at) => self.admit(at, id),
        }
    }

    /// Makes the connection: a child for the client, at the end of the listener's queue.
    fn admit(&mut self, at: Id, client: Id) {
        let listener = self.listener(at);
        let address = listener.address.clone();
        let options = match address {
            Address::Ip(_) => listener.options.clone(),
            Address::Unix(_) => Options::default(),
        };
        let stream = self.stream(client);
        let (local, peer) = match (&stream.local, &stream.peer) {
            (Address::Ip(theirs), Some(Address::Ip(ours))) => {
                let watcher = match address {
                    Address::Ip(address) => address,
                    Address::Unix(_) => unreachable!("an IP client found a Unix listener"),
                };
                (seen_by(watcher, *ours).into(), seen_by(watcher, *theirs).into())
            }
            (theirs, _) => (address, theirs.clone()),
        };
        stream.phase = Phase::Established;
        stream.knocking = None;
        let child = self.insert(Body::Stream(Box::new(Stream::connected(local, peer, client, options))));
        self.stream(client).other = Some(child);
        self.listener(at).queue.push_back(child);
        self.wake(at, Cause::Arrival);
        self.wake(client, Cause::Change);
    }

    /// connect(2) of a Unix socket, which never waits.
    pub(super) fn connect_unix(&mut self, id: Id, name: &UnixName) -> Result<(), Errno> {
        let at = self.directory.find_unix(Protocol::Stream, name)?;
        let Body::Listener(listener) = self.body(at) else { return Err(Errno::PROTOTYPE) };
        let (full, address) = (listener.is_full(), listener.address.clone());
        let stream = self.stream(id);
        if stream.phase != Phase::Fresh {
            return Err(Errno::ISCONN);
        }
        if full {
            return Err(Errno::AGAIN);
        }
        stream.peer = Some(address);
        stream.call = Call::Answered;
        self.admit(at, id);
        Ok(())
    }

    /// A client gives up waiting to be let in.
    pub(super) fn stop_knocking(&mut self, id: Id) {
        if let Some(at) = self.stream(id).knocking.take() {
            self.listener(at).waiting.retain(|&other| other != id);
        }
    }

    /// close(2) on a listener: whoever is in its queue is reset; whoever waits to be let in knocks again, and is
    /// refused unless another listener shares the port.
    pub(super) fn close_listener(&mut self, id: Id) {
        let listener = self.listener(id);
        let address = listener.address.clone();
        let queue = std::mem::take(&mut listener.queue);
        let waiting = std::mem::take(&mut listener.waiting);
        self.directory.unbind(Protocol::Stream, &address, id);
        self.remove(id);
        for child in queue {
            self.turn_away(child);
        }
        for client in waiting {
            self.knock(client);
        }
    }
}

/// `net.core.somaxconn`.
const SOMAXCONN: u32 = 4_096;
