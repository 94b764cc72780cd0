//! Addresses as the system writes them.

use std::ffi::OsStr;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SendFlags, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType};

use socket2::SockAddr;

use super::{Address, UnixName};

/// A socket of the family that addresses like this one need: non-blocking, close-on-exec.
pub(super) fn socket_for(address: &Address, kind: SocketType) -> io::Result<OwnedFd> {
    let family = match address {
        Address::Ip(SocketAddr::V4(_)) => AddressFamily::INET,
        Address::Ip(SocketAddr::V6(_)) => AddressFamily::INET6,
        Address::Unix(_) => AddressFamily::UNIX,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    Ok(net::socket_with(family, kind, flags, None)?)
}

pub(super) fn bind(socket: &OwnedFd, address: &Address) -> io::Result<()> {
    match address {
        Address::Ip(address) => net::bind(socket, address)?,
        Address::Unix(name) => net::bind(socket, &unix(name)?)?,
    }
    Ok(())
}

pub(super) fn connect(socket: BorrowedFd<'_>, to: &Address) -> Result<(), Errno> {
    match to {
        Address::Ip(address) => net::connect(socket, address),
        Address::Unix(name) => net::connect(socket, &unix(name)?),
    }
}

pub(super) fn send_to(socket: BorrowedFd<'_>, part: &[u8], to: &Address) -> io::Result<usize> {
    let flags = SendFlags::NOSIGNAL;
    Ok(match to {
        Address::Ip(address) => net::sendto(socket, part, flags, address),
        Address::Unix(name) => net::sendto(socket, part, flags, &unix(name)?),
    }?)
}

/// The error of a Unix socket whose listener or receiver has no room. No lamp will ever tell of any, so it is no wait.
pub(super) fn queue_is_full(to: &Address) -> io::Error {
    io::Error::new(io::ErrorKind::ResourceBusy, format!("the queue of {to} is full; try again later"))
}

/// The address the system wrote; `again` asks it for the same once more, as a name for socket2.
///
/// A path that fills the system's field has no NUL behind it: rustix reads one byte too many then, or panics.
pub(super) fn read(
    address: SocketAddrAny,
    again: impl FnOnce() -> io::Result<SockAddr>,
) -> io::Result<Address> {
    if let Ok(ip) = SocketAddr::try_from(address.clone()) {
        return Ok(Address::Ip(ip));
    }
    if address.address_family() == AddressFamily::UNIX && address.addr_len() >= FULL {
        return Ok(from_system(&again()?));
    }
    let unix = SocketAddrUnix::try_from(address)?;
    Ok(Address::Unix(if let Some(path) = unix.path_bytes() {
        UnixName::Path(OsStr::from_bytes(path).into())
    } else if let Some(name) = unix.abstract_name().filter(|name| !name.is_empty()) {
        UnixName::Abstract(name.to_vec())
    } else {
        UnixName::Unnamed
    }))
}

/// The same, of an address that somebody else has read.
pub(super) fn from_system(address: &SockAddr) -> Address {
    if let Some(ip) = address.as_socket() {
        return Address::Ip(ip);
    }
    Address::Unix(match (address.as_pathname(), address.as_abstract_namespace()) {
        (Some(path), _) => UnixName::Path(path.into()),
        (_, Some(name)) if !name.is_empty() => UnixName::Abstract(name.to_vec()),
        _ => UnixName::Unnamed,
    })
}

/// The address of a peer, which has none when it is an unbound Unix socket.
pub(super) fn read_peer(
    address: Option<SocketAddrAny>,
    again: impl FnOnce() -> io::Result<SockAddr>,
) -> io::Result<Address> {
    address.map_or(Ok(Address::Unix(UnixName::Unnamed)), |address| read(address, again))
}

/// For the sender of a datagram, whom nobody can ask once more: one whose name is too long for us is nobody.
pub(super) fn unnamed() -> io::Result<SockAddr> {
    SockAddr::unix("")
}

fn unix(name: &UnixName) -> Result<SocketAddrUnix, Errno> {
    match name {
        UnixName::Unnamed => Ok(SocketAddrUnix::new_unnamed()),
        UnixName::Path(path) => SocketAddrUnix::new(path.as_path()),
        UnixName::Abstract(name) => SocketAddrUnix::new_abstract_name(name),
    }
}

/// How long an address is, with its family, whose path leaves no room for a NUL or fills the last byte with it.
const FULL: u32 = 2 + 108;
