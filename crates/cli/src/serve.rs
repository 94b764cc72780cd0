//! `switchboard serve`: a server on one of the models.
//!
//! It listens (`listen`), has a model serve each client (`model`) what its service says (`session`), and ends at a signal.
//! Whatever befalls one client ends that client's connection and nothing else, and is one line in the log.

pub(crate) mod cost;
pub(crate) mod desk;
pub(crate) mod door;
pub(crate) mod drain;
pub(crate) mod end;
pub(crate) mod failure;
pub(crate) mod idle;
pub(crate) mod ledger;
pub(crate) mod listen;
pub(crate) mod options;
mod predecessor;
pub(crate) mod reception;
pub(crate) mod report;
mod socket_file;
pub(crate) mod step;

use std::process::ExitCode;

use switchboard::EventLoop;

use self::failure::tell_of;
use self::options::Options;
use self::report::Report;
use crate::error::Error;
use crate::{limits, model};

/// Serves until a signal, and says how it ended.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Error> {
    if options.child {
        return model::serve_one(options);
    }
    limits::raise_descriptors();
    let event_loop = EventLoop::with(options.engine.open()?);
    event_loop.on_failure(tell_of);
    let report = Report::new(options.json);
    let end = model::serve(event_loop, options, report)?;
    Ok(report.ended(&end))
}
