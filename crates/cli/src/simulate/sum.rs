//! What many seeds came to, added up.

use std::time::Duration;

use switchboard::sim::Fault;

use super::invariants::Broken;
use super::world::Outcome;

/// See the top of this file.
#[derive(Debug, Clone, Default)]
pub(super) struct Sum {
    /// That were run.
    pub(super) seeds: u64,
    /// By the clocks of their networks.
    pub(super) time: Duration,
    pub(super) connections: u64,
    pub(super) messages: u64,
    /// That were heard, each held against what it had to be.
    pub(super) bytes: u64,
    /// Conversations that were cut off, and were allowed to be.
    pub(super) cut: u64,
    /// How often each fault was injected, in the order of [`Fault::ALL`].
    injected: [u64; Fault::ALL.len()],
    pub(super) failures: Vec<Failure>,
}

/// A seed that failed.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) seed: u64,
    /// At least one.
    pub(super) broken: Vec<Broken>,
}

impl Sum {
    pub(super) fn add(&mut self, outcome: Outcome) {
        let Outcome { seed, notes, injected, elapsed, broken } = outcome;
        self.seeds += 1;
        self.time += elapsed;
        self.connections += notes.connected;
        self.messages += notes.messages;
        self.bytes += notes.heard;
        self.cut += notes.cut.len() as u64;
        for (sum, fault) in self.injected.iter_mut().zip(Fault::ALL) {
            *sum += injected.count(fault);
        }
        if !broken.is_empty() {
            self.failures.push(Failure { seed, broken });
        }
    }

    /// Threads end in any order.
    pub(super) fn sort(&mut self) {
        self.failures.sort_by_key(|failure| failure.seed);
    }

    /// How often each fault was injected.
    pub(super) fn injected(&self) -> impl Iterator<Item = (Fault, u64)> + '_ {
        Fault::ALL.into_iter().zip(self.injected)
    }
}
