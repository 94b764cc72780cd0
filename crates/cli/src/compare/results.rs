//! What a comparison came to, as it is written with `--json` and read again with `--files`: these fields are its documented keys.
//!
//! Figures of each round stand beside their sums, so that whoever reads them can compute something else of them. Times are microseconds,
//! messages are exchanges: one there and its answer back. What could not be had is null, and says why where that is not plain.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::statistics::Ratio;

/// What a comparison came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Results {
    /// Always `compared`.
    pub(crate) event: String,
    /// Of these keys: 1.
    pub(crate) format: u32,
    pub(crate) versions: Versions,
    pub(crate) machine: Machine,
    /// When it began (RFC 3339, UTC).
    pub(crate) date: String,
    pub(crate) settings: Settings,
    pub(crate) contestants: Vec<Entrant>,
    pub(crate) scenarios: Vec<Outcome>,
    /// Of each round that counts, what others used of a processor: 0.08 is the limit.
    pub(crate) noise: Vec<f64>,
    /// How many rounds were repeated because of that.
    pub(crate) repeated: usize,
    /// Why the figures cannot be trusted, if so.
    pub(crate) doubts: Vec<String>,
    /// What to know of them.
    pub(crate) notes: Vec<String>,
    /// The signal that ended it early.
    pub(crate) signal: Option<String>,
}

/// Of what was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Versions {
    pub(crate) switchboard: String,
    /// Whether it was built for speed: `release` or `debug`.
    pub(crate) build: String,
    pub(crate) kernel: String,
}

/// Where it was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: Option<String>,
    /// That could be used.
    pub(crate) cores: usize,
    /// Where servers, and where the generator ran; null if anywhere.
    pub(crate) server_core: Option<usize>,
    pub(crate) generator_core: Option<usize>,
}

/// How it was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// That were asked for.
    pub(crate) rounds: usize,
    /// Of a measurement, and of what went before it.
    pub(crate) seconds: f64,
    pub(crate) warm_up_seconds: f64,
}

/// Who took part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entrant {
    pub(crate) name: String,
    pub(crate) command: Vec<String>,
    pub(crate) idle: Figure,
}

/// A figure that is had by a means of its own, or not at all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// KiB of an idle connection, or system calls of a message.
    pub(crate) value: Option<f64>,
    /// How it was found: `pss`; `perf` or `strace`.
    pub(crate) means: Option<String>,
    /// Why there is none.
    pub(crate) missing: Option<String>,
}

/// What a scenario came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) service: String,
    pub(crate) connections: usize,
    pub(crate) size: usize,
    /// Who spent the least processor time for a message, without a failure.
    pub(crate) best: Option<String>,
    /// What to take from it.
    pub(crate) sentence: String,
    pub(crate) rows: Vec<Row>,
}

/// What a scenario came to with one contestant: medians of rounds, but for the percentiles, which are of all exchanges.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) contestant: String,
    pub(crate) messages_per_second: Option<f64>,
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    pub(crate) p999: Option<f64>,
    /// Processor time of the server for a message, and of which in user space and in the kernel.
    pub(crate) cpu: Option<f64>,
    pub(crate) user: Option<f64>,
    pub(crate) system: Option<f64>,
    /// For a message.
    pub(crate) system_calls: Figure,
    /// How often one of the server's threads gave way to another, by its own will or not, for a message.
    pub(crate) switches: Option<f64>,
    /// What the server uses of a core while all of many connections are idle.
    pub(crate) idle_cpu: Option<f64>,
    /// Processor time and messages a second as ratios to those of the best.
    pub(crate) cpu_ratio: Option<Ratio>,
    pub(crate) rate_ratio: Option<Ratio>,
    /// How many of each class there were in all rounds.
    pub(crate) failures: BTreeMap<String, u64>,
    /// What went wrong with the server itself, the first time.
    pub(crate) trouble: Option<String>,
    /// Pairs of a percentile and what so many of a hundred exchanges did not exceed.
    pub(crate) percentiles: Vec<(f64, f64)>,
    pub(crate) rounds: Vec<Turn>,
}

/// What it came to in one round.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Turn {
    /// From 0.
    pub(crate) round: usize,
    /// Answered, and in what time.
    pub(crate) messages: u64,
    pub(crate) seconds: f64,
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    pub(crate) p999: Option<f64>,
    pub(crate) cpu: Option<f64>,
    pub(crate) switches: Option<f64>,
    /// Seconds that the server ran in user space, and in the kernel, in hundredths of a second for each process: sums of many rounds
    /// are needed to say how `cpu` divides.
    pub(crate) user_seconds: f64,
    pub(crate) system_seconds: f64,
    pub(crate) failures: BTreeMap<String, u64>,
    /// How much of the time the generator ran, and how much it could have run while others did.
    pub(crate) generator_ran: Option<f64>,
    pub(crate) generator_waited: Option<f64>,
    /// What it doubted of its own work.
    pub(crate) doubts: Vec<String>,
}

impl Turn {
    /// Messages a second, if there were any.
    pub(super) fn rate(&self) -> Option<f64> {
        (self.messages > 0 && self.seconds > 0.0).then(|| self.messages as f64 / self.seconds)
    }
}

impl Row {
    /// Of all classes.
    pub(super) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Whether it bore the scenario: its figures are those of what was asked for.
    pub(super) fn is_sound(&self) -> bool {
        self.failed() == 0 && self.trouble.is_none() && self.cpu.is_some()
    }

    /// Whether it leaves the processor to others when there is nothing to do.
    pub(super) fn rests(&self) -> bool {
        self.idle_cpu.is_none_or(|share| share < RESTLESS)
    }
}

/// Of a core, while there is nothing to do: whoever uses more does not wait to be told.
const RESTLESS: f64 = 0.2;
