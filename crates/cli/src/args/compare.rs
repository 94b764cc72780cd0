//! What may be typed after `switchboard compare`, and what it means.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};
use switchboard::Mechanism;

use super::{Command, at_least_one, understand_time, wrong_value};
use crate::choice::{Choice, shown};
use crate::compare::contestant::{Contestant, Program, Scenario};
use crate::compare::launch::Launch;
use crate::compare::options::{Form, Job, Options};
use crate::error::Error;
use crate::ladder::Model;
use crate::quantity::size;
use crate::service::Service;

/// Compare servers under the same load: the models of `serve`, on each engine, and any others.
///
/// Each is a process of its own; they take turns, round after round, and figures of the same round are compared. The best spends the least
/// processor time of its own for a message, not the most messages a second: where the generator answers at once, the rate is as much its and
/// the network's as the server's, and on shared cores hardly anything else. What others do on the machine meanwhile spoils it, so
/// rounds in which they use more than 8 % of a core are run again.
#[derive(Debug, Args)]
#[command(after_help = COMPARE_EXAMPLES)]
pub(super) struct LowCompare {
    /// Which models: a list of those of `serve --model`, or all, or none [default: threads,epoll,callbacks,tasks]
    #[arg(long, value_name = "MODELS")]
    models: Option<String>,

    /// On which engines, those that have an event loop: a list, or all there are here [default: all]
    #[arg(long, value_name = "ENGINES")]
    engines: Option<String>,

    /// Compare a server of your own, too: a name, and a command that listens on {port} of 127.0.0.1, and may be told the {service}. No shell runs
    /// it. May be given again
    #[arg(long, value_name = "NAME='COMMAND {port}'")]
    with: Vec<String>,

    /// What they do: a list of echo, upper and line
    #[arg(long, value_name = "SERVICES", default_value = "echo")]
    services: String,

    /// How many connections at once: a list, such as 1,50,1000
    #[arg(long, value_name = "NUMBERS", default_value = "50", allow_hyphen_values = true)]
    connections: String,

    /// How long a message is: a list, such as 64,16KiB
    #[arg(long, value_name = "SIZES", default_value = "64", allow_hyphen_values = true)]
    sizes: String,

    /// How many rounds; with 6 or more, ratios have their intervals [default: 15; with --quick 6]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    rounds: Option<String>,

    /// How long each measurement is [default: 500ms; with --quick up to 300ms, as there is time]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    duration: Option<String>,

    /// For how long before each of them nothing is counted
    #[arg(long, value_name = "TIME", default_value = "100ms", allow_hyphen_values = true)]
    warm_up: String,

    /// Be done within a minute
    #[arg(long)]
    quick: bool,

    /// How long a server may take until it listens
    #[arg(long, value_name = "TIME", default_value = "5s", allow_hyphen_values = true)]
    ready_within: String,

    /// Tell the results as a JSON object, with the figures of each round
    #[arg(long, conflicts_with = "csv")]
    json: bool,

    /// Tell them as lines for a spreadsheet
    #[arg(long)]
    csv: bool,

    /// Write them there, too, as a page with plots
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Compare no servers, but two results that were told with --json: what has changed?
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], conflicts_with_all = OF_SERVERS)]
    files: Option<Vec<PathBuf>>,

    /// Log more on stderr: -v information, -vv everything
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,

    /// What the command tells itself.
    #[arg(long, hide = true)]
    launch: Option<String>,

    /// As above.
    #[arg(last = true, hide = true)]
    words: Vec<String>,
}

impl LowCompare {
    pub(super) fn understand(self) -> Result<Command, Error> {
        let verbosity = self.verbose;
        let job = match (&self.launch, &self.files) {
            (Some(launch), _) => {
                let parsed = Launch::parse(launch, self.words.clone());
                Job::Launch(
                    parsed.ok_or_else(|| wrong_value("launch", launch, "this is for the command itself"))?,
                )
            }
            (None, Some(files)) => {
                Job::Files { old: files[0].clone(), new: files[1].clone(), form: self.form() }
            }
            (None, None) => Job::Servers(self.options()?),
        };
        Ok(Command::Compare { job: Box::new(job), verbosity })
    }

    fn options(&self) -> Result<Options, Error> {
        let contestants = self.contestants()?;
        let scenarios = self.scenarios()?;
        let rounds = match &self.rounds {
            Some(text) => at_least_one("rounds", text, "nothing would be measured", MOST)?,
            None if self.quick => QUICK_ROUNDS,
            None => ROUNDS,
        };
        let warm_up = understand_time("warm-up", &self.warm_up)?;
        let duration = match &self.duration {
            Some(text) => self.understand_duration(text)?,
            None if self.quick => quick_duration(contestants.len() * scenarios.len() * rounds, warm_up),
            None => DURATION,
        };
        Ok(Options {
            contestants,
            scenarios,
            rounds,
            duration,
            warm_up,
            ready_within: self.understand_ready_within()?,
            within: self.quick.then_some(QUICK),
            form: self.form(),
            html: self.html.clone(),
        })
    }

    fn form(&self) -> Form {
        match (self.json, self.csv) {
            (true, _) => Form::Json,
            (_, true) => Form::Csv,
            _ => Form::Table,
        }
    }

    fn understand_duration(&self, text: &str) -> Result<Duration, Error> {
        match understand_time("duration", text)? {
            duration if duration < SHORTEST => Err(wrong_value(
                "duration",
                text,
                format_args!("too short to measure anything; give at least {SHORTEST:?}"),
            )),
            duration => Ok(duration),
        }
    }

    fn understand_ready_within(&self) -> Result<Duration, Error> {
        let text = &self.ready_within;
        match understand_time("ready-within", text)? {
            Duration::ZERO => Err(wrong_value("ready-within", text, "nobody listens in no time; give more")),
            time => Ok(time),
        }
    }

    fn contestants(&self) -> Result<Vec<Contestant>, Error> {
        let models = match self.models.as_deref() {
            None => USUAL_MODELS.to_vec(),
            Some("all") => Model::ALL.to_vec(),
            Some("none") => Vec::new(),
            Some(text) => {
                let model =
                    |name: &str| Model::named(name).map_err(|wrong| wrong_value("models", name, wrong));
                list(text).map(model).collect::<Result<_, _>>()?
            }
        };
        let engines = match self.engines.as_deref() {
            None | Some("all") => Mechanism::available().collect(),
            Some(text) => list(text).map(understand_engine).collect::<Result<Vec<_>, _>>()?,
        };
        let ours = models.into_iter().flat_map(|model| Contestant::of_model(model, &engines));
        let others = self.with.iter().map(|text| understand_with(text));
        let all: Vec<_> = ours.map(Ok).chain(others).collect::<Result<_, _>>()?;
        let twice = all
            .iter()
            .enumerate()
            .find(|(index, one)| all[..*index].iter().any(|other| other.name == one.name));
        match twice {
            Some((_, Contestant { name, .. })) => Err(Error::wrong_use(format_args!(
                "{name} would take part twice; give each its own name, once"
            ))),
            None if all.is_empty() => {
                Err(Error::wrong_use("--models none: nobody would take part; give --with"))
            }
            None => Ok(all),
        }
    }

    fn scenarios(&self) -> Result<Vec<Scenario>, Error> {
        let services: Vec<_> = list(&self.services).map(understand_service).collect::<Result<_, _>>()?;
        let number = |text| at_least_one("connections", text, "there would be no load", MOST);
        let connections: Vec<_> = list(&self.connections).map(number).collect::<Result<_, _>>()?;
        let sizes: Vec<_> = list(&self.sizes).map(understand_size).collect::<Result<_, _>>()?;
        let mut scenarios = Vec::new();
        for &service in &services {
            for &connections in &connections {
                scenarios.extend(sizes.iter().map(|&size| Scenario { service, connections, size }));
            }
        }
        let too_long =
            scenarios.iter().find(|one| one.service == Service::Line && !LINES.contains(&one.size));
        match too_long {
            Some(Scenario { size, .. }) => {
                let (least, most) = LINES.into_inner();
                Err(wrong_value(
                    "sizes",
                    &size.to_string(),
                    format_args!("a line of the service line has {least} to {most} bytes"),
                ))
            }
            None => Ok(scenarios),
        }
    }
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim)
}

fn understand_engine(name: &str) -> Result<Mechanism, Error> {
    let available = || Mechanism::available().map(Mechanism::name).collect::<Vec<_>>().join(", ");
    match name.parse::<Choice>() {
        Ok(Choice::Named(engine)) if engine.is_available() => Ok(engine),
        Ok(Choice::Named(_)) => Err(wrong_value(
            "engines",
            name,
            format_args!("this system does not have it; give of {}", available()),
        )),
        _ => Err(wrong_value("engines", name, format_args!("no such engine; give of {}", available()))),
    }
}

fn understand_service(name: &str) -> Result<Service, Error> {
    match name.parse() {
        Ok(service @ (Service::Echo | Service::Upper | Service::Line)) => Ok(service),
        Ok(_) => {
            Err(wrong_value("services", name, "it does not answer each message; give of echo, upper, line"))
        }
        Err(_) => Err(wrong_value("services", name, "no such service; give of echo, upper, line")),
    }
}

fn understand_size(text: &str) -> Result<usize, Error> {
    match size(text) {
        Ok(0) => Err(wrong_value("sizes", text, "nothing would be said; give 1 or more")),
        Ok(size) if size > LONGEST => {
            Err(wrong_value("sizes", text, "too long a message; give at most 16MiB"))
        }
        other => other.map_err(|wrong| wrong_value("sizes", text, wrong)),
    }
}

/// `NAME=COMMAND`, whose words are told apart as a shell does, and nothing more.
fn understand_with(text: &str) -> Result<Contestant, Error> {
    let wrong = |what: &str| wrong_value("with", text, format_args!("{what}; give NAME='COMMAND {{port}}'"));
    let (name, command) = text.split_once('=').ok_or_else(|| wrong("it has no name"))?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./+:".contains(c);
    if name.is_empty() || !name.chars().all(is_plain) {
        return Err(wrong(&format!("{} is no name: it has letters, digits and -_./+: only", shown(name))));
    }
    let words = shlex::split(command).ok_or_else(|| wrong("a quote is not closed"))?;
    match words.first() {
        None => Err(wrong("it has no command")),
        Some(_) if !command.contains("{port}") => Err(wrong("it is not told its {port}")),
        Some(_) => Ok(Contestant { name: name.to_owned(), program: Program::Foreign(words) }),
    }
}

/// As long as there is time for, with so many of them.
fn quick_duration(measurements: usize, warm_up: Duration) -> Duration {
    let measurements = u32::try_from(measurements).unwrap_or(u32::MAX).max(1);
    let each = QUICK.mul_f64(QUICK_SHARE) / measurements;
    each.saturating_sub(warm_up + OVERHEAD).clamp(QUICK_SHORTEST, QUICK_DURATION)
}

const COMPARE_EXAMPLES: &str = "\
Examples:
  switchboard compare --quick               # the models one would choose from, within a minute
  switchboard compare --models all --connections 1,50,1000 --json > ladder.json
  switchboard compare --models tasks --engines uring,epoll --sizes 64,16KiB
  switchboard compare --models epoll --with tokio='./tokio-echo --port {port}'
  switchboard compare --files old.json new.json # is it cheaper than it was?

Exit codes:
  0      compared; also when the generator was the limit, since processor time for a message does not depend on that
  1      a server could not be started, or nobody bore the load, or the system refused
  2      wrong use
  4      compared, and not to be trusted: others were at work in most rounds
  128+n  ended by a signal n; what has been measured is told";

/// What says which servers are compared, and how: files have been told it already.
const OF_SERVERS: [&str; 12] = [
    "models",
    "engines",
    "with",
    "services",
    "connections",
    "sizes",
    "rounds",
    "duration",
    "warm_up",
    "quick",
    "html",
    "ready_within",
];

/// Of those who are no model to study, the ones who are not slow on purpose.
const USUAL_MODELS: [Model; 4] = [Model::Threads, Model::Epoll, Model::Callbacks, Model::Tasks];

const ROUNDS: usize = 15;
const QUICK_ROUNDS: usize = 6;
const DURATION: Duration = Duration::from_millis(500);
const SHORTEST: Duration = Duration::from_millis(10);

/// A minute, and some of it left for the last round to end late.
const QUICK: Duration = Duration::from_secs(48);
const QUICK_DURATION: Duration = Duration::from_millis(300);
const QUICK_SHORTEST: Duration = Duration::from_millis(100);

/// Of the time, that is for rounds; the rest is for the first try.
const QUICK_SHARE: f64 = 0.7;

/// To start a server, connect to it, and end it.
const OVERHEAD: Duration = Duration::from_millis(100);

/// Connections and rounds.
const MOST: usize = 1_000_000;

/// Of a message, bytes.
const LONGEST: usize = 16 << 20;

/// Of a line with its end, bytes: what has a letter in it, up to what the service takes.
const LINES: std::ops::RangeInclusive<usize> = 3..=64 << 10;
