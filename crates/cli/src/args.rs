//! The arguments: low ones say what was typed (clap's), high ones say what it means ([`Command`]).
//!
//! The help and its examples are part of the low ones. Whatever is wrong with either is one line and exit
//! code 2; clap's own messages are folded into one.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use crate::choice::{Choice, shown};
use crate::error::{Error, reason};
use crate::quantity::{count, duration};
use crate::serve::Options;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Args, Parser, Subcommand};
use switchboard::net::Target;

/// What is meant.
#[derive(Debug)]
pub(crate) enum Command {
    /// To serve until a signal.
    Serve {
        /// How.
        options: Options,
        /// How much to log: 0 warnings, 1 information, 2 and more everything.
        verbosity: u8,
    },
    /// Nothing more: it was a question, such as `--help`, and has been answered.
    Answered(ExitCode),
}

/// Reads the command line.
pub(crate) fn read() -> Result<Command, Error> {
    match Low::try_parse() {
        Ok(Low { command: LowCommand::Serve(low) }) => low.understand(),
        Err(error) => answer(&error),
    }
}

/// Serves on non-blocking sockets: any number of clients, hardly any threads.
#[derive(Debug, Parser)]
#[command(name = "switchboard", version, after_help = EXAMPLES)]
struct Low {
    #[command(subcommand)]
    command: LowCommand,
}

#[derive(Debug, Subcommand)]
enum LowCommand {
    Serve(LowServe),
}

/// Serve over TCP and Unix sockets: by default an echo, every client gets back what it sends.
///
/// One line on stdout tells the addresses, with the real ports. SIGINT (Ctrl-C) or SIGTERM ends it well: it stops
/// accepting, serves those who have come for the grace period at most, tells on stderr what it has done, and exits
/// with 0. A second signal ends it at once.
#[derive(Debug, Args)]
#[command(after_help = SERVE_EXAMPLES)]
struct LowServe {
    /// Where to listen: IP:PORT, [IPV6]:PORT, HOST:PORT or unix:/path; port 0 takes a free one. May be given again
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000")]
    listen: Vec<String>,

    /// What to do for a client: echo, upper (capitals), line (`Echo: …` for each line), hello (and hang up),
    /// discard, or boom (an echo that fails at a line `boom`)
    #[arg(long, value_name = "NAME", default_value = "echo")]
    service: String,

    /// Send this first, exactly as it is, whatever the service
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    greeting: String,

    /// Serve at most so many at once, such as 500 or 10k; others wait until somebody leaves
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    limit: Option<String>,

    /// End connections over which nothing has gone for so long, such as 30s or 5m
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    idle_timeout: Option<String>,

    /// At the end, how long clients may go on, such as 500ms or 10s
    #[arg(long, value_name = "TIME", default_value = "2s", allow_hyphen_values = true)]
    grace: String,

    /// Serve on so many threads, with an event loop each
    #[arg(long, value_name = "N", default_value = "1", allow_hyphen_values = true)]
    threads: String,

    /// What tells which sockets are ready: auto (what SWITCHBOARD_ENGINE names, or else the best there is),
    /// epoll, poll, select, kqueue or devpoll; no system has them all
    #[arg(long, value_name = "ENGINE", default_value = "auto")]
    engine: String,

    /// Tell the start on stdout and the end on stderr as JSON, one object a line
    #[arg(long)]
    json: bool,

    /// Log more on stderr: -v connections, -vv everything
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
}

impl LowServe {
    fn understand(self) -> Result<Command, Error> {
        let listen =
            |text: &String| text.parse::<Target>().map_err(|wrong| wrong_value("listen", text, wrong));
        let options = Options {
            listen: self.listen.iter().map(listen).collect::<Result<_, _>>()?,
            service: self.service.parse()?,
            greeting: self.greeting,
            limit: self.limit.as_deref().map(understand_limit).transpose()?,
            idle_timeout: self.idle_timeout.as_deref().map(understand_idle_timeout).transpose()?,
            grace: duration(&self.grace).map_err(|wrong| wrong_value("grace", &self.grace, wrong))?,
            threads: understand_threads(&self.threads)?,
            engine: self.engine.parse::<Choice>()?,
            json: self.json,
        };
        Ok(Command::Serve { options, verbosity: self.verbose })
    }
}

fn understand_limit(text: &str) -> Result<usize, Error> {
    match count(text) {
        Ok(0) => Err(wrong_value("limit", text, "nobody would be served; give 1 or more, or leave it out")),
        other => other.map_err(|wrong| wrong_value("limit", text, wrong)),
    }
}

fn understand_idle_timeout(text: &str) -> Result<Duration, Error> {
    match duration(text) {
        Ok(Duration::ZERO) => Err(wrong_value(
            "idle-timeout",
            text,
            "everybody would be idle at once; give more, or leave it out",
        )),
        other => other.map_err(|wrong| wrong_value("idle-timeout", text, wrong)),
    }
}

fn understand_threads(text: &str) -> Result<usize, Error> {
    match count(text) {
        Ok(number) if (1..=MOST_THREADS).contains(&number) => Ok(number),
        Ok(_) => Err(wrong_value("threads", text, format_args!("give 1 to {MOST_THREADS}"))),
        Err(wrong) => Err(wrong_value("threads", text, wrong)),
    }
}

fn wrong_value(name: &str, value: &str, wrong: impl std::fmt::Display) -> Error {
    Error::wrong_use(format_args!("--{name} {}: {wrong}", shown(value)))
}

/// What clap has to say: the answer to a question, the help for want of a command, or what is wrong.
fn answer(error: &clap::Error) -> Result<Command, Error> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match error.print() {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Error::refused(format_args!("cannot write the answer on stdout: {}", reason(&error))))
            }
            _ => Ok(Command::Answered(ExitCode::SUCCESS)),
        },
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            error.print().ok();
            Ok(Command::Answered(ExitCode::from(2)))
        }
        _ => Err(Error::wrong_use(fold(error))),
    }
}

/// Clap's message in one line: what is wrong, what it may have been meant to be, where to read on.
fn fold(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let what: Vec<_> = first.trim_start_matches("error: ").split_whitespace().collect();
    let meant = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand]
        .into_iter()
        .find_map(|kind| match error.get(kind) {
            Some(ContextValue::String(name)) => Some(name.as_str()),
            Some(ContextValue::Strings(names)) => names.first().map(String::as_str),
            _ => None,
        })
        .map(|name| format!("; did you mean {name}?"))
        .unwrap_or_default();
    let help = if text.contains("Usage: switchboard <COMMAND>") { "--help" } else { "serve --help" };
    format!("{}{meant}; see `switchboard {help}`", what.join(" "))
}

const EXAMPLES: &str = "\
Examples:
  switchboard serve                         # echo on 127.0.0.1:8000
  telnet 127.0.0.1 8000                     # in another terminal: what you type comes back

`switchboard serve --help` tells all about it.";

const SERVE_EXAMPLES: &str = "\
Examples:
  switchboard serve                         # echo on 127.0.0.1:8000
  telnet 127.0.0.1 8000                     # in another terminal: what you type comes back
  echo hello | nc -N 127.0.0.1 8000         # the same without typing: send, end, read the echo
  switchboard serve --listen 0.0.0.0:7000   # for other machines, too
  switchboard serve --listen [::1]:0 --json # on a free port, which the first line of JSON tells
  switchboard serve --engine poll -v        # on poll(2), and log who connects
  switchboard serve --service line          # a welcome, and `Echo: …` for each line
  switchboard serve --service hello --greeting 'Hi! '
  switchboard serve --listen 127.0.0.1:8000 --listen unix:/tmp/echo.sock
  echo hello | nc -N -U /tmp/echo.sock      # over the Unix socket
  switchboard serve --limit 10k --idle-timeout 5m --grace 10s --threads 4

Exit codes:
  0      ended well, after a signal
  1      the network or the system refused
  2      wrong use
  128+n  ended at once, by a second signal n";

/// As many as the server takes.
const MOST_THREADS: usize = 48;
