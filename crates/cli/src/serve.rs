//! `switchboard serve`: a server on one of the models.
//!
//! It listens (`listen`), has a model serve each client (`model`) what its service says (`session`), and ends at a signal.
//! Whatever befalls one client ends that client's connection and nothing else, and is one line in the log.

pub(crate) mod cost;
pub(crate) mod dealer;
pub(crate) mod desk;
pub(crate) mod door;
pub(crate) mod drain;
pub(crate) mod end;
pub(crate) mod guest;
pub(crate) mod hall;
pub(crate) mod house;
pub(crate) mod idle;
pub(crate) mod ledger;
pub(crate) mod post;
pub(crate) mod reception;
pub(crate) mod thread;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use switchboard::EventLoop;
use switchboard::event_loop::Failure;
use switchboard::net::Target;

use crate::choice::Choice;
use crate::error::{Error, plain, reason};
use crate::explain::Explain;
use crate::faults::Faults;
use crate::limits;
use crate::model::{self, Model};
use crate::report::Report;
use crate::service::Service;
use crate::session::Opening;

/// How to serve.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) listen: Vec<Target>,
    /// Datagrams, rather than connections.
    pub(crate) udp: bool,
    pub(crate) backlog: u32,
    pub(crate) model: Model,
    pub(crate) service: Service,
    pub(crate) greeting: String,
    pub(crate) faults: Faults,
    pub(crate) read_size: usize,
    pub(crate) limit: Option<usize>,
    /// Of a model that blocks: how long to wait for somebody while nobody is served.
    pub(crate) accept_timeout: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    /// Between two rounds of a model that polls.
    pub(crate) pause: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) threads: usize,
    pub(crate) engine: Choice,
    pub(crate) explain: Explain,
    pub(crate) json: bool,
    /// This is a process of the model processes, for one client.
    pub(crate) child: bool,
}

impl Options {
    /// What each client's session begins with.
    pub(crate) fn opening(&self) -> Opening {
        let Self { service, faults, greeting, .. } = self;
        Opening { service: *service, faults: *faults, greeting: greeting.clone().into_bytes() }
    }
}

/// Serves until a signal, and says how it ended.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Error> {
    if options.child {
        return model::serve_as_child(options);
    }
    limits::raise_descriptors();
    let event_loop = EventLoop::with(options.engine.open()?);
    event_loop.on_failure(tell_of);
    let report = Report::new(options.json);
    let end = options.model.serve(event_loop, options, report)?;
    Ok(report.ended(&end))
}

/// What becomes of a failure: a line in the log. A client that breaks its connection is the world's doing; a panic is a
/// bug of ours.
pub(crate) fn tell_of(failure: &Failure) {
    match failure.task() {
        Some(client) if !failure.is_panic() => {
            tracing::warn!("{client} failed: {}", plain(failure.message()));
        }
        _ if !failure.is_panic() => tracing::warn!("{failure}"),
        _ => tracing::error!("{failure}"),
    }
}

/// Serving ended without anybody having asked for it.
pub(crate) fn cannot_go_on(error: &io::Error) -> Error {
    Error::refused(format_args!("cannot go on serving: {}", reason(error)))
}
