//! Addresses: an IP address and port, or the name of a Unix socket.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a socket is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// Over IP.
    Ip(SocketAddr),
    /// On this machine (unix(7)).
    Unix(UnixName),
}

/// The name of a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UnixName {
    /// None, as a client has that never bound one.
    Unnamed,
    /// A file.
    Path(PathBuf),
    /// A name outside the file system (Linux).
    Abstract(Vec<u8>),
}

impl Address {
    /// The port, if it has one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Ip(address) => Some(address.port()),
            Self::Unix(_) => None,
        }
    }

    /// A Unix socket's file.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::Unix(UnixName::Path(path.into()))
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

/// `127.0.0.1:80`, `[::1]:80`, `unix:/path`, `unix:@abstract`, `unix:` for an unnamed one.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(UnixName::Unnamed) => f.write_str("unix:"),
            Self::Unix(UnixName::Path(path)) => write!(f, "unix:{}", path.display()),
            Self::Unix(UnixName::Abstract(name)) => write!(f, "unix:@{}", name.escape_ascii()),
        }
    }
}

/// The reverse of `Display`. Names of hosts are not addresses: [`Op::Resolve`](super::Op::Resolve) looks them up.
impl FromStr for Address {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("unix:") {
            Some("") => Ok(Self::Unix(UnixName::Unnamed)),
            Some(name) => Ok(Self::Unix(match name.strip_prefix('@') {
                Some(name) => UnixName::Abstract(name.as_bytes().to_vec()),
                None => UnixName::Path(name.into()),
            })),
            None => text.parse().map(Self::Ip).map_err(|_| ParseAddressError { text: text.to_owned() }),
        }
    }
}

/// A text that is not an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseAddressError {
    text: String,
}

impl fmt::Display for ParseAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not an address: {:?}; give IP:PORT, [IPV6]:PORT or unix:/path", self.text)
    }
}

impl std::error::Error for ParseAddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back() {
        for text in ["127.0.0.1:80", "[::1]:8000", "unix:/tmp/a b", "unix:@name", "unix:"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_said_to_be_none() {
        for text in ["", "localhost", "127.0.0.1", "1.2.3.4:99999", ":80"] {
            let said = text.parse::<Address>().unwrap_err().to_string();
            assert!(said.contains(&format!("{text:?}")), "{said}");
        }
    }
}
