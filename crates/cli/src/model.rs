//! The models: who waits for the sockets, for what, and how. A ladder to be climbed from first to last.
//!
//! In their order: `blocking`, `threads`, `processes` (whose clients are a `connection` and a `talk`), `polling`, `buffered`,
//! `select`, `poll`, `epoll` (whose clients are each a `client`, and all of them in a `house`), `callbacks`, `tasks`; and
//! `udp` beside it.
//!
//! Every one carries the same conversations ([`Session`](crate::session::Session)) with the same limits and the same
//! end, so that what is left in its file is the model itself.

mod blocking;
mod buffered;
mod callbacks;
mod client;
mod connection;
mod epoll;
mod house;
mod poll;
mod polling;
mod processes;
mod select;
mod talk;
mod tasks;
mod threads;
mod udp;
mod watched;

use std::io;
use std::os::fd::OwnedFd;

pub(crate) use processes::serve_one;
use switchboard::engine::Listen;
use switchboard::net::Listener;
use switchboard::{Address, EventLoop};

use crate::error::Error;
use crate::ladder::Model;
use crate::serve::end::End;
use crate::serve::listen::{self, Listening};
use crate::serve::options::Options;
use crate::serve::report::{Ready, Report};

/// Serves until a signal.
pub(crate) fn serve(event_loop: EventLoop, options: &Options, report: Report) -> Result<End, Error> {
    if options.udp {
        return serve_datagrams(&event_loop, options, report);
    }
    let opened = event_loop.block_on(listen::open(&options.listen, options.backlog));
    let Listening { listeners, files } = opened.map_err(|error| Error::cannot_go_on(&error))??;
    // Removed at the end, however that is.
    let _files = files;
    let addresses = event_loop.block_on(async { addresses(&listeners) });
    let addresses = addresses.and_then(|inner| inner).map_err(|error| Error::cannot_go_on(&error))?;
    let engine = event_loop.engine().name().to_owned();
    let ready = Ready::new(addresses, options, &engine);
    let ready = move || report.listening(&ready);
    let model = options.model;
    if model == Model::Tasks {
        let served = event_loop.block_on(tasks::serve(listeners, options, ready));
        return served.map_err(|error| Error::cannot_go_on(&error))?;
    }
    let descriptors = event_loop.block_on(descriptors(listeners));
    let event_loop = model.has_event_loop().then_some(event_loop);
    let served = descriptors.and_then(|inner| inner).and_then(|listeners| match (model, event_loop) {
        (Model::Callbacks, Some(event_loop)) => callbacks::serve(&event_loop, listeners, options, ready),
        (Model::Blocking, _) => blocking::serve(listeners, options, ready),
        (Model::Threads, _) => threads::serve(listeners, options, ready),
        (Model::Processes, _) => processes::serve(listeners, options, ready),
        (Model::Polling, _) => polling::serve(listeners, options, ready),
        (Model::Buffered, _) => buffered::serve(listeners, options, ready),
        (Model::Select, _) => select::serve(listeners, options, ready),
        (Model::Poll, _) => poll::serve(listeners, options, ready),
        (Model::Epoll, _) => epoll::serve(listeners, options, ready),
        (Model::Callbacks | Model::Tasks, _) => unreachable!("it is served above"),
    });
    served.map_err(|error| Error::cannot_go_on(&error))
}

/// A server on the loop of whoever has it: of a model whose sockets are all its engine's, so that it can be simulated.
pub(crate) enum Here {
    Tasks(Listener),
}

impl Here {
    /// Listens.
    pub(crate) fn listen(model: Model, listen: Listen) -> io::Result<Self> {
        match model {
            Model::Tasks => Ok(Self::Tasks(Listener::open(listen)?)),
            _ => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("the model {} has sockets that are no engine's", model.name()),
            )),
        }
    }

    /// Serves, until a signal.
    pub(crate) async fn serve(self, options: &Options, ready: impl FnOnce() + 'static) -> Result<End, Error> {
        match self {
            Self::Tasks(listener) => tasks::serve(vec![listener], options, ready).await,
        }
    }
}

fn serve_datagrams(event_loop: &EventLoop, options: &Options, report: Report) -> Result<End, Error> {
    let engine = event_loop.engine().name().to_owned();
    let served = event_loop.block_on(async {
        let sockets = listen::bind(&options.listen).await?;
        let addresses = sockets.iter().map(|(_, address)| Address::Ip(*address)).collect();
        let ready = Ready::new(addresses, options, &engine);
        Ok(udp::serve(sockets, options, || report.listening(&ready)).await)
    });
    served.map_err(|error| Error::cannot_go_on(&error))?
}

fn addresses(listeners: &[Listener]) -> io::Result<Vec<Address>> {
    listeners.iter().map(Listener::local_addr).collect()
}

/// The sockets, for a model that does without an event loop.
async fn descriptors(listeners: Vec<Listener>) -> io::Result<Vec<OwnedFd>> {
    let mut descriptors = Vec::new();
    for listener in listeners {
        // Nobody has accepted yet.
        let (descriptor, _) = listener.into_descriptor().await?;
        descriptors.push(descriptor);
    }
    Ok(descriptors)
}
