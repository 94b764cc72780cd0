//! The names of hosts: what `Op::Resolve` answers.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Names and their addresses.
pub(super) struct Hosts {
    names: BTreeMap<String, Vec<IpAddr>>,
}

impl Hosts {
    pub(super) fn new() -> Self {
        let localhost = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
        Self { names: BTreeMap::from([("localhost".to_owned(), localhost)]) }
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
