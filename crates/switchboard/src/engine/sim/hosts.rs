//! The hosts: their names and addresses, who is bound where on each, and which of them an address means.
//!
//! The first host is there from the beginning and has every address that no other has. It is all there is for a program that is alone.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::directory::{self, Directory};

/// All of them, by their ids, and what names stand for.
pub(super) struct Hosts {
    hosts: Vec<Host>,
    addresses: BTreeMap<IpAddr, HostId>,
    names: BTreeMap<String, Vec<IpAddr>>,
}

/// A host: its place among the hosts. None is ever forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct HostId(usize);

/// One of them.
#[derive(Default)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) directory: Directory,
    pub(super) is_down: bool,
    /// None, if it has all that nobody else has.
    addresses: Vec<IpAddr>,
}

impl Hosts {
    pub(super) fn new() -> Self {
        let localhost = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
        Self {
            hosts: vec![Host::default()],
            addresses: BTreeMap::new(),
            names: BTreeMap::from([("localhost".to_owned(), localhost)]),
        }
    }

    /// Another host, at the next free address of 10.0.0.0/8, which its name resolves to.
    pub(super) fn add(&mut self, name: &str) -> HostId {
        let id = HostId(self.hosts.len());
        let number = u32::try_from(id.0).expect("fewer hosts than addresses");
        let ip = IpAddr::V4(Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + number));
        self.hosts.push(Host { name: name.to_owned(), addresses: vec![ip], ..Host::default() });
        self.addresses.insert(ip, id);
        self.name(name, &[ip]);
        id
    }

    /// The host that strangers come from: 10.255.0.1.
    pub(super) fn strangers(&mut self) -> HostId {
        let found = self.hosts.iter().position(|host| host.addresses.contains(&STRANGERS));
        found.map(HostId).unwrap_or_else(|| {
            let id = HostId(self.hosts.len());
            self.hosts.push(Host { addresses: vec![STRANGERS], ..Host::default() });
            self.addresses.insert(STRANGERS, id);
            id
        })
    }

    #[cfg(test)]
    pub(super) fn ids(&self) -> impl Iterator<Item = HostId> + use<> {
        (0..self.hosts.len()).map(HostId)
    }

    pub(super) fn host(&self, id: HostId) -> &Host {
        &self.hosts[id.0]
    }

    pub(super) fn host_mut(&mut self, id: HostId) -> &mut Host {
        &mut self.hosts[id.0]
    }

    /// Whom an address means, asked from a host; none if there is no way to it.
    pub(super) fn route(&self, from: HostId, to: IpAddr) -> Option<HostId> {
        if to.is_loopback() || to.is_unspecified() {
            return Some(from);
        }
        let found = self.addresses.get(&to).copied();
        found.or_else(|| self.host(from).addresses.is_empty().then_some(from))
    }

    /// The address that a packet to another one comes from.
    pub(super) fn source(&self, from: HostId, to: IpAddr, at: HostId) -> Option<IpAddr> {
        if from == at {
            return Some(directory::source(to));
        }
        let own = self.host(from).addresses.iter().find(|own| own.is_ipv4() == to.is_ipv4());
        own.copied()
    }

    /// Whether a socket of a host may have this address.
    pub(super) fn is_of(&self, host: HostId, address: IpAddr) -> bool {
        let own = &self.host(host).addresses;
        own.is_empty() || address.is_loopback() || address.is_unspecified() || own.contains(&address)
    }

    /// Gives a name these addresses instead of those it had. Case does not count.
    pub(super) fn name(&mut self, host: &str, addresses: &[IpAddr]) {
        self.names.insert(host.to_ascii_lowercase(), addresses.to_vec());
    }

    /// The addresses of a name, at least one.
    pub(super) fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        match self.names.get(&host.to_ascii_lowercase()) {
            Some(addresses) if !addresses.is_empty() => {
                Ok(addresses.iter().map(|&address| SocketAddr::new(address, port)).collect())
            }
            _ => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("failed to lookup address information: {host:?}: name or service not known"),
            )),
        }
    }
}

/// Where strangers are.
const STRANGERS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 255, 0, 1));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_stand_for_themselves_and_names_for_what_they_were_given() {
        let mut hosts = Hosts::new();
        hosts.name("Example.test", &["10.0.0.1".parse().unwrap(), "::1".parse().unwrap()]);
        let texts = |host: &str| -> Vec<String> {
            hosts.resolve(host, 80).unwrap().iter().map(ToString::to_string).collect()
        };
        assert_eq!(texts("example.TEST"), ["10.0.0.1:80", "[::1]:80"]);
        assert_eq!(texts("localhost"), ["127.0.0.1:80"]);
        assert_eq!(texts("::2"), ["[::2]:80"]);
    }

    #[test]
    fn an_unknown_name_is_not_found() {
        let mut hosts = Hosts::new();
        hosts.name("gone.test", &[]);
        for host in ["nobody.test", "gone.test"] {
            let error = hosts.resolve(host, 80).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            assert!(error.to_string().contains(host), "{error}");
        }
    }
}
