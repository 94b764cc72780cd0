//! `switchboard serve`: an echo server on callbacks.
//!
//! One loop on one engine, one acceptor, a connection per client (`echo`). It runs until a signal ends it
//! (`drain`), and whatever befalls one client ends that client's connection and nothing else.

use std::process::ExitCode;
use std::rc::Rc;

use switchboard::EventLoop;
use switchboard::engine::Setting;
use switchboard::event_loop::Acceptor;
use switchboard::net::Target;

use crate::choice::Choice;
use crate::clients::Clients;
use crate::drain::Drain;
use crate::echo;
use crate::error::{Error, reason};
use crate::limits;
use crate::listen;
use crate::report::Report;

/// How to serve.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) listen: Target,
    pub(crate) engine: Choice,
    pub(crate) json: bool,
}

/// Serves until a signal, and says how it ended.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Error> {
    limits::raise_descriptors();
    let event_loop = EventLoop::with(options.engine.open()?);
    let (listener, address) = listen::open(&event_loop, &options.listen)?;

    let clients = Rc::new(Clients::default());
    let accepted = Rc::clone(&clients);
    let acceptor = Acceptor::start(&event_loop, listener, move |event_loop, socket, peer| {
        // Pieces are sent when they come: a typist waits for each. Where it cannot be set, it is only slower.
        event_loop.engine().set(socket, Setting::NoDelay(true)).ok();
        echo::start(event_loop, &accepted, socket, peer);
    });
    let drain = Drain::on_signal(&event_loop, acceptor, Rc::clone(&clients));

    let report = Report::new(options.json);
    let engine = event_loop.engine().name().to_owned();
    report.listening(address, &engine);

    while !drain.is_over(&event_loop) {
        event_loop
            .turn(None)
            .map_err(|error| Error::refused(format_args!("cannot go on serving: {}", reason(&error))))?;
    }
    report.ended(clients.totals());
    Ok(drain.exit_code())
}
