//! `switchboard doctor`: which mechanisms work here, which one is taken, and which limits will hurt.
//!
//! What the system tells is read first (`facts`, with the parsers in `proc`); what it means is then a matter of plain
//! functions, from facts to findings (`mechanisms`, `descriptors`, `network`, `processor`), and told (`report`). A value that
//! cannot be read is said to be so: it is no error. Nothing is changed.

mod descriptors;
mod facts;
mod finding;
mod mechanisms;
mod network;
mod proc;
mod processor;
mod report;
#[cfg(test)]
mod tests;

use std::fs;
use std::process::ExitCode;

use self::facts::Facts;
use self::finding::Finding;
use self::mechanisms::{Auto, Trial};
use crate::error::Error;
use crate::outlet;

/// How to tell it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) json: bool,
}

/// Looks, and says what was found.
pub(crate) fn run(options: Options) -> Result<ExitCode, Error> {
    let facts = Facts::gather(&|path: &str| fs::read_to_string(path).ok());
    let trials = Trial::all(&facts);
    let auto = Auto::from_environment();
    let limits = limits(&facts);
    let text = if options.json {
        format!("{}\n", report::to_json(&facts, &trials, &auto, &limits))
    } else {
        report::to_text(&facts, &trials, &auto, &limits)
    };
    outlet::print("the report", text.as_bytes())?;
    Ok(exit_code(&trials))
}

/// All limits, in the order in which they are told.
fn limits(facts: &Facts) -> Vec<Finding> {
    vec![
        descriptors::of_process(facts),
        descriptors::of_system(facts),
        network::listen_queue(facts),
        network::half_open(facts),
        network::local_ports(facts),
        network::time_wait(facts),
        processor::cores(facts),
        processor::locked_memory(facts),
        processor::threads(facts),
    ]
}

fn exit_code(trials: &[Trial]) -> ExitCode {
    let works = trials.iter().any(|trial| trial.refusal.is_none());
    if works { ExitCode::SUCCESS } else { ExitCode::from(1) }
}
