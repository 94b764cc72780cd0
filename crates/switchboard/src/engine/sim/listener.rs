//! Listeners: a queue of connections that nobody has accepted yet, and who waits to join it.
//!
//! A connection is made when it joins the queue, as on Linux: the client may send before anybody accepts. When the
//! queue is full, TCP lets the client wait (on Linux it repeats its SYN, here it is let in as soon as there is room),
//! and a Unix socket is answered with EAGAIN. `backlog` plus one fit, as in `sk_acceptq_is_full`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::io::Errno;

use super::agenda::Event;
use super::directory::{Protocol, destination, seen_by};
use super::hosts::HostId;
use super::options::Options;
use super::stream::{Call, Family, Phase, Stream, What};
use super::watch::{Cause, Signs};
use super::wire::PATIENCE_CONNECTING;
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

    /// Those who wait to be let in, and will not be.
    pub(super) fn take_waiting(&mut self) -> VecDeque<Id> {
        std::mem::take(&mut self.waiting)
    }
}

impl World {
    pub(super) fn listen(&mut self, host: HostId, listen: &Listen) -> Result<Id, Errno> {
        self.check_address(host, &listen.address)?;
        let id = self.insert(
            host,
            Body::Listener(Listener {
                address: listen.address.clone(),
                room: listen.backlog.min(SOMAXCONN) as usize + 1,
                queue: VecDeque::new(),
                waiting: VecDeque::new(),
                options: Options::default(),
            }),
        );
        match self.directory(host).bind(Protocol::Stream, &listen.address, listen.reuse_port, id) {
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
        let (to, host) = (destination(to), self.host_of(id));
        let far = self.hosts.route(host, to.ip()).ok_or(Errno::NETUNREACH)?;
        let source = self.hosts.source(host, to.ip(), far).ok_or(Errno::NETUNREACH)?;
        self.forget_pair(id);
        let local = self.directory(host).take_pair(source, to)?;
        self.stream(id).begin(local, to, far);
        self.knock_later(id, 0);
        // If the answer is here already it is told with the lamp.
        Err(Errno::INPROGRESS)
    }

    /// Sends a knock on its way.
    pub(super) fn knock_later(&mut self, client: Id, attempt: u32) {
        let Some(far) = self.stream_if_there(client).map(|stream| stream.far) else { return };
        self.stream(client).knocking = None;
        let due = self.carry((self.host_of(client), far), 0);
        if due > self.now {
            self.schedule(due, Event::Knock { client, attempt });
        } else {
            self.knock_again(client, attempt);
        }
    }

    /// A knock arrives, unless it cannot: then it is repeated after a second, two, four and so on, and given up after the seventh.
    pub(super) fn knock_again(&mut self, client: Id, attempt: u32) {
        let Some(stream) = self.stream_if_there(client) else { return };
        let is_open =
            stream.phase == Phase::Connecting && stream.other.is_none() && stream.knocking.is_none();
        if !is_open {
            return;
        }
        let far = stream.far;
        let is_lost = self.hosts.host(far).is_down || self.links.is_cut((self.host_of(client), far));
        if !is_lost {
            return self.knock(client);
        }
        let wait = Duration::from_secs(1 << attempt);
        if attempt > MOST_REPEATS {
            self.stream(client).fail(Errno::TIMEDOUT);
            self.wake(client, Cause::Change);
        } else {
            self.schedule(self.now + wait, Event::Knock { client, attempt: attempt + 1 });
        }
    }

    fn knock(&mut self, id: Id) {
        let stream = self.stream(id);
        let (local, to) = stream.pair.expect("who knocks has a port to be answered at");
        let (far, is_strange) = (stream.far, stream.is_strange);
        if self.dice.is_some() && !is_strange {
            self.attract(far, to);
        }
        match self.directory(far).find_ip(Protocol::Stream, to, local.port()) {
            None => self.post(id, far, What::Reset),
            Some(at) if self.listener(at).is_full() => {
                self.listener(at).waiting.push_back(id);
                self.stream(id).knocking = Some(at);
                self.lose_patience(id, PATIENCE_CONNECTING);
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
        stream.knocking = None;
        let is_unix = stream.family == Family::Unix;
        let (here, far) = (self.host_of(at), self.host_of(client));
        let child = Stream::connected(local, peer, client, far, options);
        let child = self.insert(here, Body::Stream(Box::new(child)));
        self.stream(client).other = Some(child);
        self.listener(at).queue.push_back(child);
        self.wake(at, Cause::Arrival);
        if is_unix {
            self.stream(client).phase = Phase::Established;
            self.wake(client, Cause::Change);
        } else {
            self.post(client, here, What::Welcome);
        }
    }

    /// connect(2) of a Unix socket, which never waits.
    pub(super) fn connect_unix(&mut self, id: Id, name: &UnixName) -> Result<(), Errno> {
        let host = self.host_of(id);
        let at = self.directory(host).find_unix(Protocol::Stream, name)?;
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
        let waiting = listener.take_waiting();
        let host = self.host_of(id);
        self.directory(host).unbind(Protocol::Stream, &address, id);
        self.remove(id);
        for child in queue {
            self.turn_away(child);
        }
        for client in waiting {
            self.knock_later(client, 0);
        }
    }

    /// Whether a socket of a host may be bound to an address.
    pub(super) fn check_address(&self, host: HostId, address: &Address) -> Result<(), Errno> {
        match address {
            Address::Ip(address) if !self.hosts.is_of(host, address.ip()) => Err(Errno::ADDRNOTAVAIL),
            _ => Ok(()),
        }
    }
}

/// How often a knock is repeated: `tcp_syn_retries` of ip-sysctl.
const MOST_REPEATS: u32 = 5;

/// `net.core.somaxconn`.
const SOMAXCONN: u32 = 4_096;
