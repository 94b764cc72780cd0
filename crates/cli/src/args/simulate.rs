//! What may be typed after `switchboard simulate`, and what it means.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};
use switchboard::sim::{Faults, Link};

use super::faults::LowFaults;
use super::serve::{self, understand_idle_timeout, understand_limit, understand_read_size};
use super::{Command, at_least_one, understand_time, wrong_value};
use crate::choice::{Choice, shown};
use crate::error::Error;
use crate::explain::Explain;
use crate::ladder::Model;
use crate::quantity::{bytes, duration, size};
use crate::serve::options::Options as Server;
use crate::service::TimeOfDay;
use crate::simulate::SECONDS_IN_2000;
use crate::simulate::options::Options;

/// Run the server of `serve` and clients that check it in simulated networks, in which much goes wrong.
///
/// Each seed is a network of its own, in memory and under virtual time, with the same server, the same clients and other
/// accidents: bytes come in pieces, connections are reset, descriptors run out, strangers come. The clients hold every byte against
/// what it has to be; what else has to hold is checked at the end. A seed that fails does so again, whenever it is run: the
/// report says how.
#[derive(Debug, Args)]
#[command(after_help = SIMULATE_EXAMPLES)]
pub(super) struct LowSimulate {
    /// Which seeds: A..B (B is not one of them), or one
    #[arg(long, value_name = "SEEDS", default_value = "0..100", allow_hyphen_values = true)]
    seeds: String,

    /// How to serve: tasks or callbacks
    #[arg(long, value_name = "MODEL", default_value = "tasks")]
    model: String,

    /// What to do for a client: echo, upper, line, hello, discard, chargen, daytime, time or boom; see `switchboard serve --help`
    #[arg(long, value_name = "NAME", default_value = "echo")]
    service: String,

    /// How many clients come
    #[arg(long, value_name = "N", default_value = "10", allow_hyphen_values = true)]
    clients: String,

    /// How many messages each of them sends
    #[arg(long, value_name = "N", default_value = "100", allow_hyphen_values = true)]
    messages: String,

    /// How long a message is, bytes
    #[arg(long, value_name = "SIZE", default_value = "32", allow_hyphen_values = true)]
    size: String,

    /// What goes wrong: none, unseen (what no correct program notices), default, or a list such as short=0.2,reset=0.01:4 (a
    /// probability each, and how often at most), which may begin with one of these words. There are short, eintr, spurious,
    /// emfile, aborted, enobufs, reset, early, late, half and signal
    #[arg(long, value_name = "FAULTS", default_value = "default", allow_hyphen_values = true)]
    faults: String,

    /// What lies between the hosts, such as latency=5ms,jitter=2ms,bandwidth=10MiB,loss=0.1%,reordering=1% [default:
    /// latency=100us,jitter=400us]
    #[arg(long, value_name = "LINK", allow_hyphen_values = true)]
    link: Option<String>,

    /// The server sends this first, exactly as it is
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    greeting: String,

    /// The server receives at most so many bytes at once, such as 2 or 64KiB
    #[arg(long, value_name = "SIZE", default_value = "16KiB", allow_hyphen_values = true)]
    read_size: String,

    /// The server serves at most so many at once
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    limit: Option<String>,

    /// The server ends connections over which nothing has gone for so long, such as 30s
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    idle_timeout: Option<String>,

    /// At its end, how long clients may go on, such as 500ms
    #[arg(long, value_name = "TIME", default_value = "2s", allow_hyphen_values = true)]
    grace: String,

    #[command(flatten)]
    wrong: LowFaults,

    /// Write down there what happens, a line for each event: of the first seed that fails, or of the first one
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,

    /// Run each seed twice, and show the first event that differs
    #[arg(long)]
    check: bool,

    /// Stop when so many seeds have failed
    #[arg(long, value_name = "N", default_value = "10", allow_hyphen_values = true)]
    max_failures: String,

    /// Run all seeds, however many fail
    #[arg(long, conflicts_with = "max_failures")]
    keep_going: bool,

    /// Run seeds on so many threads at once; auto: one for each core
    #[arg(short, long, value_name = "N", default_value = "1", allow_hyphen_values = true)]
    threads: String,

    /// Tell the result as a JSON object
    #[arg(long)]
    json: bool,

    /// Log more on stderr: -v what the servers warn of, -vv connections, -vvv everything
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
}

impl LowSimulate {
    pub(super) fn understand(self) -> Result<Command, Error> {
        let server = self.server()?;
        let (link, is_quick) = self.link.as_deref().map_or(Ok((usual_link(), true)), understand_link)?;
        let options = Options {
            seeds: understand_seeds(&self.seeds)?,
            clients: at_least_one("clients", &self.clients, "nobody would come", MOST)?,
            messages: at_least_one("messages", &self.messages, "nothing would be said", MOST)?,
            size: understand_size(&self.size)?,
            server,
            faults: self
                .faults
                .parse::<Faults>()
                .map_err(|wrong| wrong_value("faults", &self.faults, wrong))?,
            link,
            is_quick,
            trace: self.trace,
            check: self.check,
            most_failures: match self.keep_going {
                true => usize::MAX,
                false => at_least_one("max-failures", &self.max_failures, "nothing would be run", MOST)?,
            },
            threads: serve::understand_threads(&self.threads)?,
            json: self.json,
            verbosity: self.verbose,
            command: command(std::env::args_os().map(|word| word.to_string_lossy().into_owned())),
        };
        Ok(Command::Simulate { options: Box::new(options), verbosity: self.verbose })
    }

    fn server(&self) -> Result<Server, Error> {
        let model = self.model.parse::<Model>()?;
        if !model.has_event_loop() {
            return Err(wrong_value(
                "model",
                model.name(),
                "it waits in system calls, where no simulated network is; give callbacks or tasks",
            ));
        }
        let faults = self.wrong.understand()?;
        if faults.never_read {
            return Err(Error::wrong_use("--never-read: clients would wait for ever; leave it out"));
        }
        Ok(Server {
            listen: Vec::new(),
            udp: false,
            backlog: BACKLOG,
            model,
            service: self.service.parse()?,
            greeting: self.greeting.clone(),
            faults,
            read_size: understand_read_size(&self.read_size)?,
            limit: self.limit.as_deref().map(understand_limit).transpose()?,
            accept_timeout: None,
            idle_timeout: self.idle_timeout.as_deref().map(understand_idle_timeout).transpose()?,
            pause: None,
            grace: understand_time("grace", &self.grace)?,
            threads: 1,
            engine: Choice::Auto,
            explain: Explain(false),
            json: false,
            child: false,
            time: TimeOfDay::Fixed(SECONDS_IN_2000),
            gauge: None,
        })
    }
}

fn understand_seeds(text: &str) -> Result<Range<u64>, Error> {
    const EXAMPLE: &str = "give A..B, such as 0..100, or one seed";
    let wrong = |what: &str| wrong_value("seeds", text, format_args!("{what}; {EXAMPLE}"));
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_number {
            text.parse::<u64>().map_err(|_| wrong("too large a seed"))
        } else {
            Err(wrong("not a seed"))
        }
    };
    let Some((first, end)) = text.split_once("..") else {
        let seed = number(text)?;
        let end = seed.checked_add(1).ok_or_else(|| wrong("too large a seed"))?;
        return Ok(seed..end);
    };
    let seeds = number(first)?..number(end)?;
    if seeds.is_empty() { Err(wrong("no seed is in this range")) } else { Ok(seeds) }
}

fn understand_size(text: &str) -> Result<usize, Error> {
    match size(text) {
        Ok(0) => Err(wrong_value("size", text, "nothing would be said; give 1 or more")),
        Ok(size) if size > LONGEST => {
            Err(wrong_value("size", text, "too long a message; give at most 64KiB"))
        }
        other => other.map_err(|wrong| wrong_value("size", text, wrong)),
    }
}

/// The link that a simulation has if nothing is said of it.
fn usual_link() -> Link {
    Link::default().latency(Duration::from_micros(100)).jitter(Duration::from_micros(400))
}

/// The link, and whether what is sent on it arrives within a moment: nothing is lost, and not much is waited for.
fn understand_link(text: &str) -> Result<(Link, bool), Error> {
    const NAMES: &str = "latency, jitter, bandwidth, loss and reordering";
    let wrong = |what: &dyn std::fmt::Display| wrong_value("link", text, what);
    let (mut link, mut is_quick) = (Link::default(), true);
    for item in text.split(',').map(str::trim) {
        let Some((name, value)) = item.split_once('=') else {
            return Err(wrong(&format_args!("{} has no value; give such as latency=5ms", shown(item))));
        };
        let about = |what: String| wrong(&format_args!("{name}={value}: {what}"));
        let time = |is_quick: &mut bool| {
            let time = duration(value).map_err(about)?;
            *is_quick &= time <= MOMENT;
            Ok(time)
        };
        is_quick &= !matches!(name, "bandwidth" | "loss");
        link = match name {
            "latency" => link.latency(time(&mut is_quick)?),
            "jitter" => link.jitter(time(&mut is_quick)?),
            "bandwidth" => match bytes(value).map_err(about)? {
                0 => {
                    return Err(about("nothing would ever arrive; give at least a byte a second".to_owned()));
                }
                bandwidth => link.bandwidth(bandwidth),
            },
            "loss" => link.loss(probability(value).map_err(about)?),
            "reordering" => link.reordering(probability(value).map_err(about)?),
            _ => return Err(wrong(&format_args!("{}: a link has {NAMES}", shown(name)))),
        };
    }
    Ok((link, is_quick))
}

/// A share, as `0.1%` or `0.001`.
fn probability(text: &str) -> Result<f64, String> {
    let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    match number.parse::<f64>() {
        Ok(number) if (0.0..=scale).contains(&number) => Ok(number / scale),
        Ok(_) => Err("outside 0..=1; give such as 0.1% or 0.001".to_owned()),
        Err(_) => Err("not a probability; give such as 0.1% or 0.001".to_owned()),
    }
}

/// The command that was typed, without what is for one run only.
fn command(typed: impl Iterator<Item = String>) -> String {
    const WITH_VALUE: [&str; 5] = ["--seeds", "--trace", "--max-failures", "--threads", "-t"];
    const ALONE: [&str; 3] = ["--json", "--keep-going", "--verbose"];
    let mut words = vec!["switchboard".to_owned()];
    let mut typed = typed.skip(1);
    while let Some(word) = typed.next() {
        let name = word.split('=').next().unwrap_or_default();
        if WITH_VALUE.contains(&word.as_str()) {
            typed.next();
            continue;
        }
        let is_joined = WITH_VALUE.contains(&name) || word.starts_with("-t") || word.starts_with("-v");
        if !(is_joined && word.starts_with('-') || ALONE.contains(&word.as_str())) {
            words.push(quoted(&word));
        }
    }
    words.join(" ")
}

/// As a shell has to be given it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=.,:/%+@".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

const SIMULATE_EXAMPLES: &str = "\
Examples:
  switchboard simulate                      # a hundred seeds of an echo server on tasks
  switchboard simulate --service line --model callbacks --seeds 0..1000
  switchboard simulate --seeds 17 --trace seed-17.txt # one, and all that happens in it
  switchboard simulate --faults unseen,reset=0.01:8 --link latency=80ms,jitter=20ms,loss=1%
  switchboard simulate --clients 1000 --messages 10 --seeds 1
  switchboard simulate --check              # does the same seed do the same?
  switchboard simulate --delay 2s --chop    # with a server that is late and sends in pieces
  switchboard simulate --seeds 0..100000 --threads auto --json

Exit codes:
  0      all invariants held
  1      the system refused, such as to write the trace
  2      wrong use
  3      an invariant did not hold
  128+n  ended by a signal n; what has been found is told";

/// What is not long, by a server's grace.
const MOMENT: Duration = Duration::from_millis(100);

/// How many may wait in the queue of the server: as many as with `switchboard serve`.
const BACKLOG: u32 = 1024;

/// Clients, and messages of each.
const MOST: usize = 1_000_000;

/// As long as a line may be.
const LONGEST: usize = 64 << 10;
