//! The command `switchboard`: serves, connects, measures and simulates, on non-blocking sockets.
//!
//! This is the table of contents. What was typed becomes what is meant (`args`), the log starts (`log`), and
//! the subcommand runs (`serve`, `connect`, `load`, `simulate`). Whatever goes wrong comes back here as an [`Error`]: one line on stderr,
//! and an exit code.
#![forbid(unsafe_code)]

mod args;
mod choice;
mod connect;
mod error;
mod explain;
mod faults;
mod ladder;
mod limits;
mod load;
mod log;
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
        Command::Answered(code) => Ok(code),
    }
}
