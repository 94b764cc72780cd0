//! The books of a server: who came, and how each left.

use std::time::Instant;

use switchboard::engine::Address;
use switchboard::server::{Receipt, Why};

/// One server's.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    receipt: Receipt,
    served: usize,
}

/// Somebody who is leaving.
#[derive(Debug)]
pub(crate) struct Visit<'a> {
    pub(crate) peer: &'a Address,
    pub(crate) since: Instant,
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

/// How somebody left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gone {
    Finished,
    Failed(String),
    /// With so many bytes that they had not acknowledged.
    Cancelled(Why, u64),
}

impl Ledger {
    /// Somebody is served from now on.
    pub(crate) fn came(&mut self, peer: &Address) {
        tracing::info!("{peer} connected");
        self.receipt.accepted += 1;
        self.served += 1;
        self.receipt.most_at_once = self.receipt.most_at_once.max(self.served);
    }

    /// And is not any more.
    pub(crate) fn went(&mut self, visit: &Visit<'_>, gone: &Gone, now: Instant) {
        let Visit { peer, since, received, sent } = visit;
        self.served -= 1;
        self.receipt.received += received;
        self.receipt.sent += sent;
        match gone {
            Gone::Finished => {
                tracing::info!("{peer} is done");
                self.receipt.finished += 1;
            }
            Gone::Failed(why) => {
                tracing::warn!("client {peer} failed: {why}");
                self.receipt.failed += 1;
            }
            Gone::Cancelled(why, unsent) => {
                tracing::info!("{peer} is cancelled ({why})");
                self.receipt.leave((*peer).clone(), now - *since, *unsent, *why);
            }
        }
    }

    /// Somebody was gone before they could be accepted.
    pub(crate) fn lost(&mut self) {
        self.receipt.lost += 1;
    }

    /// Descriptors ran out.
    pub(crate) fn exhausted(&mut self) {
        self.receipt.exhausted += 1;
    }

    /// How many are being served.
    pub(crate) fn served(&self) -> usize {
        self.served
    }

    /// The sum, once nobody is.
    pub(crate) fn close(self) -> Receipt {
        self.receipt
    }
}
