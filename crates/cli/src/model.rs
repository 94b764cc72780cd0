//! The models: who waits for the sockets, for what, and how. A ladder to be climbed from first to last.
//!
//! Every one carries the same conversations ([`Session`](crate::session::Session)) with the same limits and the same
//! end, so that what is left in its file is the model itself.

mod blocking;
mod buffered;
mod callbacks;
mod child;
mod client;
mod connection;
mod epoll;
mod poll;
mod polling;
mod processes;
mod program;
mod select;
mod talk;
mod tasks;
mod threads;
mod timers;
mod udp;
mod watched;
mod watcher;

use std::io;
use std::os::fd::OwnedFd;
use std::str::FromStr;

pub(crate) use callbacks::Calls;
pub(crate) use child::serve as serve_as_child;
pub(crate) use client::{Client, Step};
use switchboard::net::Listener;
use switchboard::{Address, EventLoop};

use crate::choice::shown;
use crate::error::Error;
use crate::listen::{self, Listening};
use crate::report::{Ready, Report};
use crate::serve::end::End;
use crate::serve::{Options, cannot_go_on};

/// Which model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Model {
    Blocking,
    Threads,
    Processes,
    Polling,
    Buffered,
    Select,
    Poll,
    Epoll,
    Callbacks,
    Tasks,
}

impl Model {
    pub(crate) const ALL: [Self; 10] = [
        Self::Blocking,
        Self::Threads,
        Self::Processes,
        Self::Polling,
        Self::Buffered,
        Self::Select,
        Self::Poll,
        Self::Epoll,
        Self::Callbacks,
        Self::Tasks,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Blocking => "blocking",
            Self::Threads => "threads",
            Self::Processes => "processes",
            Self::Polling => "polling",
            Self::Buffered => "buffered",
            Self::Select => "select",
            Self::Poll => "poll",
            Self::Epoll => "epoll",
            Self::Callbacks => "callbacks",
            Self::Tasks => "tasks",
        }
    }

    /// Whether it runs on an event loop, whose engine can be chosen, and of which there may be several.
    pub(crate) fn has_event_loop(self) -> bool {
        matches!(self, Self::Callbacks | Self::Tasks)
    }

    /// Whether it asks its sockets over and over, perhaps with a pause.
    pub(crate) fn polls(self) -> bool {
        matches!(self, Self::Polling | Self::Buffered)
    }

    /// Whether its sockets block.
    pub(crate) fn blocks(self) -> bool {
        matches!(self, Self::Blocking | Self::Threads | Self::Processes)
    }

    /// Whether it serves datagrams, too.
    pub(crate) fn serves_datagrams(self) -> bool {
        self == Self::Tasks
    }

    /// Serves until a signal.
    pub(crate) fn serve(
        self,
        event_loop: EventLoop,
        options: &Options,
        report: Report,
    ) -> Result<End, Error> {
        if options.udp {
            return serve_datagrams(&event_loop, options, report);
        }
        let opened = event_loop.block_on(listen::open(&options.listen, options.backlog));
        let Listening { listeners, files } = opened.map_err(|error| cannot_go_on(&error))??;
        // Removed at the end, however that is.
        let _files = files;
        let addresses = event_loop.block_on(async { addresses(&listeners) });
        let addresses = addresses.and_then(|inner| inner).map_err(|error| cannot_go_on(&error))?;
        let engine = event_loop.engine().name().to_owned();
        let ready = Ready::new(addresses, options, &engine);
        let ready = move || report.listening(&ready);
        if self == Self::Tasks {
            let served = event_loop.block_on(tasks::serve(listeners, options, ready));
            return served.map_err(|error| cannot_go_on(&error))?;
        }
        let descriptors = event_loop.block_on(descriptors(listeners));
        let event_loop = self.has_event_loop().then_some(event_loop);
        let served = descriptors.and_then(|inner| inner).and_then(|listeners| match (self, event_loop) {
            (Self::Callbacks, Some(event_loop)) => callbacks::serve(&event_loop, listeners, options, ready),
            (Self::Blocking, _) => blocking::serve(listeners, options, ready),
            (Self::Threads, _) => threads::serve(listeners, options, ready),
            (Self::Processes, _) => processes::serve(listeners, options, ready),
            (Self::Polling, _) => polling::serve(listeners, options, ready),
            (Self::Buffered, _) => buffered::serve(listeners, options, ready),
            (Self::Select, _) => select::serve(listeners, options, ready),
            (Self::Poll, _) => poll::serve(listeners, options, ready),
            (Self::Epoll, _) => epoll::serve(listeners, options, ready),
            (Self::Callbacks | Self::Tasks, _) => unreachable!("it is served above"),
        });
        served.map_err(|error| cannot_go_on(&error))
    }
}

impl FromStr for Model {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|model| model.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::wrong_use(format_args!("--model {}: no such model; give one of {names}", shown(name)))
        })
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
    served.map_err(|error| cannot_go_on(&error))?
}

fn addresses(listeners: &[Listener]) -> io::Result<Vec<Address>> {
    listeners.iter().map(Listener::local_addr).collect()
}

/// The sockets, for a model that does without an event loop.
async fn descriptors(listeners: Vec<Listener>) -> io::Result<Vec<OwnedFd>> {
    let mut descriptors = Vec::new();
    for listener in listeners {
        descriptors.push(listener.into_descriptor().await?);
    }
    Ok(descriptors)
}
