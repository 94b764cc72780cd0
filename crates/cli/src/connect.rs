//! `switchboard connect`: a telnet and netcat for people.
//!
//! It connects (`dial`), and then carries bytes both ways at once on one event loop (`exchange`): from stdin (`input`) or
//! a person (`console`) to the peer, and from the peer to stdout (`output`), each by a bounded queue (`queue`), so that
//! whoever is slow slows down the other side and nobody else. What must stay true: the descriptors we inherited are
//! shared with others, with the shell for one, and stay as they are; O_NONBLOCK is never set on them. What could block
//! on them, a read or a write, is done on a helper thread. And a terminal is given back as it was found.

mod codec;
mod console;
mod crlf;
mod datagrams;
mod dial;
mod editor;
mod ending;
mod exchange;
mod expect;
mod hex;
mod history;
mod input;
mod job_control;
mod keys;
mod link;
mod menu;
mod operation;
mod output;
mod queue;
mod script;
mod telnet;
mod terminal;
mod traffic;
mod typing;

pub(crate) use datagrams::LARGEST as LARGEST_DATAGRAM;
pub(crate) use dial::explain;
pub(crate) use expect::Script;

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
    pub(crate) transport: Transport,
    pub(crate) telnet: bool,
    pub(crate) crlf: bool,
    pub(crate) hex: bool,
    /// In place of stdin.
    pub(crate) script: Option<Script>,
    pub(crate) engine: Choice,
    pub(crate) json: bool,
}

/// What carries the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// TCP, or a Unix socket.
    Stream,
    /// UDP.
    Datagrams(Cut),
}

/// Where what is typed is cut into datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// After each line end.
    Lines,
    /// After so many bytes.
    Size(usize),
}

/// Connects, carries bytes until it is over, and says how it ended.
pub(crate) fn run(mut options: Options) -> Result<ExitCode, Error> {
    let (script, options) = (options.script.take(), &options);
    let event_loop = EventLoop::with(options.engine.open()?);
    let ended = event_loop.block_on(async {
        let mut signals = Signals::catch().await;
        let link = match first(signals.next(), dial::link(options)).await {
            First::One(signal) => return Ok(ExitCode::from(128 + signal.number)),
            First::Other(connected) => connected?,
        };
        exchange::run(link, options, script, signals).await
    });
    ended.map_err(|error| Error::refused(format_args!("cannot go on: {}", reason(&error))))?
}
