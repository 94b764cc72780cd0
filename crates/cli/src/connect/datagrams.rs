//! Datagrams to one peer, over UDP.
//!
//! The socket is connected: the system then drops what others send, and tells when nobody listens there (ICMP), which
//! it tells nobody whose socket is not.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use switchboard::engine::{Address, Descriptor, Done, Lease, Op, Plan, Socket};
use switchboard::net::Target;

use super::Cut;
use super::operation::{here, operation};

/// The socket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Datagrams {
    socket: Socket,
    peer: SocketAddr,
}

impl Datagrams {
    /// To the first of these addresses that there is a way to.
    pub(super) fn to(target: &Target, addresses: &[Address]) -> io::Result<Self> {
        let mut refusal = io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "cannot send datagrams to {target}: it is a Unix socket; give HOST PORT, or leave out --udp"
            ),
        );
        for address in addresses {
            let Address::Ip(peer) = *address else { continue };
            match connected(peer) {
                Ok(socket) => return Ok(Self { socket, peer }),
                Err(error) => {
                    refusal = io::Error::new(error.kind(), format!("cannot send to {target}: {error}"));
                }
            }
        }
        Err(refusal)
    }

    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Sends one.
    pub(super) async fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let op = Op::SendTo { socket: self.socket, to: self.peer.into(), part: Lease::from(bytes) };
        operation(op).await.map(drop)
    }

    /// Receives one, which may be empty.
    pub(super) async fn receive(&self) -> io::Result<Lease> {
        match operation(Op::RecvFrom { socket: self.socket, max: LARGEST }).await? {
            Done::Datagram { lease, .. } => Ok(lease),
            other => unreachable!("a receive was answered with {other:?}"),
        }
    }
}

fn connected(peer: SocketAddr) -> io::Result<Socket> {
    let any = if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.connect(peer)?;
    here(|event_loop| event_loop.engine().open(Plan::Adopt(Descriptor::Owned(socket.into()))))
}

/// Cuts a stream of bytes into datagrams, alike however its pieces come.
#[derive(Debug)]
pub(super) struct Cutter {
    cut: Cut,
    begun: Vec<u8>,
}

impl Cutter {
    pub(super) fn new(cut: Cut) -> Self {
        Self { cut, begun: Vec::new() }
    }

    /// The datagrams that are whole with this piece.
    pub(super) fn take(&mut self, piece: &[u8]) -> Vec<Vec<u8>> {
        self.begun.extend_from_slice(piece);
        let mut whole = Vec::new();
        while let Some(end) = self.end() {
            let rest = self.begun.split_off(end);
            whole.push(std::mem::replace(&mut self.begun, rest));
        }
        whole
    }

    /// What is left at the end.
    pub(super) fn rest(&mut self) -> Option<Vec<u8>> {
        let rest = std::mem::take(&mut self.begun);
        (!rest.is_empty()).then_some(rest)
    }

    fn end(&self) -> Option<usize> {
        match self.cut {
            Cut::Size(size) => (self.begun.len() >= size).then_some(size),
            Cut::Lines => {
                let line = self.begun.iter().take(LARGEST).position(|&byte| byte == b'\n').map(|at| at + 1);
                line.or_else(|| (self.begun.len() >= LARGEST).then_some(LARGEST))
            }
        }
    }
}

/// What a datagram can hold: 65,535 bytes with the headers of IPv4 (20) and UDP (8).
pub(crate) const LARGEST: usize = 65_507;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_are_the_same_however_the_bytes_are_cut() {
        let bytes = b"one\n\ntwo\nrest";
        for (cut, whole) in [
            (Cut::Lines, vec![&b"one\n"[..], b"\n", b"two\n", b"rest"]),
            (Cut::Size(5), vec![&b"one\n\n"[..], b"two\nr", b"est"]),
        ] {
            for first in 0..=bytes.len() {
                let mut cutter = Cutter::new(cut);
                let mut found = cutter.take(&bytes[..first]);
                found.extend(cutter.take(&bytes[first..]));
                found.extend(cutter.rest());
                assert_eq!(found, whole, "cut at {first}");
            }
        }
        let found = Cutter::new(Cut::Lines).take(&vec![b'x'; 2 * LARGEST + 1]);
        assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [LARGEST, LARGEST]);
    }
}
