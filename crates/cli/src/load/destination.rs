//! From what was typed to one address: the first of a host's that answers.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use switchboard::engine::Address;
use switchboard::net::{Stream, Target};
use switchboard::timeout;

use super::options::Measure;
use super::plan::Transport;
use crate::connect::explain;
use crate::error::Error;

/// Finds it. A stream is tried, so that a server that is not there is told at once.
pub(super) async fn find(measure: &Measure) -> Result<Address, Error> {
    let Measure { target, transport, timeout: time, .. } = measure;
    let refused = |error: &io::Error| Error::refused(explain(target, error));
    let resolved = timeout(*time, target.resolve()).await;
    let addresses = resolved.map_err(io::Error::from).flatten().map_err(|error| refused(&error))?;
    let mut refusals = Vec::new();
    for address in &addresses {
        let tried = match transport {
            Transport::Stream => answers(address, *time).await.map(|()| address.clone()),
            Transport::Datagrams => is_reachable(address),
        };
        match tried {
            Ok(address) => {
                tracing::info!("{target} is {address}");
                return Ok(address);
            }
            Err(error) => refusals.push(error),
        }
    }
    Err(refused(&sum(target, &refusals)))
}

async fn answers(address: &Address, time: Duration) -> io::Result<()> {
    Stream::connect_timeout(Target::from(address.clone()), time).await.map(drop)
}

/// Whether there is a way there, and from where answers will come: who sends to 0.0.0.0 hears from 127.0.0.1. Who listens does not show.
fn is_reachable(address: &Address) -> io::Result<Address> {
    let Address::Ip(peer) = *address else { return Err(io::ErrorKind::Unsupported.into()) };
    let any = if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    UdpSocket::bind(SocketAddr::new(any, 0))
        .and_then(|socket| socket.connect(peer).and_then(|()| socket.peer_addr()))
        .map(Address::Ip)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot send to {address}: {error}")))
}

/// One refusal of them all, of the kind of the last. A host's name says nothing of the addresses it stands for: each is named.
fn sum(target: &Target, refusals: &[io::Error]) -> io::Error {
    let Some(last) = refusals.last() else {
        return io::Error::new(io::ErrorKind::NotFound, format!("the host of {target} has no address"));
    };
    let text = |error: &io::Error| error.to_string();
    let said = match target {
        Target::Address(_) => text(last),
        Target::Host { .. } => {
            let bare =
                |error: &io::Error| text(error).split_off(text(error).find(" to ").map_or(0, |at| at + 4));
            let all: Vec<_> = refusals.iter().map(bare).collect();
            format!("cannot connect to {target}: {}", all.join("; "))
        }
    };
    io::Error::new(last.kind(), said)
}
