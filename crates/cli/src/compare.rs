//! `switchboard compare`: starts servers, each as a process of its own, puts the same load on all of them, and says what each costs.
//!
//! Who takes part (`contestant`) has a turn in each round (`course`): it is started (`launch`, `server`), loaded and measured (`measure`)
//! by what the kernel counts (`census`), while others are watched (`noise`). What was gathered becomes a verdict (`verdict`,
//! `statistics`, `notes`), and is told as a table, JSON or CSV (`results`, `table`, `csv`), or held against another one (`files`).

mod census;
pub(crate) mod contestant;
mod course;
mod csv;
mod files;
mod idle;
pub(crate) mod launch;
mod machine;
mod measure;
mod noise;
mod notes;
pub(crate) mod options;
mod page;
mod progress;
pub(crate) mod results;
mod server;
pub(crate) mod statistics;
mod syscalls;
mod table;
mod verdict;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use switchboard::EventLoop;

use self::contestant::Contestant;
use self::course::Course;
use self::options::{Form, Job, Options};
use self::results::{Entrant, Figure, Outcome, Results, Settings};
use crate::error::{Error, reason};
use crate::load::{check_connections, of_faults};
use crate::page::File;
use crate::stop::{First, Signal, Signals, first};

/// Does what there is to do.
pub(crate) fn run(job: &Job) -> Result<ExitCode, Error> {
    match job {
        Job::Servers(options) => compare(options),
        Job::Files { old, new, form } => files::run(old, new, *form),
        Job::Launch(launch) => Err(launch.run()),
    }
}

/// Compares servers, and says what it came to.
fn compare(options: &Options) -> Result<ExitCode, Error> {
    let file = options.html.as_deref().map(File::open).transpose()?;
    let most = options.scenarios.iter().map(|scenario| scenario.connections).max();
    check_connections(most.unwrap_or_default(), "--connections")?;
    let event_loop = EventLoop::new().map_err(|error| Error::cannot_go_on(&error))?;
    let ran = event_loop.block_on(gather(options)).map_err(|error| Error::cannot_go_on(&error))?;
    let (results, signal) = ran?;
    print(&match options.form {
        Form::Table => table::render(&results),
        Form::Csv => csv::render(&results),
        Form::Json => format!("{}\n", to_json(&results)?),
    })?;
    let written = file.map_or(Ok(()), |file| file.write(&page::page(&results)));
    let is_written = written.map_err(|error| error.tell()).is_ok();
    Ok(match signal {
        Some(signal) => ExitCode::from(128 + signal.number),
        None if !results.scenarios.iter().any(has_answers) => ExitCode::FAILURE,
        None if !results.doubts.is_empty() => ExitCode::from(NOT_TRUSTWORTHY),
        None if results.scenarios.iter().all(|outcome| outcome.best.is_none()) => ExitCode::FAILURE,
        None if !is_written => ExitCode::FAILURE,
        None => ExitCode::SUCCESS,
    })
}

/// Runs all rounds, or those there are until a signal comes.
async fn gather(options: &Options) -> Result<(Results, Option<Signal>), Error> {
    let mut signals = Signals::catch().await;
    let date = machine::date();
    let mut course = Course::new(options);
    let ended = first(course.run(), signals.next()).await;
    course.finish();
    let signal = match ended {
        First::One(ended) => {
            ended?;
            None
        }
        First::Other(signal) => Some(signal),
    };
    Ok((sum_up(options, course, date, signal), signal))
}

fn sum_up(options: &Options, course: Course<'_>, date: String, signal: Option<Signal>) -> Results {
    let Course { cores, gathered, idle, noise, repeated, is_cut, .. } = course;
    let names = || options.contestants.iter().map(|contestant| contestant.name.clone());
    let scenarios: Vec<_> = options
        .scenarios
        .iter()
        .zip(gathered)
        .map(|(scenario, gathered)| verdict::outcome(scenario, names().zip(gathered).collect()))
        .collect();
    let entrant = |(contestant, idle): (&Contestant, Figure)| Entrant {
        name: contestant.name.clone(),
        command: contestant.command(),
        idle,
    };
    let versions = machine::versions();
    let mut notes = notes::notes(&versions, &cores, &scenarios, &noise);
    notes.extend(is_cut.then(|| NO_TIME.to_owned()));
    notes.extend(signal.map(|signal| format!("{}: not all rounds were run.", signal.name)));
    Results {
        event: "compared".to_owned(),
        format: FORMAT,
        machine: machine::machine(&cores),
        date,
        settings: Settings {
            rounds: options.rounds,
            seconds: options.duration.as_secs_f64(),
            warm_up_seconds: options.warm_up.as_secs_f64(),
        },
        contestants: options.contestants.iter().zip(idle).map(entrant).collect(),
        doubts: notes::doubts(&scenarios, &noise).into_iter().chain(of_faults()).collect(),
        notes,
        scenarios,
        noise,
        repeated,
        signal: signal.map(|signal| signal.name.to_owned()),
        versions,
    }
}

fn to_json(results: &Results) -> Result<String, Error> {
    serde_json::to_string(results)
        .map_err(|error| Error::refused(format_args!("cannot tell the results: {error}")))
}

/// Whether anybody answered: where nobody did, it is not the measurement that fell short.
fn has_answers(outcome: &Outcome) -> bool {
    outcome.rows.iter().flat_map(|row| &row.rounds).any(|turn| turn.messages > 0)
}

/// On stdout. Somebody who does not want to read it is no failure.
fn print(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::refused(format_args!("cannot write the results on stdout: {}", reason(&error))))
        }
        _ => Ok(()),
    }
}

/// The real time.
fn clock() -> Instant {
    EventLoop::with_current(|event_loop| event_loop.engine().clock()).expect("this runs on a loop")
}

/// Of the keys in [`results`].
const FORMAT: u32 = 1;

/// For all of it.
const NO_TIME: &str =
    "There was no time for all measurements: leave out --quick, or some contestants or scenarios.";

/// The code that says so.
const NOT_TRUSTWORTHY: u8 = 4;
