//! `switchboard load`: puts a load on a server, and says how it bore it, and whether that can be believed.
//!
//! What to do is a `plan`; a `crew` of threads does it, each with a `generator` on an engine of its own, below loop and tasks: whoever
//! measures has to cost less than what is measured. What it came to is a `tally`, and whether to believe it is a matter of `doubt`.
//!
//! Around that: from what was typed to an address (`destination`) and room for the load (`headroom`), the main thread `watch`es it, or
//! `seek`s a rate, and makes a `report`.

mod book;
mod connection;
mod crew;
mod destination;
mod doubt;
mod failure;
mod files;
mod gate;
mod generator;
mod headroom;
mod limit;
mod merge;
mod message;
mod options;
mod page;
mod plan;
mod processor;
mod progress;
mod report;
mod schedule;
mod seek;
mod setup;
mod shown;
mod tally;
#[cfg(test)]
mod tests;
mod times;
mod watch;

use std::process::ExitCode;

use switchboard::EventLoop;

use self::files::Files;
use self::report::Report;
use self::setup::Setup;
use self::watch::Watched;
use crate::error::{Error, reason, say};
use crate::stop::{First, Signal, Signals, first};

pub(crate) use crew::{Crew, Progress};
pub(crate) use doubt::{doubts, of_faults};
pub(crate) use failure::Failures;
pub(crate) use headroom::check_connections;
pub(crate) use limit::Limit;
pub(crate) use message::{Expect, Message};
pub(crate) use options::{Measure, Options, Task, Telling};
pub(crate) use plan::{Pace, Plan, Transport, Until};
pub(crate) use tally::Tally;
pub(crate) use times::Times;

/// Puts a load on, or adds up what some came to, and tells.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Error> {
    let telling = &options.telling;
    let files = Files::open(telling)?;
    let report = match &options.task {
        Task::Merge(paths) => merge::merge(paths)?,
        Task::Measure(load) => {
            let event_loop = EventLoop::with(load.engine.open()?);
            let engine = event_loop.engine().name().to_owned();
            let measured = event_loop
                .block_on(measure(load, &engine, telling))
                .map_err(|error| Error::refused(format_args!("cannot go on: {}", reason(&error))))?;
            match measured? {
                Ok(report) => report,
                Err(signal) => return Ok(ExitCode::from(128 + signal.number)),
            }
        }
    };
    Ok(ExitCode::from(report.tell(telling, files)))
}

/// Measures, and makes a report of it. `Err` is a signal before which there was nothing to tell, or which did not want it told.
async fn measure(load: &Measure, engine: &str, telling: &Telling) -> Result<Result<Report, Signal>, Error> {
    let mut signals = Signals::catch().await;
    let address = match first(signals.next(), destination::find(load)).await {
        First::One(signal) => {
            say(&format!(
                "interrupted by {}: {} had not answered yet, and nothing was measured",
                signal.name, load.target
            ));
            return Ok(Err(signal));
        }
        First::Other(found) => found?,
    };
    let plan = load.plan(address);
    headroom::check(&plan, engine)?;
    let progress = progress::Progress::new(telling.stream);
    let (plan, watched, sought) = if let Some(limit) = &load.seek {
        match seek::seek(&plan, limit, &mut signals, &progress).await? {
            Ok(found) => (found.plan, found.watched, Some(found.sought)),
            Err(signal) => return Ok(Err(signal)),
        }
    } else {
        match watch::watch(plan.clone(), &mut signals, &progress).await? {
            Ok(watched) => (plan, watched, None),
            Err(signal) => return Ok(Err(signal)),
        }
    };
    let Watched { tally, seconds, interrupted } = watched;
    let mut doubts = match &sought {
        Some(sought) => Vec::from_iter(sought.doubt()),
        None => doubts(&plan, &tally),
    };
    doubts.extend(of_faults());
    let setup = Setup::new(&plan, engine);
    Ok(Ok(Report { setup, tally, seconds, doubts, loads: 1, sought, interrupted }))
}
