//! The arguments: low ones say what was typed (clap's), high ones say what it means ([`Command`]).
//!
//! The help and its examples are part of the low ones. Whatever is wrong with either is one line and exit
//! code 2; clap's own messages are folded into one.

mod compare;
mod connect;
mod doctor;
mod faults;
mod load;
mod man;
mod serve;
mod simulate;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use self::compare::LowCompare;
use self::connect::LowConnect;
use self::doctor::LowDoctor;
use self::load::LowLoad;
use self::man::{LowCompletions, LowMan};
use self::serve::LowServe;
use self::simulate::LowSimulate;
use crate::choice::shown;
use crate::completions::Shell;
use crate::error::{Error, reason};
use crate::quantity::{count, duration};
use crate::{
    compare as comparison, connect as client, doctor as examination, load as generator, man as manual,
    serve as server, simulate as network,
};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand};

/// What is meant.
#[derive(Debug)]
pub(crate) enum Command {
    /// To serve until a signal.
    Serve {
        /// How.
        options: server::options::Options,
        /// How much to log: 0 warnings, 1 information, 2 and more everything.
        verbosity: u8,
    },
    /// To connect, and carry bytes both ways.
    Connect {
        /// How.
        options: client::Options,
        /// As of `Serve`.
        verbosity: u8,
    },
    /// To put a load on a server, or to add up what that came to.
    Load {
        /// How.
        options: generator::Options,
        /// As of `Serve`.
        verbosity: u8,
    },
    /// To simulate.
    Simulate {
        /// How.
        options: Box<network::options::Options>,
        /// As of `Serve`.
        verbosity: u8,
    },
    /// To compare servers.
    Compare {
        /// What to do.
        job: Box<comparison::options::Job>,
        /// As of `Serve`.
        verbosity: u8,
    },
    /// To look at this system.
    Doctor {
        /// How to tell it.
        options: examination::Options,
    },
    /// To write man pages.
    Man {
        /// Which, and where to.
        what: manual::What,
    },
    /// To write what lets a shell complete commands.
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Nothing more: it was a question, such as `--help`, and has been answered.
    Answered(ExitCode),
}

/// Reads the command line.
pub(crate) fn read() -> Result<Command, Error> {
    match Low::try_parse() {
        Ok(Low { command: LowCommand::Serve(low) }) => low.understand(),
        Ok(Low { command: LowCommand::Connect(low) }) => low.understand(),
        Ok(Low { command: LowCommand::Load(low) }) => low.understand(),
        Ok(Low { command: LowCommand::Simulate(low) }) => low.understand(),
        Ok(Low { command: LowCommand::Compare(low) }) => low.understand(),
        Ok(Low { command: LowCommand::Doctor(low) }) => Ok(low.understand()),
        Ok(Low { command: LowCommand::Man(low) }) => Ok(low.understand()),
        Ok(Low { command: LowCommand::Completions(low) }) => low.understand(),
        Err(error) => answer(&error),
    }
}

/// All that may be typed, for those who tell of it.
pub(crate) fn definition() -> clap::Command {
    Low::command()
}

/// Serves and connects on non-blocking sockets: any number of clients, hardly any threads.
#[derive(Debug, Parser)]
#[command(name = "switchboard", version, after_help = EXAMPLES)]
struct Low {
    #[command(subcommand)]
    command: LowCommand,
}

#[derive(Debug, Subcommand)]
enum LowCommand {
    Serve(Box<LowServe>),
    Connect(LowConnect),
    Load(Box<LowLoad>),
    Simulate(Box<LowSimulate>),
    Compare(Box<LowCompare>),
    Doctor(LowDoctor),
    Man(LowMan),
    Completions(LowCompletions),
}

fn understand_time(name: &str, text: &str) -> Result<Duration, Error> {
    duration(text).map_err(|wrong| wrong_value(name, text, wrong))
}

/// A count that is not zero, for then something else would be so, and not more than what makes sense.
fn at_least_one(name: &str, text: &str, otherwise: &str, most: usize) -> Result<usize, Error> {
    match count(text) {
        Ok(0) => Err(wrong_value(name, text, format_args!("{otherwise}; give 1 or more"))),
        Ok(count) if count > most => {
            Err(wrong_value(name, text, format_args!("too many; give at most {most}")))
        }
        other => other.map_err(|wrong| wrong_value(name, text, wrong)),
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
    // Clap does not always say in which of them it was.
    let typed = std::env::args().nth(1).unwrap_or_default();
    let is_subcommand = Low::command().get_subcommands().any(|command| command.get_name() == typed);
    let help = if is_subcommand { format!("{typed} --help") } else { "--help".to_owned() };
    format!("{}{meant}; see `switchboard {help}`", what.join(" "))
}

const EXAMPLES: &str = "\
Examples:
  switchboard serve                         # echo on 127.0.0.1:8000
  switchboard connect 127.0.0.1 8000        # in another terminal: what you type comes back
  telnet 127.0.0.1 8000                     # so it does here
  switchboard load 127.0.0.1:8000           # how many messages a second, and how long each takes
  switchboard simulate --service line       # the server and its clients in a network where much goes wrong
  switchboard compare --quick               # what does a message cost here, on each model and engine?
  switchboard doctor                        # what works on this system, and what will hurt

`switchboard COMMAND --help` tells all about each.

Exit codes:
  0      all is well
  1      the network or the system refused
  2      wrong use
  3      a limit or an expectation that was stated was missed
  4      what was measured cannot be trusted
  128+n  ended by a signal n";
