//! Datagrams: a queue of whole ones.
//!
//! Over IP a datagram that finds nobody, or no room, is lost, and nobody is told: that is UDP. A Unix socket tells:
//! there is nobody (ECONNREFUSED, ENOENT), or the receiver's queue is full, which is
//! an error as well: nothing tells a sender that is not connected when there is room.

use std::collections::VecDeque;
use std::net::SocketAddr;

use rustix::io::Errno;

use super::agenda::Event;
use super::directory::{Protocol, destination, seen_by};
use super::hosts::HostId;
use super::options::Options;
use super::watch::{Cause, Signs};
use super::world::{Body, Id, World};
use crate::engine::Address;

/// A datagram socket.
pub(super) struct Datagram {
    pub(super) address: Address,
    queue: VecDeque<Packet>,
    /// What the queue costs, bytes.
    held: usize,
    pub(super) options: Options,
}

struct Packet {
    from: Address,
    bytes: Vec<u8>,
}

impl Datagram {
    pub(super) fn signs(&self) -> Signs {
        Signs { readable: !self.queue.is_empty(), writable: true, ..Signs::default() }
    }
}

impl World {
    pub(super) fn open_datagram(&mut self, host: HostId, bind: &Address) -> Result<Id, Errno> {
        self.check_address(host, bind)?;
        let id = self.insert(
            host,
            Body::Datagram(Datagram {
                address: bind.clone(),
                queue: VecDeque::new(),
                held: 0,
                options: Options::default(),
            }),
        );
        match self.directory(host).bind(Protocol::Datagram, bind, false, id) {
            Ok(address) => {
                self.datagram(id).address = address;
                Ok(id)
            }
            Err(error) => {
                self.remove(id);
                Err(error)
            }
        }
    }

    /// Takes the oldest datagram, as much of it as fits, and says how long it was.
    pub(super) fn recv_from(&mut self, id: Id, into: &mut [u8]) -> Result<(usize, Address), Errno> {
        let datagram = self.datagram(id);
        let Packet { from, bytes } = datagram.queue.pop_front().ok_or(Errno::AGAIN)?;
        datagram.held -= bytes.len() + BOOKKEEPING;
        let count = bytes.len().min(into.len());
        into[..count].copy_from_slice(&bytes[..count]);
        Ok((bytes.len(), from))
    }

    pub(super) fn send_to(&mut self, id: Id, part: &[u8], to: &Address) -> Result<usize, Errno> {
        match (self.datagram(id).address.clone(), to) {
            (Address::Ip(from), Address::Ip(to)) => self.send_over_ip(self.host_of(id), from, part, *to),
            (Address::Unix(_), Address::Unix(_)) => self.send_by_name(id, part, to),
            (Address::Ip(SocketAddr::V4(_)), _) => Err(Errno::AFNOSUPPORT),
            _ => Err(Errno::INVAL),
        }
    }

    fn send_over_ip(
        &mut self,
        host: HostId,
        from: SocketAddr,
        part: &[u8],
        to: SocketAddr,
    ) -> Result<usize, Errno> {
        if from.is_ipv4() && to.is_ipv6() {
            return Err(Errno::AFNOSUPPORT);
        }
        if from.is_ipv6() && to.is_ipv4() && !from.ip().is_unspecified() {
            return Err(Errno::NETUNREACH);
        }
        if to.port() == 0 {
            return Err(Errno::INVAL);
        }
        if part.len() > if to.is_ipv4() { LONGEST_V4 } else { LONGEST_V6 } {
            return Err(Errno::MSGSIZE);
        }
        let to = destination(to);
        let at = self.hosts.route(host, to.ip()).ok_or(Errno::NETUNREACH)?;
        let ip = if from.ip().is_unspecified() {
            self.hosts.source(host, to.ip(), at).ok_or(Errno::NETUNREACH)?
        } else {
            from.ip()
        };
        let from = SocketAddr::new(ip, from.port());
        match self.throw((host, at), part.len()) {
            Some(due) if due > self.now => {
                self.schedule(due, Event::Packet { at, from, to, bytes: part.to_vec() });
            }
            Some(_) => self.receive_packet(at, from, to, part),
            None => {}
        }
        Ok(part.len())
    }

    /// A datagram arrives at a host.
    pub(super) fn receive_packet(&mut self, at: HostId, from: SocketAddr, to: SocketAddr, part: &[u8]) {
        let found = self.directory(at).find_ip(Protocol::Datagram, to, from.port());
        let Some(there) = found else { return };
        let receiver = self.datagram(there);
        if receiver.held <= receiver.options.receive_buffer {
            let from = match receiver.address {
                Address::Ip(address) => seen_by(address, from).into(),
                Address::Unix(_) => unreachable!("a port is bound to a Unix socket"),
            };
            self.deliver(there, from, part);
        }
    }

    fn send_by_name(&mut self, id: Id, part: &[u8], to: &Address) -> Result<usize, Errno> {
        let Address::Unix(name) = to else { unreachable!("the caller has looked") };
        let host = self.host_of(id);
        let there = self.directory(host).find_unix(Protocol::Datagram, name)?;
        let sender = self.datagram(id);
        if part.len() > 2 * sender.options.send_buffer - 32 {
            return Err(Errno::MSGSIZE);
        }
        let from = sender.address.clone();
        let Body::Datagram(receiver) = self.body(there) else { return Err(Errno::PROTOTYPE) };
        if receiver.queue.len() > MOST_QUEUED {
            return Err(Errno::AGAIN);
        }
        self.deliver(there, from, part);
        Ok(part.len())
    }

    fn deliver(&mut self, there: Id, from: Address, part: &[u8]) {
        let receiver = self.datagram(there);
        receiver.held += part.len() + BOOKKEEPING;
        receiver.queue.push_back(Packet { from, bytes: part.to_vec() });
        self.wake(there, Cause::Arrival);
    }

    pub(super) fn close_datagram(&mut self, id: Id) {
        let address = self.datagram(id).address.clone();
        let host = self.host_of(id);
        self.directory(host).unbind(Protocol::Datagram, &address, id);
        self.remove(id);
    }
}

/// What a datagram costs besides its bytes, so that empty ones do not queue without end.
const BOOKKEEPING: usize = 256;

/// What fits into an IP packet beside the headers (udp(7)).
const LONGEST_V4: usize = 65_507;
const LONGEST_V6: usize = 65_527;

/// `net.unix.max_dgram_qlen`; one more fits.
const MOST_QUEUED: usize = 10;
