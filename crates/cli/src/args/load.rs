//! What may be typed after `switchboard load`, and what it means.

mod message;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};
use switchboard::engine::Address;
use switchboard::net::Target;

use self::message::LowMessage;
use super::serve::understand_threads;
use super::{Command, at_least_one, understand_time, wrong_value};
use crate::choice::{Choice, shown};
use crate::error::Error;
use crate::load::{Expect, Limit, Measure, Options, Pace, Task, Telling, Transport, Until};
use crate::quantity::{duration, rate};

/// Put a load on a server, and tell how it bore it, and whether that can be believed.
///
/// Each of many connections sends a message, waits for the answer, checks it byte by byte, and goes on. With --rate messages are
/// sent on a schedule, whatever the server does, and their time counts from when they were to be sent: what waits in vain for
/// a server that stands still is in the figures, too. The command measures itself, and says so when its own figures are not to be trusted.
#[derive(Debug, Args)]
#[command(after_help = LOAD_EXAMPLES)]
pub(super) struct LowLoad {
    /// On whom: HOST:PORT, [IPV6]:PORT or unix:/path
    #[arg(value_name = "TARGET", required_unless_present = "merge")]
    target: Option<String>,

    /// How many connections at once
    #[arg(short, long, value_name = "N", default_value = "50", allow_hyphen_values = true)]
    connections: String,

    /// For how long, the warm-up not counted, such as 30s or 5m [default: 10s, with --seek 3s a step]
    #[arg(short, long, value_name = "TIME", allow_hyphen_values = true, conflicts_with = "messages")]
    duration: Option<String>,

    /// Until so many messages were answered, such as 10k
    #[arg(short = 'n', long, value_name = "N", allow_hyphen_values = true)]
    messages: Option<String>,

    #[command(flatten)]
    message: LowMessage,

    /// How many messages each connection may have under way at once
    #[arg(long, value_name = "N", default_value = "1", allow_hyphen_values = true)]
    in_flight: String,

    /// Send so many messages a second, all connections together, whatever the server does; 100:5000 goes up from the one to the other
    #[arg(short = 'R', long, value_name = "RATE", allow_hyphen_values = true)]
    rate: Option<String>,

    /// After each answer, wait for so long before the next message
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, conflicts_with = "rate")]
    think: Option<String>,

    /// A connection for each message: connect, one exchange, close
    #[arg(long)]
    churn: bool,

    /// Make at most so many connections a second
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    connect_rate: Option<String>,

    /// Do not count what happens before so long
    #[arg(long, value_name = "TIME", default_value = "0s", allow_hyphen_values = true)]
    warm_up: String,

    /// On so many threads, each with its share of the connections; auto: one for each core
    #[arg(short, long, value_name = "N", default_value = "1", allow_hyphen_values = true)]
    threads: String,

    /// Give an exchange up after so long, or an attempt to connect; it counts as having taken that long
    #[arg(long, value_name = "TIME", default_value = "5s", allow_hyphen_values = true)]
    timeout: String,

    /// Send datagrams (UDP)
    #[arg(short, long)]
    udp: bool,

    /// What the generator runs on: auto (what SWITCHBOARD_ENGINE names, or else the best there is), uring, epoll, poll,
    /// select, kqueue or devpoll; no system has them all [default: what SWITCHBOARD_ENGINE names, or else epoll, where it is
    /// the quickest]
    #[arg(long, value_name = "ENGINE")]
    engine: Option<String>,

    /// Find the highest rate, to 5 %, that keeps this, such as 'p99<5ms'; --rate is where to begin
    #[arg(long, value_name = "LIMIT", conflicts_with_all = ["messages", "think"])]
    seek: Option<String>,

    /// End with exit code 3 if this is so, such as 'p99>5ms', 'rate<1000' or 'errors>0.1%'; may be given several times
    #[arg(long, value_name = "LIMIT")]
    fail_if: Vec<String>,

    /// Tell the result as a JSON object, with all histograms, for --merge
    #[arg(long)]
    json: bool,

    /// The same, and before it a line for each second, on stdout
    #[arg(long)]
    json_stream: bool,

    /// Write the histograms there, as a log that the tools of HdrHistogram read
    #[arg(long, value_name = "FILE")]
    hdr: Option<PathBuf>,

    /// Write a page with plots there
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Put no load on anybody: add up what --json has told, here or on other machines, at the same time
    #[arg(long, value_name = "FILES", num_args = 1.., conflicts_with_all = [
        "target", "connections", "duration", "messages", "size", "text", "message_file", "in_flight", "rate", "think", "churn",
        "connect_rate", "warm_up", "threads", "timeout", "verify", "no_verify", "expect", "udp", "engine", "seek", "json_stream",
    ])]
    merge: Vec<PathBuf>,

    /// Log more on stderr: -v the engine and the address, -vv everything
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
}

impl LowLoad {
    pub(super) fn understand(self) -> Result<Command, Error> {
        let limits =
            self.fail_if.iter().map(|text| understand_limit("fail-if", text)).collect::<Result<_, _>>()?;
        let task = match &self.target {
            Some(target) => Task::Measure(Box::new(self.measure(target)?)),
            None => Task::Merge(self.merge),
        };
        let telling = Telling {
            json: self.json || self.json_stream,
            stream: self.json_stream,
            hdr: self.hdr,
            html: self.html,
            fail_if: limits,
        };
        Ok(Command::Load { options: Options { task, telling }, verbosity: self.verbose })
    }

    fn measure(&self, target: &str) -> Result<Measure, Error> {
        let target = understand_target(target)?;
        let transport = if self.udp { Transport::Datagrams } else { Transport::Stream };
        if self.udp {
            self.check_datagrams(&target)?;
        }
        let connections =
            at_least_one("connections", &self.connections, "nobody would send anything", MOST_CONNECTIONS)?;
        let in_flight = at_least_one("in-flight", &self.in_flight, "nothing would be sent", MOST_IN_FLIGHT)?;
        if self.churn && in_flight > 1 {
            return Err(Error::wrong_use(
                "--in-flight: with --churn a connection has one message; leave one of them out",
            ));
        }
        let seek = self.seek.as_deref().map(understand_goal).transpose()?;
        let pace = self.pace(seek.is_some())?;
        let until = self.until(seek.is_some())?;
        if matches!((pace, until), (Pace::Scheduled { from, to }, Until::Messages(_)) if from != to) {
            return Err(Error::wrong_use(
                "--rate: a ramp needs a time to go up in; give --duration instead of --messages",
            ));
        }
        Ok(Measure {
            target,
            transport,
            connections,
            message: self.message.understand(transport)?,
            in_flight,
            pace,
            churn: self.churn,
            connect_rate: self
                .connect_rate
                .as_deref()
                .map(|text| understand_rate("connect-rate", text))
                .transpose()?,
            until,
            warm_up: understand_time("warm-up", &self.warm_up)?,
            timeout: some_time("timeout", &self.timeout)?,
            threads: self.threads(connections)?,
            engine: self.engine.as_deref().map_or(Ok(Choice::for_load()), str::parse)?,
            seek,
        })
    }

    fn check_datagrams(&self, target: &Target) -> Result<(), Error> {
        if matches!(target, Target::Address(Address::Unix(_))) {
            return Err(Error::wrong_use(format_args!(
                "cannot send datagrams to {target}: it is a Unix socket; give HOST:PORT, or leave out --udp"
            )));
        }
        let flag = match (self.churn, &self.connect_rate) {
            (true, _) => "churn",
            (_, Some(_)) => "connect-rate",
            _ => return Ok(()),
        };
        Err(Error::wrong_use(format_args!("--{flag}: datagrams need no connection; leave it or --udp out")))
    }

    fn pace(&self, seeks: bool) -> Result<Pace, Error> {
        let think =
            self.think.as_deref().map_or(Ok(Duration::ZERO), |text| understand_time("think", text))?;
        let Some(text) = &self.rate else {
            return Ok(if seeks {
                Pace::Scheduled { from: FIRST_RATE, to: FIRST_RATE }
            } else {
                Pace::Answered { think }
            });
        };
        let Some((from, to)) = text.split_once(':') else {
            let rate = understand_rate("rate", text)?;
            return Ok(Pace::Scheduled { from: rate, to: rate });
        };
        if seeks {
            return Err(wrong_value("rate", text, "with --seek it is where to begin; give one rate"));
        }
        let part = |part: &str| rate(part).map_err(|wrong| wrong_value("rate", text, wrong));
        Ok(Pace::Scheduled { from: part(from)?, to: part(to)? })
    }

    fn until(&self, seeks: bool) -> Result<Until, Error> {
        Ok(match (&self.messages, &self.duration) {
            (Some(text), _) => {
                Until::Messages(at_least_one("messages", text, "nothing would be sent", usize::MAX)? as u64)
            }
            (None, Some(text)) => Until::Time(some_time("duration", text)?),
            (None, None) => Until::Time(if seeks { STEP } else { DURATION }),
        })
    }

    /// Of more threads than connections, some would have nothing to do.
    fn threads(&self, connections: usize) -> Result<usize, Error> {
        let threads = understand_threads(&self.threads)?;
        if threads > connections && self.threads != "auto" {
            let wrong =
                format_args!("each needs a connection, and there are {connections}; give more with -c")
                    .to_string();
            return Err(wrong_value("threads", &self.threads, wrong));
        }
        Ok(threads.min(connections))
    }
}

fn understand_target(text: &str) -> Result<Target, Error> {
    let wrong = |wrong: &dyn std::fmt::Display| {
        Error::wrong_use(format_args!("cannot understand the address {}: {wrong}", shown(text)))
    };
    let target: Target = text.parse().map_err(|error| wrong(&error))?;
    let port = match &target {
        Target::Address(address) => address.port(),
        Target::Host { port, .. } => Some(*port),
    };
    if port == Some(0) {
        return Err(wrong(&"nobody can listen on port 0; give one from 1 to 65535"));
    }
    Ok(target)
}

fn some_time(name: &str, text: &str) -> Result<Duration, Error> {
    match duration(text) {
        Ok(Duration::ZERO) => Err(wrong_value(name, text, "nothing can be done in no time; give more")),
        other => other.map_err(|wrong| wrong_value(name, text, wrong)),
    }
}

fn understand_rate(name: &str, text: &str) -> Result<f64, Error> {
    rate(text).map_err(|wrong| wrong_value(name, text, wrong))
}

fn understand_limit(name: &str, text: &str) -> Result<Limit, Error> {
    text.parse().map_err(|wrong: String| wrong_value(name, text, wrong))
}

/// What is to be kept at as high a rate as possible.
fn understand_goal(text: &str) -> Result<Limit, Error> {
    let limit = understand_limit("seek", text)?;
    if limit.is_a_ceiling() {
        return Ok(limit);
    }
    Err(wrong_value(
        "seek",
        text,
        "no rate would be too high for it; give what may not be exceeded, such as 'p99<5ms'",
    ))
}

/// Of a load of which nothing is said.
const DURATION: Duration = Duration::from_secs(10);

/// The same of each step of --seek.
const STEP: Duration = Duration::from_secs(3);

/// Messages a second, that --seek begins with.
const FIRST_RATE: f64 = 1000.0;

const MOST_CONNECTIONS: usize = 1_000_000;

const MOST_IN_FLIGHT: usize = 100_000;

const LOAD_EXAMPLES: &str = "\
Examples:
  switchboard load 127.0.0.1:8000           # 50 connections, 64 bytes a message, 10 seconds
  switchboard load localhost:8000 -c 1000 -d 30s -s 16KiB
  switchboard load 127.0.0.1:8000 -R 5000 --warm-up 2s --fail-if 'p99>5ms' --fail-if 'errors>0'
  switchboard load 127.0.0.1:8000 --seek 'p99<5ms'    # the highest rate that keeps it
  switchboard load 127.0.0.1:8000 -R 100:5000 -d 60s --json-stream
  switchboard load 127.0.0.1:8000 --expect upper      # a server that answers in capitals
  switchboard load 127.0.0.1:8000 --expect line -s 32 # one that answers with the line at the end
  switchboard load 127.0.0.1:9 --message 'one\\r\\n' --expect none
  switchboard load 127.0.0.1:8000 --churn --connect-rate 500
  switchboard load unix:/tmp/echo.sock -n 100k
  switchboard load 127.0.0.1:8000 --json >a.json; switchboard load --merge a.json b.json

The report tells the time to connect, to the first byte of an answer, and to its last: an exchange. What was given up is in \
there, with the time after which it was, and so is what was under way at the end, which is waited for, but not among those answered. In an open loop (--rate) an exchange counts from when it was to begin; uncorrected is from \
when it did. Slip is how late messages were sent by the generator's own fault, lag how long it looked away.

A limit is FIGURE OP VALUE: p50 to p99.999, mean or max of an exchange, with a time; rate, answers a second; errors, or one of \
refused, reset, timeout, mismatch, short, exhausted and other, with a number or a share in percent; < <= > or >=.

--seek doubles the rate until the limit is missed, and closes in on it. A limit that is kept although the generator was late is \
kept; one that is missed then proves nothing of the server, and is told as the generator's.

Exit codes, the first that applies:
  128+n  ended by signal n, 130 by Ctrl-C; what was measured until then is told
  2      wrong use
  4      the measurement cannot be trusted: the generator was the limit; no limit is judged by it
  3      --fail-if was so, or no rate kept --seek
  1      nobody listens, nothing was answered, or the system refused, such as to write a report
  0      otherwise, whatever went wrong with single exchanges";
