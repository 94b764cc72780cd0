//! `switchboard serve`: a server on tasks.
//!
//! It listens (`listen`), runs a service for each client (`service`), and drains at a signal (`stop`). Whatever befalls
//! one client ends that client's connection and nothing else, and is one line in the log.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use switchboard::EventLoop;
use switchboard::event_loop::Failure;
use switchboard::net::{Listener, Stream, Target};
use switchboard::server::{Client, Server};

use crate::choice::Choice;
use crate::error::{Error, plain, reason};
use crate::limits;
use crate::listen::{self, Listening};
use crate::report::{End, Ready, Report};
use crate::service::Service;
use crate::stop::{First, Latch, Signal, Signals, first};

/// How to serve.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) listen: Vec<Target>,
    pub(crate) service: Service,
    pub(crate) greeting: String,
    pub(crate) limit: Option<usize>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) threads: usize,
    pub(crate) engine: Choice,
    pub(crate) json: bool,
}

/// Serves until a signal, and says how it ended.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Error> {
    limits::raise_descriptors();
    let event_loop = EventLoop::with(options.engine.open()?);
    event_loop.on_failure(tell_of);
    let engine = event_loop.engine().name().to_owned();
    let served = event_loop.block_on(async {
        let Listening { listeners, files } = listen::open(&options.listen).await?;
        // Before anybody is told that there is a server to signal.
        let signals = Signals::catch().await;
        let report = Report::new(options.json);
        let server = prepare(listeners, options);
        let ready = Ready::new(server.addresses(), options.service.name(), options.threads, &engine);
        let server = server.ready(move || report.listening(&ready));
        let served = serve(server, options, signals).await;
        drop(files);
        served.map(|end| report.ended(&end))
    });
    served.map_err(|error| cannot_go_on(&error))?
}

async fn serve(server: Server, options: &Options, mut signals: Signals) -> Result<End, Error> {
    let drain = Latch::default();
    let server = server.until(drain.clone().opened());
    let stopped = async {
        let Signal { name, .. } = signals.next().await;
        tracing::info!("{name}: accepting no more, and waiting for clients for {:?} at most", options.grace);
        drain.open();
        signals.next().await
    };
    let (service, greeting) = (options.service, Arc::<[u8]>::from(options.greeting.as_bytes()));
    let served = server.serve_threads(options.threads, move || {
        let greeting = Arc::clone(&greeting);
        async move |stream: Stream, client: Client| service.serve(&greeting, stream, client).await
    });
    match first(stopped, served).await {
        First::One(signal) => Ok(End::AtOnce(signal)),
        First::Other(Ok(receipt)) => Ok(End::Drained(receipt)),
        First::Other(Err(error)) => Err(cannot_go_on(&error)),
    }
}

fn prepare(listeners: Vec<Listener>, options: &Options) -> Server {
    let mut listeners = listeners.into_iter();
    let first = listeners.next().expect("there is an address to listen on by default");
    let mut server = listeners.fold(Server::on(first), Server::and).grace(options.grace);
    if let Some(limit) = options.limit {
        server = server.limit(limit);
    }
    if let Some(time) = options.idle_timeout {
        server = server.idle_timeout(time);
    }
    server
}

/// What becomes of a failure: a line in the log. A client that breaks its connection is the world's doing; a panic is a
/// bug of ours.
fn tell_of(failure: &Failure) {
    match failure.task() {
        Some(client) if !failure.is_panic() => {
            tracing::warn!("{client} failed: {}", plain(failure.message()));
        }
        _ if !failure.is_panic() => tracing::warn!("{failure}"),
        _ => tracing::error!("{failure}"),
    }
}

fn cannot_go_on(error: &io::Error) -> Error {
    Error::refused(format_args!("cannot go on serving: {}", reason(error)))
}
