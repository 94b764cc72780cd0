//! `switchboard simulate`: the server of `serve` and clients that check it, in simulated networks in which much goes wrong.
//!
//! Each seed is a network of its own (`world`): the server's real code, clients that check every byte (`client`), faults, and what has to
//! hold at the end (`invariants`). Seeds run on helper threads (`work`), so that the loop here hears of a signal at once, and what they
//! came to is added up (`sum`) and told (`report`).

mod client;
mod dialogue;
mod expected;
mod flow;
mod invariants;
mod log;
mod manner;
mod notes;
pub(crate) mod options;
mod report;
mod sum;
#[cfg(test)]
mod tests;
mod work;
mod world;

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use dialogue::SECONDS_IN_2000;
use switchboard::sim::Trace;
use switchboard::{EventLoop, sleep, spawn_blocking};

use self::options::Options;
use self::sum::Sum;
use self::work::Work;
use crate::error::{Error, reason};
use crate::stop::{First, Signal, Signals, first};

/// Runs all seeds, and says what they came to.
pub(crate) fn run(options: Options) -> Result<ExitCode, Error> {
    let options = Arc::new(options);
    let trace = options.trace.as_deref().map(create).transpose()?;
    let event_loop = EventLoop::new().map_err(|error| Error::cannot_go_on(&error))?;
    let ended = event_loop.block_on(simulate(&options)).map_err(|error| Error::cannot_go_on(&error))?;
    let (mut sum, seconds, signal) = ended?;
    sum.sort();
    report::tell(&options, &sum, seconds, signal)?;
    if let (Some((file, path)), None) = (trace, signal) {
        write_trace(&options, &sum, file, path)?;
    }
    Ok(match signal {
        Some(signal) => ExitCode::from(128 + signal.number),
        None if sum.failures.is_empty() => ExitCode::SUCCESS,
        None => ExitCode::from(3),
    })
}

/// Runs them on helper threads, until all are done or a signal comes; and how long that took, in seconds.
async fn simulate(options: &Arc<Options>) -> Result<(Sum, f64, Option<Signal>), Error> {
    let mut signals = Signals::catch().await;
    let work = Arc::new(Work::new(Arc::clone(options)));
    let began = clock();
    let tasks: Vec<_> = (0..options.threads)
        .map(|_| {
            let work = Arc::clone(&work);
            spawn_blocking(move || work.run())
        })
        .collect();
    let shown = io::stderr().is_terminal() && !options.json;
    let all = async {
        for task in tasks {
            task.join().await.map_err(|_| Error::refused("a simulation has panicked"))?;
        }
        Ok(())
    };
    let watched = async {
        match first(all, show(&work, shown)).await {
            First::One(ended) => ended,
            First::Other(()) => unreachable!("it never ends"),
        }
    };
    let (ended, signal) = match first(watched, signals.next()).await {
        First::One(ended) => (ended, None),
        First::Other(signal) => (Ok(()), Some(signal)),
    };
    work.stop();
    if shown {
        report::clear();
    }
    let seconds = clock().saturating_duration_since(began).as_secs_f64();
    ended.map(|()| (work.sum(), seconds, signal))
}

/// Shows how far it is, from time to time.
async fn show(work: &Work, shown: bool) {
    let began = clock();
    loop {
        sleep(Duration::from_millis(500)).await;
        if shown {
            report::show(work, clock().saturating_duration_since(began));
        }
    }
}

fn create(path: &Path) -> Result<(File, &Path), Error> {
    File::create(path).map(|file| (file, path)).map_err(|error| cannot_write(path, &error))
}

/// Runs the first seed that failed once more, or the first of all, and writes down what happened.
fn write_trace(options: &Options, sum: &Sum, file: File, path: &Path) -> Result<(), Error> {
    let seed = sum.failures.first().map_or(options.seeds.start, |failure| failure.seed);
    let trace = Trace::new();
    drop(world::run::<world::Real>(options, seed, Some(&trace)));
    let mut file = BufWriter::new(file);
    write!(file, "{trace}").and_then(|()| file.flush()).map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &io::Error) -> Error {
    let path = path.display();
    Error::refused(format_args!(
        "cannot write the trace to {path}: {}; give another file with --trace",
        reason(error)
    ))
}

/// The real time.
fn clock() -> std::time::Instant {
    EventLoop::with_current(|event_loop| event_loop.engine().clock()).expect("this runs on a loop")
}
