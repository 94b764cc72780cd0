//! From what is meant to sockets that listen: a host is resolved, the first of its addresses that can be bound is
//! taken, a Unix socket's file is looked after, and a refusal is explained.

use std::io;
use std::net::SocketAddr;

use switchboard::engine::{Address, Listen, UnixName};
use switchboard::net::{Listener, Target, UdpSocket};

use super::predecessor::outlive;
use super::socket_file::{SocketFile, make_room};
use crate::error::{Error, is_out_of_descriptors, reason};

/// Sockets that listen, in the order they were asked for.
pub(crate) struct Listening {
    pub(crate) listeners: Vec<Listener>,
    /// Removed when they are dropped, at the end.
    pub(crate) files: Vec<SocketFile>,
}

/// Listens on all of them, or on none.
pub(crate) async fn open(targets: &[Target], backlog: u32) -> Result<Listening, Error> {
    let mut listening = Listening { listeners: Vec::new(), files: Vec::new() };
    for target in targets {
        let file = match target {
            Target::Address(Address::Unix(UnixName::Path(path))) => Some(path),
            _ => None,
        };
        if let Some(path) = file {
            make_room(path).await?;
        }
        listening.listeners.push(listen(target, backlog).await?);
        if let Some(path) = file {
            let claimed = SocketFile::claim(path).map_err(|error| {
                Error::refused(format_args!(
                    "cannot listen on {target}: its file cannot be seen ({}); choose another path with --listen",
                    reason(&error)
                ))
            })?;
            listening.files.push(claimed);
        }
    }
    Ok(listening)
}

/// Receives datagrams at all of them, or at none; and the addresses, with the real ports.
pub(crate) async fn bind(targets: &[Target]) -> Result<Vec<(UdpSocket, SocketAddr)>, Error> {
    let mut sockets = Vec::new();
    for target in targets {
        let open = async |address| UdpSocket::bind(address).await.map_err(|error| bare(&error));
        let socket = open_one(target, open).await?;
        let address = socket.local_addr().map_err(|error| Error::cannot_go_on(&error))?;
        sockets.push((socket, address));
    }
    Ok(sockets)
}

async fn listen(target: &Target, backlog: u32) -> Result<Listener, Error> {
    open_one(target, async |address| Listener::open(Listen { backlog, ..Listen::at(address) })).await
}

/// Opens a socket at the first of its addresses that can be had.
async fn open_one<S>(target: &Target, open: impl AsyncFn(Address) -> io::Result<S>) -> Result<S, Error> {
    let addresses = target.resolve().await.map_err(|error| {
        Error::refused(format_args!(
            "cannot listen: {}; check its name, or give an IP address",
            reason(&error)
        ))
    })?;
    let mut refusal = None;
    for address in addresses {
        let is_in_use = |answer: &io::Result<S>| {
            answer.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
        };
        match outlive(async || open(address.clone()).await, is_in_use).await {
            Ok(socket) => return Ok(socket),
            // A host's addresses need not all be here; what hinders the one that is tells more.
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable && refusal.is_some() => {}
            Err(error) => refusal = Some((address, error)),
        }
    }
    Err(Error::refused(match refusal {
        Some((address, error)) => explain(target, &address, &error),
        None => format!("cannot listen on {target}: the host has no address; give an IP address"),
    }))
}

/// What the system said, without the address that is named anyway.
fn bare(error: &io::Error) -> io::Error {
    let text = error.to_string();
    io::Error::new(error.kind(), text.rsplit(": ").next().unwrap_or(&text))
}

/// What hindered it, and what to do.
fn explain(target: &Target, address: &Address, error: &io::Error) -> String {
    let found = match target {
        Target::Address(_) => String::new(),
        Target::Host { .. } => format!(" ({address})"),
    };
    let is_low = address.port().is_some_and(|port| (1..1024).contains(&port));
    let is_unix = address.port().is_none();
    let what = match error.kind() {
        io::ErrorKind::AddrInUse if is_unix => {
            "address already in use; stop what listens there, or choose another path with --listen".to_owned()
        }
        io::ErrorKind::AddrInUse => {
            "address already in use; stop what listens there, or choose another port with --listen \
             (port 0 takes a free one)"
                .to_owned()
        }
        io::ErrorKind::PermissionDenied if is_low => {
            "permission denied; ports below 1024 need root".to_owned()
        }
        io::ErrorKind::NotFound if is_unix => {
            "no such directory; make it, or choose another path with --listen".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => {
            "not an address of this machine; give one that is with --listen, or 0.0.0.0 for all of them"
                .to_owned()
        }
        _ if is_out_of_descriptors(error) => {
            format!("{}; close some, or allow more with `ulimit -n`", reason(error))
        }
        _ if is_unix => format!("{}; choose another path with --listen", reason(error)),
        _ => format!("{}; choose another address with --listen", reason(error)),
    };
    format!("cannot listen on {target}{found}: {what}")
}
