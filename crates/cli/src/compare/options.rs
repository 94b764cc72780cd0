//! What is compared, and how: the arguments, understood.

use std::path::PathBuf;
use std::time::Duration;

use super::contestant::{Contestant, Scenario};
use super::launch::Launch;

/// What there is to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// Compare servers.
    Servers(Options),
    /// Compare the results of two comparisons.
    Files {
        /// What was.
        old: PathBuf,
        /// What is.
        new: PathBuf,
        /// How to tell.
        form: Form,
    },
    /// Become a server that another process compares.
    Launch(Launch),
}

/// What is compared, and how.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) contestants: Vec<Contestant>,
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) rounds: usize,
    /// Of a measurement.
    pub(crate) duration: Duration,
    /// Before each of them.
    pub(crate) warm_up: Duration,
    /// How long a server may take until it listens.
    pub(crate) ready_within: Duration,
    /// No round is begun that would not be over by then; of all there are, one is run.
    pub(crate) within: Option<Duration>,
    pub(crate) form: Form,
    /// Where to write a page.
    pub(crate) html: Option<PathBuf>,
}

/// How to tell the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Table,
    Json,
    Csv,
}
