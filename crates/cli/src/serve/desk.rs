//! What to answer to a datagram, and the books of a server of datagrams. It does no I/O.
//!
//! Every datagram is a conversation of its own, and so is every error: none of them ends anything for the others.
//!
//! Whoever a datagram says it is from gets the answer, and that may be a lie. From the port of a service that answers
//! everything (or from our own), the answer would be answered, and that again, for ever (RFC 862 and its like have no
//! remedy): those get none. Two servers on other ports can still be set on each other, so keep them off the open net.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;

use serde_json::{Value, json};
use switchboard::net::Datagram;

use super::Options;
use crate::error::plain;
use crate::explain::Explain;
use crate::service::Service;

/// See the top of this file.
pub(crate) struct Desk {
    service: Service,
    explain: Explain,
    tally: Tally,
    /// The errors that were told: each kind is, once.
    told: BTreeSet<String>,
}

/// What a server of datagrams did. `datagrams = answered + refused + failed`, but for what was received and has no answer
/// (`discard`), and what could not be received (`failed`, too).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// That were received.
    pub(crate) datagrams: u64,
    pub(crate) answered: u64,
    /// That were longer than what was to be received at once: their end is lost.
    pub(crate) truncated: u64,
    /// That got no answer, since it would have been answered for ever.
    pub(crate) refused: u64,
    /// Errors of the system, receiving or sending.
    pub(crate) failed: u64,
    /// Bytes.
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

impl Desk {
    pub(crate) fn new(options: &Options) -> Self {
        let Options { service, explain, .. } = *options;
        Self { service, explain, tally: Tally::default(), told: BTreeSet::new() }
    }

    /// A datagram was received, at this address of ours: the answer, if there is to be one.
    pub(crate) fn hear(&mut self, datagram: &Datagram, own: SocketAddr) -> Option<Vec<u8>> {
        let Datagram { data, from, truncated } = datagram;
        self.tally.datagrams += 1;
        self.tally.received += data.len() as u64;
        let count = data.len();
        self.explain.tell(|| {
            format!("{from} sent a datagram of {count} bytes; there is no connection, and no order")
        });
        if *truncated {
            self.tally.truncated += 1;
            tracing::warn!(
                "{from} sent a datagram of more than {count} bytes, and its end is lost; see --read-size"
            );
        }
        if would_answer_for_ever(*from, own) {
            self.tally.refused += 1;
            let what = "it comes from the port of a service that would answer the answer";
            self.tell(what, || format!("no answer for {from}: {what}"));
            return None;
        }
        self.service.answer(data)
    }

    /// The answer was sent, or could not be.
    pub(crate) fn said(&mut self, count: usize, sent: io::Result<()>) {
        match sent {
            Ok(()) => {
                self.tally.answered += 1;
                self.tally.sent += count as u64;
            }
            Err(error) => self.fail(&error),
        }
    }

    /// Something failed, for one of them: the world's doing, and no reason to stop.
    pub(crate) fn fail(&mut self, error: &io::Error) {
        self.tally.failed += 1;
        // The address before it is not what makes a kind.
        let text = error.to_string();
        let (what, kind) = text.rsplit_once(": ").unwrap_or(("cannot receive", &text));
        let kind = plain(kind);
        self.tell(&kind, || format!("{what}: {kind}"));
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    /// Says it once; it is counted each time.
    fn tell(&mut self, kind: &str, what: impl FnOnce() -> String) {
        if self.told.insert(kind.to_owned()) {
            tracing::warn!("{}; said once, and counted from here on", what());
        }
    }
}

impl Tally {
    /// `3 datagrams: 2 answered, 1 truncated, 0 refused, 0 failed; 12 bytes received, 12 sent`.
    pub(crate) fn to_line(self) -> String {
        let Self { datagrams, answered, truncated, refused, failed, received, sent } = self;
        format!(
            "{datagrams} datagrams: {answered} answered, {truncated} truncated, {refused} refused, {failed} failed; \
             {received} bytes received, {sent} sent"
        )
    }

    pub(crate) fn to_json(self) -> Value {
        let Self { datagrams, answered, truncated, refused, failed, received, sent } = self;
        json!({
            "datagrams": datagrams,
            "answered": answered,
            "truncated": truncated,
            "refused": refused,
            "failed": failed,
            "received": received,
            "sent": sent,
        })
    }
}

fn would_answer_for_ever(from: SocketAddr, own: SocketAddr) -> bool {
    let is_this_host = from.ip() == own.ip() || own.ip().is_unspecified() && from.ip().is_loopback();
    ANSWER_ALL.contains(&from.port()) || from.port() == own.port() && is_this_host
}

/// echo, daytime, qotd, chargen and time (RFC 862, 867, 865, 864, 868); and none, which nothing can be sent to.
const ANSWER_ALL: [u16; 6] = [7, 13, 17, 19, 37, 0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_would_answer_the_answer_gets_none() {
        for (from, own, refused) in [
            ("10.0.0.1:7", "127.0.0.1:8000", true),
            ("[::1]:19", "[::1]:8000", true),
            ("10.0.0.1:0", "127.0.0.1:8000", true),
            ("127.0.0.1:8000", "127.0.0.1:8000", true),
            ("127.0.0.1:8000", "0.0.0.0:8000", true),
            ("10.0.0.1:8000", "127.0.0.1:8000", false),
            ("10.0.0.1:8000", "0.0.0.0:8000", false),
            ("127.0.0.1:8001", "127.0.0.1:8000", false),
            ("127.0.0.1:70", "127.0.0.1:8000", false),
        ] {
            let answer = would_answer_for_ever(from.parse().unwrap(), own.parse().unwrap());
            assert_eq!(answer, refused, "from {from} to {own}");
        }
    }
}
