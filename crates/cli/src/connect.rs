//! `switchboard connect`: a telnet and netcat for people.
//!
//! It connects (`dial`), and then carries bytes both ways at once on one event loop (`session`): from stdin (`input`) to
//! the peer, and from the peer to stdout (`output`), each by a bounded queue (`queue`), so that whoever is slow slows
//! down the other side and nobody else. What must stay true: the descriptors we inherited are shared with others, with
//! the shell for one, and stay as they are; O_NONBLOCK is never set on them. What could block on them, a read or a
//! write, is done on a helper thread.

mod crlf;
mod dial;
mod ending;
#[cfg_attr(not(test), expect(dead_code, reason = "not used by the subcommand yet"))]
mod expect;
#[cfg_attr(not(test), expect(dead_code, reason = "not used by the subcommand yet"))]
mod hex;
mod input;
mod operation;
mod output;
mod queue;
mod session;
#[cfg_attr(not(test), expect(dead_code, reason = "not used by the subcommand yet"))]
mod telnet;
mod traffic;

use std::process::ExitCode;
use std::time::Duration;

use switchboard::EventLoop;
use switchboard::net::Target;

use crate::choice::Choice;
use crate::error::{Error, reason};
use crate::stop::{First, Signals, first};

/// How to connect.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) target: Target,
    /// For connecting.
    pub(crate) timeout: Duration,
    pub(crate) idle_timeout: Option<Duration>,
    /// Whether to go on sending when the peer has ended, for as long as stdin goes on.
    pub(crate) keep_open: bool,
    pub(crate) crlf: bool,
    pub(crate) engine: Choice,
    pub(crate) json: bool,
}

/// Connects, carries bytes until it is over, and says how it ended.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Error> {
    let event_loop = EventLoop::with(options.engine.open()?);
    let ended = event_loop.block_on(async {
        let mut signals = Signals::catch().await;
        let stream = match first(signals.next(), dial::stream(options)).await {
            First::One(signal) => return Ok(ExitCode::from(128 + signal.number)),
            First::Other(connected) => connected?,
        };
        session::run(stream, options, signals).await
    });
    ended.map_err(|error| Error::refused(format_args!("cannot go on: {}", reason(&error))))?
}
