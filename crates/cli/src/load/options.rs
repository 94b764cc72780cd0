//! What `switchboard load` is to do, understood: a load to put on, or reports to add up; and what to tell.

use std::path::PathBuf;
use std::time::Duration;

use switchboard::engine::Address;
use switchboard::net::Target;

use super::limit::Limit;
use super::message::Message;
use super::plan::{Pace, Plan, Transport, Until};
use crate::choice::Choice;

/// What is to be done.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) task: Task,
    pub(crate) telling: Telling,
}

/// Where the figures come from.
#[derive(Debug)]
pub(crate) enum Task {
    Measure(Box<Measure>),
    /// From these reports, made elsewhere or before.
    Merge(Vec<PathBuf>),
}

/// A load to put on.
#[derive(Debug)]
pub(crate) struct Measure {
    pub(crate) target: Target,
    pub(crate) transport: Transport,
    pub(crate) connections: usize,
    pub(crate) message: Message,
    pub(crate) in_flight: usize,
    pub(crate) pace: Pace,
    pub(crate) churn: bool,
    pub(crate) connect_rate: Option<f64>,
    pub(crate) until: Until,
    pub(crate) warm_up: Duration,
    pub(crate) timeout: Duration,
    pub(crate) threads: usize,
    pub(crate) engine: Choice,
    /// The highest rate is looked for that keeps this; the first that is tried is the one of `pace`.
    pub(crate) seek: Option<Limit>,
}

/// What is told, besides the report.
#[derive(Debug)]
pub(crate) struct Telling {
    /// In JSON.
    pub(crate) json: bool,
    /// Also second by second, on stdout.
    pub(crate) stream: bool,
    pub(crate) hdr: Option<PathBuf>,
    pub(crate) html: Option<PathBuf>,
    /// None of these is to be true.
    pub(crate) fail_if: Vec<Limit>,
}

impl Measure {
    /// The plan, now that it is known where the target is.
    pub(super) fn plan(&self, address: Address) -> Plan {
        Plan {
            target: self.target.to_string(),
            address,
            transport: self.transport,
            connections: self.connections,
            message: self.message.clone(),
            in_flight: self.in_flight,
            pace: self.pace,
            churn: self.churn,
            connect_rate: self.connect_rate,
            until: self.until,
            warm_up: self.warm_up,
            timeout: self.timeout,
            threads: self.threads,
            cores: Vec::new(),
            engine: self.engine,
        }
    }
}
