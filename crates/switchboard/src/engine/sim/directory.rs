//! Who is bound where: ports of IP addresses, and the names of Unix sockets.
//!
//! The rules are those of bind(2) with `SO_REUSEADDR` on listeners: one port of one address has one listener,
//! "any address" (0.0.0.0 or [::]) is all of them, and [::] is those of IPv4, too. With `SO_REUSEPORT` on all of
//! them, several may share, and each client is dealt to one by its port.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;

use rustix::io::Errno;
use rustix::net::SocketAddrUnix;

use super::world::Id;
use crate::engine::{Address, UnixName};

/// All that is bound.
#[derive(Default)]
pub(super) struct Directory {
    streams: Ports,
    datagrams: Ports,
    names: BTreeMap<Name, Id>,
    /// Files of Unix sockets that are closed: a name that is refused, not unknown.
    files: BTreeSet<Name>,
    /// The clients' ends that are in use, each with where it is connected to.
    pairs: BTreeSet<(SocketAddr, SocketAddr)>,
    bound_by_itself: u32,
}

/// Whose ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Protocol {
    Stream,
    Datagram,
}

#[derive(Default)]
struct Ports {
    bound: BTreeMap<u16, Vec<Bound>>,
    /// The last one that was picked for somebody.
    last: u16,
}

struct Bound {
    ip: IpAddr,
    shared: bool,
    id: Id,
}

/// A Unix socket's name. In the file system all kinds of sockets share them, outside it each kind has its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    outside: Option<Protocol>,
    bytes: Vec<u8>,
}

impl Directory {
    /// Binds a socket; port 0 and an unnamed Unix socket are given a free port and name.
    pub(super) fn bind(
        &mut self,
        protocol: Protocol,
        address: &Address,
        shared: bool,
        id: Id,
    ) -> Result<Address, Errno> {
        match address {
            Address::Ip(address) => {
                let ports = self.ports(protocol);
                ports.bind(*address, shared, id).map(Address::Ip)
            }
            Address::Unix(_) if shared => Err(Errno::OPNOTSUPP),
            Address::Unix(name) => self.bind_name(protocol, name, id).map(Address::Unix),
        }
    }

    fn bind_name(&mut self, protocol: Protocol, name: &UnixName, id: Id) -> Result<UnixName, Errno> {
        if *name == UnixName::Unnamed {
            // autobind of unix(7): five hexadecimal digits.
            self.bound_by_itself = (self.bound_by_itself + 1) & 0xF_FFFF;
            let name = format!("{:05x}", self.bound_by_itself).into_bytes();
            return self.bind_name(protocol, &UnixName::Abstract(name), id);
        }
        let key = Name::of(protocol, name)?;
        if self.names.contains_key(&key) {
            return Err(Errno::ADDRINUSE);
        }
        self.files.remove(&key);
        self.names.insert(key, id);
        Ok(name.clone())
    }

    /// Forgets what a socket was bound to.
    pub(super) fn unbind(&mut self, protocol: Protocol, address: &Address, id: Id) {
        match address {
            Address::Ip(address) => self.ports(protocol).unbind(address.port(), id),
            Address::Unix(name) => {
                if let Ok(key) = Name::of(protocol, name)
                    && self.names.get(&key) == Some(&id)
                {
                    self.names.remove(&key);
                    if key.outside.is_none() {
                        self.files.insert(key);
                    }
                }
            }
        }
    }

    /// Who is bound so that this address means him; `client` chooses among those who share.
    pub(super) fn find_ip(&self, protocol: Protocol, to: SocketAddr, client: u16) -> Option<Id> {
        let ports = match protocol {
            Protocol::Stream => &self.streams,
            Protocol::Datagram => &self.datagrams,
        };
        ports.find(to, client)
    }

    /// Who has this Unix name.
    pub(super) fn find_unix(&self, protocol: Protocol, name: &UnixName) -> Result<Id, Errno> {
        let key = Name::of(protocol, name)?;
        match self.names.get(&key) {
            Some(&id) => Ok(id),
            None if key.outside.is_some() || self.files.contains(&key) => Err(Errno::CONNREFUSED),
            None => Err(Errno::NOENT),
        }
    }

    /// Takes a free port of `ip` for a client that connects to `to`.
    pub(super) fn take_pair(&mut self, ip: IpAddr, to: SocketAddr) -> Result<SocketAddr, Errno> {
        let pairs = &self.pairs;
        let local = self
            .streams
            .pick(|port| !pairs.contains(&(SocketAddr::new(ip, port), to)))
            .map(|port| SocketAddr::new(ip, port))
            .ok_or(Errno::ADDRNOTAVAIL)?;
        self.pairs.insert((local, to));
        Ok(local)
    }

    /// Gives a client's port back.
    pub(super) fn free_pair(&mut self, local: SocketAddr, to: SocketAddr) {
        self.pairs.remove(&(local, to));
    }

    #[cfg(test)]
    pub(super) fn assert_empty(&self) {
        assert!(self.streams.bound.is_empty() && self.datagrams.bound.is_empty(), "ports are left");
        assert!(self.names.is_empty(), "names are left");
        assert!(self.pairs.is_empty(), "ports of clients are left");
    }

    fn ports(&mut self, protocol: Protocol) -> &mut Ports {
        match protocol {
            Protocol::Stream => &mut self.streams,
            Protocol::Datagram => &mut self.datagrams,
        }
    }
}

impl Ports {
    fn bind(&mut self, address: SocketAddr, shared: bool, id: Id) -> Result<SocketAddr, Errno> {
        let port = match address.port() {
            0 => self.pick(|_| true).ok_or(Errno::ADDRINUSE)?,
            port => port,
        };
        let here = self.bound.entry(port).or_default();
        let ip = address.ip();
        if here.iter().any(|other| overlap(ip, other.ip) && !(shared && other.shared)) {
            return Err(Errno::ADDRINUSE);
        }
        here.push(Bound { ip, shared, id });
        Ok(SocketAddr::new(ip, port))
    }

    fn unbind(&mut self, port: u16, id: Id) {
        if let Some(here) = self.bound.get_mut(&port) {
            here.retain(|other| other.id != id);
            if here.is_empty() {
                self.bound.remove(&port);
            }
        }
    }

    /// The next port that nobody is bound to and that will do.
    fn pick(&mut self, will_do: impl Fn(u16) -> bool) -> Option<u16> {
        for _ in FIRST_PORT..=LAST_PORT {
            self.last = if (FIRST_PORT..LAST_PORT).contains(&self.last) { self.last + 1 } else { FIRST_PORT };
            if !self.bound.contains_key(&self.last) && will_do(self.last) {
                return Some(self.last);
            }
        }
        None
    }

    /// The closest match: the address itself before "any address", its own family before the other.
    fn find(&self, to: SocketAddr, client: u16) -> Option<Id> {
        let here = self.bound.get(&to.port())?;
        let closeness = |bound: &Bound| match (bound.ip, to.ip()) {
            (bound, to) if bound == to => 0,
            (IpAddr::V4(bound), IpAddr::V4(_)) if bound.is_unspecified() => 1,
            (IpAddr::V6(bound), IpAddr::V6(_)) if bound.is_unspecified() => 1,
            (IpAddr::V6(bound), IpAddr::V4(_)) if bound.is_unspecified() => 2,
            _ => 3,
        };
        let closest = here.iter().map(closeness).min().filter(|&closest| closest < 3)?;
        let among: Vec<_> = here.iter().filter(|bound| closeness(bound) == closest).collect();
        Some(among[usize::from(client) % among.len()].id)
    }
}

impl Name {
    fn of(protocol: Protocol, name: &UnixName) -> Result<Self, Errno> {
        match name {
            UnixName::Unnamed => Err(Errno::INVAL),
            UnixName::Path(path) => {
                SocketAddrUnix::new(path.as_path())?;
                Ok(Self { outside: None, bytes: path.as_os_str().as_bytes().to_vec() })
            }
            UnixName::Abstract(name) => {
                SocketAddrUnix::new_abstract_name(name)?;
                Ok(Self { outside: Some(protocol), bytes: name.clone() })
            }
        }
    }
}

/// Whether two addresses cannot both have the same port.
fn overlap(one: IpAddr, other: IpAddr) -> bool {
    match (one, other) {
        (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
            one == other || one.is_unspecified() || other.is_unspecified()
        }
        (IpAddr::V4(_), IpAddr::V6(wide)) | (IpAddr::V6(wide), IpAddr::V4(_)) => wide.is_unspecified(),
    }
}

/// Where a packet to "any address" goes: to this machine.
pub(super) fn destination(to: SocketAddr) -> SocketAddr {
    match to.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), to.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), to.port()),
        _ => to,
    }
}

/// The address of ours that a packet there comes from: all of 127.0.0.0/8 is reached from 127.0.0.1, any other
/// address from itself, since all of them are this machine's.
pub(super) fn source(to: IpAddr) -> IpAddr {
    match to {
        IpAddr::V4(ip) if ip.is_loopback() => Ipv4Addr::LOCALHOST.into(),
        _ => to,
    }
}

/// The address of an IPv4 peer as a socket of IPv6 sees it.
pub(super) fn seen_by(watcher: SocketAddr, peer: SocketAddr) -> SocketAddr {
    match (watcher.ip(), peer.ip()) {
        (IpAddr::V6(_), IpAddr::V4(ip)) => SocketAddr::new(ip.to_ipv6_mapped().into(), peer.port()),
        _ => peer,
    }
}

/// `ip_local_port_range` of ip(7).
const FIRST_PORT: u16 = 32_768;
const LAST_PORT: u16 = 60_999;

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Address {
        text.parse().unwrap()
    }

    fn bind(directory: &mut Directory, text: &str, shared: bool) -> Result<Address, Errno> {
        directory.bind(Protocol::Stream, &ip(text), shared, Id::default())
    }

    #[test]
    fn any_address_is_all_of_them() {
        let mut directory = Directory::default();
        bind(&mut directory, "0.0.0.0:80", false).unwrap();
        assert_eq!(bind(&mut directory, "127.0.0.1:80", false), Err(Errno::ADDRINUSE));
        assert_eq!(bind(&mut directory, "[::]:80", false), Err(Errno::ADDRINUSE));
        bind(&mut directory, "[::1]:80", false).unwrap();
        bind(&mut directory, "127.0.0.1:81", false).unwrap();
        bind(&mut directory, "127.0.0.2:81", false).unwrap();
        assert_eq!(bind(&mut directory, "[::]:81", true), Err(Errno::ADDRINUSE));
    }

    #[test]
    fn ports_are_shared_only_by_those_who_all_share() {
        let mut directory = Directory::default();
        bind(&mut directory, "127.0.0.1:80", true).unwrap();
        bind(&mut directory, "127.0.0.1:80", true).unwrap();
        assert_eq!(bind(&mut directory, "127.0.0.1:80", false), Err(Errno::ADDRINUSE));
    }

    #[test]
    fn picked_ports_are_free_and_differ() {
        let mut directory = Directory::default();
        bind(&mut directory, "127.0.0.1:32769", false).unwrap();
        let ports: Vec<_> =
            (0..3).map(|_| bind(&mut directory, "127.0.0.1:0", false).unwrap().port().unwrap()).collect();
        assert_eq!(ports, [32_768, 32_770, 32_771]);
    }

    #[test]
    fn the_ports_of_clients_run_out_for_one_destination_only() {
        let mut directory = Directory::default();
        let to: SocketAddr = "127.0.0.1:80".parse().unwrap();
        let mut last = None;
        for _ in FIRST_PORT..=LAST_PORT {
            last = Some(directory.take_pair(to.ip(), to).unwrap());
        }
        assert_eq!(directory.take_pair(to.ip(), to), Err(Errno::ADDRNOTAVAIL));
        directory.take_pair(to.ip(), "127.0.0.1:81".parse().unwrap()).unwrap();
        directory.free_pair(last.unwrap(), to);
        assert_eq!(directory.take_pair(to.ip(), to).ok(), last);
    }

    #[test]
    fn a_closed_unix_socket_leaves_its_file() {
        let mut directory = Directory::default();
        let (name, address) = (UnixName::Path("/run/a".into()), Address::unix("/run/a"));
        assert_eq!(directory.find_unix(Protocol::Stream, &name), Err(Errno::NOENT));
        directory.bind(Protocol::Stream, &address, false, Id::default()).unwrap();
        assert_eq!(directory.find_unix(Protocol::Stream, &name), Ok(Id::default()));
        directory.unbind(Protocol::Stream, &address, Id::default());
        assert_eq!(directory.find_unix(Protocol::Stream, &name), Err(Errno::CONNREFUSED));
        directory.bind(Protocol::Stream, &address, false, Id::default()).unwrap();
        let long = UnixName::Path("x".repeat(200).into());
        assert_eq!(directory.find_unix(Protocol::Stream, &long), Err(Errno::NAMETOOLONG));
    }
}
