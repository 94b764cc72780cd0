//! A port of TCP where nobody listens but whom the test tells its number.
//!
//! A port that was let go of is anybody's: a test that runs beside may be given it, and answer there. One that is held is
//! given to nobody who takes any, to listen or to connect from; who connects to it is refused; and who asks for it
//! by its number can listen there, again and again, as the listeners of all engines do.
#![allow(dead_code, reason = "each suite uses its own part of it")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

/// The port is reserved as long as this lives.
pub(crate) struct ReservedPort(Socket);

impl ReservedPort {
    /// At 127.0.0.1.
    pub(crate) fn new() -> Self {
        Self::at(Ipv4Addr::LOCALHOST.into())
    }

    /// At this one. At `::` it is reserved on all addresses, those of IPv4 among them.
    pub(crate) fn at(host: IpAddr) -> Self {
        let any = SocketAddr::new(host, 0);
        let socket = Socket::new(Domain::for_address(any), Type::STREAM, None).unwrap();
        if any.is_ipv6() {
            socket.set_only_v6(!host.is_unspecified()).unwrap();
        }
        // Set on both, it lets one socket listen where another is bound that does not: socket(7).
        socket.set_reuse_address(true).unwrap();
        socket.bind(&any.into()).unwrap();
        Self(socket)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap().as_socket().expect("it is one of IP")
    }
}
