//! How to simulate: what the arguments mean.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use switchboard::sim::{Faults, Link};

use super::dialogue::Dialogue;
use crate::serve;

/// How to simulate.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) seeds: Range<u64>,
    pub(crate) clients: usize,
    /// Of each client.
    pub(crate) messages: usize,
    /// Of a message, bytes.
    pub(crate) size: usize,
    /// What is served, and how.
    pub(crate) server: serve::options::Options,
    pub(crate) faults: Faults,
    pub(crate) link: Link,
    /// Whether what is sent on it arrives within a moment.
    pub(crate) is_quick: bool,
    /// Where to write down what happens.
    pub(crate) trace: Option<PathBuf>,
    /// Each seed is run twice.
    pub(crate) check: bool,
    /// How many failures are enough.
    pub(crate) most_failures: usize,
    pub(crate) threads: usize,
    pub(crate) json: bool,
    /// What the log of the servers is to say: as of the other commands.
    pub(crate) verbosity: u8,
    /// The command that does the same, but for the seeds.
    pub(crate) command: String,
}

impl Options {
    pub(super) fn dialogue(&self) -> Dialogue {
        let greeting = self.server.greeting.clone().into_bytes();
        Dialogue { service: self.server.service, greeting, size: self.size }
    }

    /// Whether all that is said is said and heard well before the end of the grace period.
    pub(super) fn is_prompt(&self) -> bool {
        let wrong = self.server.faults;
        let is_late = !(wrong.delay.is_zero() && wrong.jitter.is_zero()) || wrong.drip.is_some();
        self.is_quick && !is_late && self.server.grace >= Duration::from_secs(1)
    }

    pub(super) fn limit(&self) -> Option<usize> {
        self.server.limit
    }
}
