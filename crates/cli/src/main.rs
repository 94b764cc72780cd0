//! The command `switchboard`: serves, connects, measures, simulates and compares, on non-blocking sockets.
//!
//! This is the table of contents. What was typed becomes what is meant (`args`), the log starts (`log`), and
//! the subcommand runs (`serve`, `connect`, `load`, `compare`, `simulate`, `doctor`, `man`, `completions`). Whatever goes
//! wrong comes back here as an [`Error`]: one line on stderr, and an exit code.
#![forbid(unsafe_code)]

mod args;
mod choice;
mod compare;
mod completions;
mod connect;
mod doctor;
mod error;
mod explain;
mod faults;
mod ladder;
mod limits;
mod load;
mod log;
mod man;
mod model;
mod outlet;
mod page;
mod quantity;
mod serve;
mod service;
mod session;
mod simulate;
mod stop;

use std::process::ExitCode;

use args::Command;
use error::Error;

fn main() -> ExitCode {
    run().unwrap_or_else(|error| error.tell())
}

fn run() -> Result<ExitCode, Error> {
    match args::read()? {
        Command::Serve { options, verbosity } => {
            log::start(verbosity);
            serve::run(&options)
        }
        Command::Connect { options, verbosity } => {
            log::start(verbosity);
            connect::run(options)
        }
        Command::Load { options, verbosity } => {
            log::start(verbosity);
            load::run(&options)
        }
        Command::Simulate { options, verbosity } => {
            log::start(verbosity);
            simulate::run(*options)
        }
        Command::Compare { job, verbosity } => {
            log::start(verbosity);
            compare::run(&job)
        }
        Command::Doctor { options } => doctor::run(options),
        Command::Man { what } => man::run(what),
        Command::Completions { shell } => completions::run(shell),
        Command::Answered(code) => Ok(code),
    }
}
