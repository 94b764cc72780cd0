//! Where to connect to or to listen, as people write it: an address, or the name of a host and a port.
//!
//! Only the text is judged here. Whether the host has an address shows when it is resolved, off the loop.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::{error, fmt, io};

use crate::engine::{Address, Done, Op};
use crate::task::operation;

/// An address, or the name of a host with a port.
///
/// Functions of this layer take whatever turns [into one](ToTarget): an address, `"HOST:PORT"`, `("HOST", PORT)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Nothing is left to find out.
    Address(Address),
    /// A name, to be resolved.
    Host {
        /// Without brackets.
        host: String,
        /// For a listener, 0 takes a free one.
        port: u16,
    },
}

/// A text that is no target: what is wrong with it, and what to give instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseTargetError {
    message: String,
}

/// What a [`Target`] is made from.
pub trait ToTarget {
    /// Makes it.
    ///
    /// # Errors
    ///
    /// When a text is no target.
    fn to_target(self) -> io::Result<Target>;
}

impl Target {
    /// Its addresses, at least one, in the system's order of preference.
    ///
    /// *Cancel safety.* Dropping it stops the waiting, not the looking up.
    ///
    /// # Errors
    ///
    /// When the host is not found, or nobody could be asked.
    pub async fn resolve(&self) -> io::Result<Vec<Address>> {
        let (host, port) = match self {
            Self::Address(address) => return Ok(vec![address.clone()]),
            Self::Host { host, port } => (host.clone(), *port),
        };
        match operation(Op::Resolve { host, port }).await {
            Ok(Done::Resolved { addresses }) => Ok(addresses.into_iter().map(Address::Ip).collect()),
            Ok(other) => unreachable!("a name is resolved to addresses, not to {other:?}"),
            Err(failed) => {
                let message = format!("cannot find the host of {self}: {}", failed.error);
                Err(io::Error::new(failed.error.kind(), message))
            }
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Host { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Host { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// `IP:PORT`, `[IPV6]:PORT`, `HOST:PORT` or `unix:/path`.
impl FromStr for Target {
    type Err = ParseTargetError;

    fn from_str(text: &str) -> Result<Self, ParseTargetError> {
        if let Ok(address) = text.parse() {
            return match address {
                Address::Unix(crate::engine::UnixName::Unnamed) => {
                    Err("no path; give unix:/path, such as unix:/tmp/switchboard.sock".to_owned().into())
                }
                address => Ok(Self::Address(address)),
            };
        }
        let (host, port) = split(text)?;
        let port = read_port(port, text)?;
        check_host(host)?;
        Ok(Self::Host { host: host.to_owned(), port })
    }
}

impl From<String> for ParseTargetError {
    fn from(message: String) -> Self {
        Self { message }
    }
}

impl From<&str> for ParseTargetError {
    fn from(message: &str) -> Self {
        Self { message: message.to_owned() }
    }
}

impl fmt::Display for ParseTargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl error::Error for ParseTargetError {}

impl From<Address> for Target {
    fn from(address: Address) -> Self {
        Self::Address(address)
    }
}

impl ToTarget for Target {
    fn to_target(self) -> io::Result<Target> {
        Ok(self)
    }
}

impl ToTarget for &Target {
    fn to_target(self) -> io::Result<Target> {
        Ok(self.clone())
    }
}

impl ToTarget for Address {
    fn to_target(self) -> io::Result<Target> {
        Ok(self.into())
    }
}

impl ToTarget for &Address {
    fn to_target(self) -> io::Result<Target> {
        Ok(self.clone().into())
    }
}

impl ToTarget for SocketAddr {
    fn to_target(self) -> io::Result<Target> {
        Ok(Target::Address(self.into()))
    }
}

impl ToTarget for &str {
    fn to_target(self) -> io::Result<Target> {
        self.parse().map_err(|wrong| {
            let message = format!("cannot understand the address {self:?}: {wrong}");
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })
    }
}

impl ToTarget for String {
    fn to_target(self) -> io::Result<Target> {
        self.as_str().to_target()
    }
}

impl ToTarget for &String {
    fn to_target(self) -> io::Result<Target> {
        self.as_str().to_target()
    }
}

impl ToTarget for (IpAddr, u16) {
    fn to_target(self) -> io::Result<Target> {
        SocketAddr::from(self).to_target()
    }
}

impl ToTarget for (&str, u16) {
    fn to_target(self) -> io::Result<Target> {
        match self.0.parse::<IpAddr>() {
            Ok(ip) => (ip, self.1).to_target(),
            Err(_) => Ok(Target::Host { host: self.0.to_owned(), port: self.1 }),
        }
    }
}

/// A target of TCP or UDP: any but a Unix socket.
pub(super) fn of_ip(target: Target, to_do: &str) -> io::Result<Target> {
    if let Target::Address(Address::Unix(_)) = target {
        let message = format!("cannot {to_do} {target}: it is a Unix socket; {EXAMPLE}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok(target)
}

/// The address of a socket of TCP or UDP.
pub(super) fn ip(address: Address) -> SocketAddr {
    match address {
        Address::Ip(address) => address,
        Address::Unix(name) => unreachable!("a socket of TCP or UDP has an IP address, not {name:?}"),
    }
}

/// The host, without brackets, and the port.
fn split(text: &str) -> Result<(&str, &str), String> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest
            .split_once(']')
            .ok_or("the bracket is never closed; give [IPV6]:PORT, such as [::1]:8000")?;
        // A zone may be a name (`fe80::1%eth0`), which the resolver understands.
        let ip = host.split('%').next().unwrap_or_default();
        if ip.parse::<Ipv6Addr>().is_err() {
            return Err(format!(
                "{} is no IPv6 address, and brackets are for those; {EXAMPLE}",
                quoted(host)
            ));
        }
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, port)),
            None if after.is_empty() => Err(format!("no port; give [IPV6]:PORT, such as [{host}]:8000")),
            None => {
                Err(format!("{} after the bracket; give [IPV6]:PORT, such as [{host}]:8000", quoted(after)))
            }
        };
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(format!("an IPv6 address stands in brackets before its port; give [{text}]:8000"));
    }
    match text.rsplit_once(':') {
        Some((host, _)) if host.contains(':') => {
            Err(format!("too many colons; {EXAMPLE}, or [IPV6]:PORT, such as [::1]:8000"))
        }
        Some(parts) => Ok(parts),
        None if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(format!("no host; {EXAMPLE}"))
        }
        None if text.is_empty() || check_host(text).is_err() => {
            Err(format!("neither a host nor a port; {EXAMPLE}"))
        }
        None => Err(format!("no port; give HOST:PORT, such as {text}:8000")),
    }
}

fn read_port(port: &str, text: &str) -> Result<u16, String> {
    if port.is_empty() {
        return Err(format!("no port after the colon; give HOST:PORT, such as {text}8000"));
    }
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(number) if digits => Ok(number),
        _ if digits => Err(format!("there is no port {port}; give one up to 65535")),
        _ => Err(format!("port {} is no number; give one up to 65535", quoted(port))),
    }
}

fn check_host(host: &str) -> Result<(), String> {
    let last = host.strip_suffix('.').unwrap_or(host).rsplit('.').next().unwrap_or_default();
    if host.is_empty() {
        Err(format!("no host; {EXAMPLE}, or 0.0.0.0:8000 for all addresses of this machine"))
    } else if let Some(odd) =
        host.chars().find(|&c| c.is_whitespace() || c.is_control() || "/?#@\"'".contains(c))
    {
        Err(format!("a host has no {odd:?} in its name; {EXAMPLE}"))
    } else if last.bytes().all(|byte| byte.is_ascii_digit()) && host.parse::<Ipv4Addr>().is_err() {
        Err(format!("{} is no IP address and no name of a host; {EXAMPLE}", quoted(host)))
    } else {
        Ok(())
    }
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

const EXAMPLE: &str = "give HOST:PORT, such as 127.0.0.1:8000";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_well_is_read_and_printed_back() {
        for text in [
            "127.0.0.1:0",
            "[::1]:8000",
            "[::]:65535",
            "localhost:80",
            "a-b.example:1",
            "x.local.:2",
            "unix:/tmp/a",
        ] {
            assert_eq!(text.parse::<Target>().map(|target| target.to_string()), Ok(text.to_owned()));
        }
        let zone = Target::Host { host: "fe80::1%eth0".into(), port: 7 };
        assert_eq!("[fe80::1%eth0]:7".parse(), Ok(zone.clone()));
        assert_eq!(zone.to_string(), "[fe80::1%eth0]:7");
    }

    #[test]
    fn what_is_wrong_is_named_with_what_to_give_instead() {
        for (text, said) in [
            ("", "neither a host nor a port; give HOST:PORT"),
            ("127.0.0.1", "no port; give HOST:PORT, such as 127.0.0.1:8000"),
            ("localhost", "no port; give HOST:PORT, such as localhost:8000"),
            ("8000", "no host; give HOST:PORT, such as 127.0.0.1:8000"),
            (":8000", "no host; give HOST:PORT, such as 127.0.0.1:8000, or 0.0.0.0:8000"),
            ("127.0.0.1:", "no port after the colon; give HOST:PORT, such as 127.0.0.1:8000"),
            ("127.0.0.1:99999", "there is no port 99999; give one up to"),
            ("127.0.0.1:-1", "port \"-1\" is no number"),
            ("127.0.0.1:+80", "port \"+80\" is no number"),
            ("127.0.0.1:http", "port \"http\" is no number"),
            ("::1", "an IPv6 address stands in brackets before its port; give [::1]:8000"),
            ("[::1]", "no port; give [IPV6]:PORT, such as [::1]:8000"),
            ("[::1", "the bracket is never closed"),
            ("[::1]8000", "\"8000\" after the bracket"),
            ("[localhost]:80", "\"localhost\" is no IPv6 address"),
            ("host:80:90", "too many colons"),
            ("http://localhost:80", "too many colons"),
            ("a b:80", "a host has no ' ' in its name"),
            ("256.1.1.1:80", "\"256.1.1.1\" is no IP address"),
            ("unix:", "no path; give unix:/path"),
        ] {
            let error = text.parse::<Target>().expect_err(text);
            let error = error.to_string();
            assert!(error.starts_with(said), "{text}: {error}");
        }
    }
}
