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
            Transport::Stream => answers(address, *time).await,
            Transport::Datagrams => is_reachable(address),
        };
        match tried {
            Ok(()) => {
                tracing::info!("{target} is {address}");
                return Ok(address.clone());
            }
            Err(error) => refusals.push(error),
        }
    }
    Err(refused(&sum(target, refusals)))
}

async fn answers(address: &Address, time: Duration) -> io::Result<()> {
    Stream::connect_timeout(Target::from(address.clone()), time).await.map(drop)
}

/// Whether there is a way there: who listens does not show.
fn is_reachable(address: &Address) -> io::Result<()> {
    let Address::Ip(peer) = *address else { return Err(io::ErrorKind::Unsupported.into()) };
    let any = if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    UdpSocket::bind(SocketAddr::new(any, 0))
        .and_then(|socket| socket.connect(peer))
        .map_err(|error| io::Error::new(error.kind(), format!("cannot send to {address}: {error}")))
}

/// One refusal of them all, of the kind of the last.
fn sum(target: &Target, mut refusals: Vec<io::Error>) -> io::Error {
    let Some(last) = refusals.pop() else {
        return io::Error::new(io::ErrorKind::NotFound, format!("the host of {target} has no address"));
    };
    if refusals.is_empty() {
        return last;
    }
    refusals.push(last);
    let kind = refusals.last().map_or(io::ErrorKind::Other, io::Error::kind);
    let bare = |error: &io::Error| {
        let text = error.to_string();
        text.strip_prefix("cannot connect to ").unwrap_or(&text).to_owned()
    };
    let all: Vec<_> = refusals.iter().map(bare).collect();
    io::Error::new(kind, format!("cannot connect to {target}: {}", all.join("; ")))
}
