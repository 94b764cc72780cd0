//! A socket that listens, over TCP or on a Unix socket.

use std::io;
use std::os::fd::OwnedFd;

use super::endpoint::Endpoint;
use super::stream::Stream;
use super::target::{Target, ToTarget};
use crate::engine::{Address, Descriptor, Done, Listen, Op, Plan, Question};
use crate::task::{Operation, operation};

/// A socket that listens. [`TcpListener`](super::TcpListener) and [`UnixListener`](super::UnixListener) are one each.
///
/// Dropping it closes it; those who wait in its queue are refused.
#[derive(Debug)]
pub struct Listener {
    endpoint: Endpoint,
}

impl Listener {
    /// Listens at the first of a target's addresses that can be bound, see [`Listen::at`]. Port 0 takes a free one.
    ///
    /// *Cancel safety.* Dropped, nothing listens.
    ///
    /// # Errors
    ///
    /// `cannot listen on …`, with what `bind(2)` and `listen(2)` answered: [`io::ErrorKind::AddrInUse`],
    /// [`io::ErrorKind::PermissionDenied`] for a port below 1024, [`io::ErrorKind::AddrNotAvailable`].
    pub async fn bind(target: impl ToTarget) -> io::Result<Self> {
        let target = target.to_target()?;
        let mut refusal = None;
        for address in target.resolve().await? {
            match Self::open(Listen::at(address.clone())) {
                Ok(listener) => return Ok(listener),
                // A host's addresses need not all be here; what hinders the one that is tells more.
                Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable && refusal.is_some() => {}
                Err(error) => refusal = Some((address, error)),
            }
        }
        Err(match refusal {
            Some((address, error)) => refused(&target, &address, &error),
            None => io::Error::new(
                io::ErrorKind::NotFound,
                format!("cannot listen on {target}: it has no address"),
            ),
        })
    }

    /// Listens as planned.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind), with the bare answer of the system.
    pub fn open(listen: Listen) -> io::Result<Self> {
        Ok(Self { endpoint: Endpoint::open(Plan::Listen(listen))? })
    }

    /// Takes the next connection of its queue, and who is at its other end.
    ///
    /// *Cancel safety.* Dropping it loses no connection.
    ///
    /// # Errors
    ///
    /// As `accept(2)`: out of descriptors, or what befell one connection before it was accepted. In both cases the next
    /// call may succeed.
    pub async fn accept(&self) -> io::Result<(Stream, Address)> {
        match self.begin_accept(true)?.await? {
            Done::Accepted { socket, peer } => {
                Ok((Stream::adopt(&self.endpoint.event_loop()?, socket), peer))
            }
            other => unreachable!("an accept was answered with {other:?}"),
        }
    }

    /// Takes the socket out of the loop, listening as it is, in non-blocking mode: for somebody who accepts with other means.
    /// With it come the connections that were accepted for an [`accept`](Self::accept) that was given up: they are in no
    /// queue any more.
    ///
    /// *Cancel safety.* None: dropped, the socket may be closed.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`] when it is of a simulated network, and so no descriptor of the system's.
    pub async fn into_descriptor(self) -> io::Result<(OwnedFd, Vec<(Stream, Address)>)> {
        match operation(Op::Release { socket: self.endpoint.socket()? }).await? {
            Done::Released { descriptor: Descriptor::Owned(descriptor), parked } => {
                let event_loop = self.endpoint.event_loop()?;
                let accepted = parked.into_iter().filter_map(|outcome| match outcome {
                    Ok(Done::Accepted { socket, peer }) => Some((Stream::adopt(&event_loop, socket), peer)),
                    _ => None,
                });
                Ok((descriptor, accepted.collect()))
            }
            Done::Released { .. } => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a socket of a simulated network has no descriptor",
            )),
            other => unreachable!("a release was answered with {other:?}"),
        }
    }

    /// The operation that is behind it; see [`Op::Accept`].
    pub(crate) fn begin_accept(&self, wait: bool) -> io::Result<Operation> {
        Ok(operation(Op::Accept { socket: self.endpoint.socket()?, wait }))
    }

    /// Where it listens, with the real port.
    ///
    /// # Errors
    ///
    /// Outside its loop.
    pub fn local_addr(&self) -> io::Result<Address> {
        self.endpoint.address(Question::Local)
    }
}

fn refused(target: &Target, address: &Address, error: &io::Error) -> io::Error {
    let found = match target {
        Target::Address(_) => String::new(),
        Target::Host { .. } => format!(" ({address})"),
    };
    io::Error::new(error.kind(), format!("cannot listen on {target}{found}: {error}"))
}
