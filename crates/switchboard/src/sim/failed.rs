//! Why a simulation failed, with all one needs to see it again.

use std::error::Error;
use std::time::Duration;
use std::{fmt, io};

use crate::engine::trace::Difference;

/// A simulation that did not end well. Its [`seed`](Self::seed) brings it about again.
#[derive(Debug)]
pub struct Failed {
    /// Of the simulation.
    pub seed: u64,
    /// How old the network was, by its clock.
    pub at: Duration,
    /// The host it happened on, if it was one's.
    pub host: Option<String>,
    /// What happened.
    pub why: Why,
}

/// What went wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum Why {
    /// A program ended in a failure, and this is what it said.
    Failed(String),
    /// A program panicked, and this is what it said.
    Panicked(String),
    /// Nothing can ever happen again, and these still wait: a line each.
    Deadlock(Vec<String>),
    /// It went on for longer than it [may](super::Sim::limit); these still wait: a line each.
    TooLong(Vec<String>),
    /// The same seed did something else the second time: see [`Sim::check`](super::Sim::check).
    Differs(Difference),
    /// An engine could not go on.
    Engine(io::Error),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}, after {:.6} s: ", self.seed, self.at.as_secs_f64())?;
        if let Some(host) = &self.host {
            write!(f, "{host} ")?;
        }
        match &self.why {
            Why::Failed(message) => write!(f, "failed: {message}"),
            Why::Panicked(message) => write!(f, "panicked: {message}"),
            Why::Differs(difference) => {
                write!(f, "the same seed does not do the same again: {difference}")
            }
            Why::Engine(error) => write!(f, "cannot go on: {error}"),
            Why::Deadlock(waiting) => list(f, "nothing can ever happen again, and these wait", waiting),
            Why::TooLong(waiting) => list(f, "it has not come to an end, and these wait", waiting),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, what: &str, lines: &[String]) -> fmt::Result {
    write!(f, "{what}:")?;
    lines.iter().try_for_each(|line| write!(f, "\n  {line}"))
}

impl Error for Failed {}
