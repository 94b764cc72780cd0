//! Datagrams: UDP.

use std::io;
use std::net::SocketAddr;

use super::endpoint::Endpoint;
use super::target::{Target, ToTarget, ip, of_ip};
use crate::engine::{Address, Done, Lease, Op, Plan, Question};
use crate::task::operation;

/// A UDP socket. Its methods take `&self`, so that tasks can share it by an `Rc`.
///
/// ```
/// use switchboard::net::UdpSocket;
///
/// #[switchboard::main]
/// async fn main() -> std::io::Result<()> {
///     let server = UdpSocket::bind("127.0.0.1:0").await?;
///     let client = UdpSocket::bind("127.0.0.1:0").await?;
///     client.send_to(b"ping", server.local_addr()?).await?;
///
///     let datagram = server.recv_from(1500).await?;
///     assert_eq!(&*datagram.data, b"ping");
///     assert!(!datagram.truncated);
///     server.send_to(datagram.data, datagram.from).await?;
///     assert_eq!(&*client.recv_from(1500).await?.data, b"ping");
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct UdpSocket {
    endpoint: Endpoint,
}

/// A datagram that was received.
#[derive(Debug)]
pub struct Datagram {
    /// What it says.
    pub data: Lease,
    /// Who sent it.
    pub from: SocketAddr,
    /// Whether it was longer than was asked for: its end is lost.
    pub truncated: bool,
}

impl UdpSocket {
    /// Binds to the first of a target's addresses that can be bound. Port 0 takes a free one.
    ///
    /// *Cancel safety.* Dropped, nothing is bound.
    ///
    /// # Errors
    ///
    /// `cannot bind to …`, with what `bind(2)` answered: [`io::ErrorKind::AddrInUse`],
    /// [`io::ErrorKind::PermissionDenied`] for a port below 1024, [`io::ErrorKind::AddrNotAvailable`].
    pub async fn bind(target: impl ToTarget) -> io::Result<Self> {
        let target = of_ip(target.to_target()?, "bind a UDP socket to")?;
        let mut refusal = None;
        for address in target.resolve().await? {
            match Endpoint::open(Plan::Datagram { bind: address.clone() }) {
                Ok(endpoint) => return Ok(Self { endpoint }),
                Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable && refusal.is_some() => {}
                Err(error) => refusal = Some(error),
            }
        }
        let error = refusal.unwrap_or_else(|| io::ErrorKind::NotFound.into());
        Err(io::Error::new(error.kind(), format!("cannot bind to {target}: {error}")))
    }

    /// Receives one datagram, or the first `max` bytes of it (256 KiB at most, which no datagram has).
    ///
    /// *Cancel safety.* Dropping it loses no datagram.
    ///
    /// # Errors
    ///
    /// As `recvfrom(2)`; and outside its loop.
    pub async fn recv_from(&self, max: usize) -> io::Result<Datagram> {
        let socket = self.endpoint.socket()?;
        match operation(Op::RecvFrom { socket, max }).await? {
            Done::Datagram { lease, from, truncated } => {
                Ok(Datagram { data: lease, from: ip(from), truncated })
            }
            other => unreachable!("a receive was answered with {other:?}"),
        }
    }

    /// Sends one datagram: bytes, which are copied, or a buffer, which is not. Of a host's addresses it goes to the first
    /// that this socket can reach by its family.
    ///
    /// *Cancel safety.* Dropped, it is sent as a whole or not at all.
    ///
    /// # Errors
    ///
    /// `cannot send to …`, as `sendto(2)`: [`io::ErrorKind::NetworkUnreachable`], or EMSGSIZE for one that is too long.
    pub async fn send_to(&self, data: impl Into<Lease>, target: impl ToTarget) -> io::Result<()> {
        let part = data.into();
        let target = of_ip(target.to_target()?, "send datagrams to")?;
        let to = match &target {
            Target::Address(address) => address.clone(),
            Target::Host { .. } => self.reachable(target.resolve().await?)?,
        };
        match operation(Op::SendTo { socket: self.endpoint.socket()?, to, part }).await {
            Ok(_) => Ok(()),
            Err(failed) => {
                let message = format!("cannot send to {target}: {}", failed.error);
                Err(io::Error::new(failed.error.kind(), message))
            }
        }
    }

    fn reachable(&self, mut addresses: Vec<Address>) -> io::Result<Address> {
        let own = self.local_addr()?;
        let like = |address: &Address| matches!(address, Address::Ip(ip) if ip.is_ipv4() == own.is_ipv4());
        let first = addresses.iter().position(like).unwrap_or(0);
        Ok(addresses.swap_remove(first))
    }

    /// Where it receives, with the real port.
    ///
    /// # Errors
    ///
    /// Outside its loop.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.endpoint.address(Question::Local).map(ip)
    }
}
