//! The arguments: low ones say what was typed (clap's), high ones say what it means ([`Command`]).
//!
//! The help and its examples are part of the low ones. Whatever is wrong with either is one line and exit
//! code 2; clap's own messages are folded into one.

use std::io;
use std::process::ExitCode;

use crate::choice::{Choice, shown};
use crate::error::{Error, reason};
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

/// Serves on non-blocking sockets: one thread, any number of clients.
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

/// Serve echo over TCP: every client gets back what it sends.
///
/// One line on stdout tells the address, with the real port. SIGINT (Ctrl-C) or SIGTERM ends it well: it stops
/// accepting, echoes what is still on its way for at most 2 seconds, and exits with 0. A second signal ends it
/// at once.
#[derive(Debug, Args)]
#[command(after_help = SERVE_EXAMPLES)]
struct LowServe {
    /// Where to listen: IP:PORT, [IPV6]:PORT or HOST:PORT; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000")]
    listen: String,

    /// What tells which sockets are ready: auto (the best there is), epoll, poll, select, kqueue or devpoll;
    /// no system has them all
    #[arg(long, value_name = "ENGINE", default_value = "auto")]
    engine: String,

    /// Tell the start and the end as JSON on stdout, one object a line
    #[arg(long)]
    json: bool,

    /// Log more on stderr: -v connections, -vv everything
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
}

impl LowServe {
    fn understand(self) -> Result<Command, Error> {
        let listen = self
            .listen
            .parse::<Target>()
            .map_err(|wrong| Error::wrong_use(format_args!("--listen {}: {wrong}", shown(&self.listen))))?;
        let options = Options { listen, engine: self.engine.parse::<Choice>()?, json: self.json };
        Ok(Command::Serve { options, verbosity: self.verbose })
    }
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

Exit codes:
  0      ended well, after a signal
  1      the network or the system refused
  2      wrong use
  128+n  ended at once, by a second signal n";
