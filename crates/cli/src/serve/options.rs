//! How to serve: what the arguments mean.

use std::time::Duration;

use switchboard::net::Target;

use crate::choice::Choice;
use crate::explain::Explain;
use crate::faults::Faults;
use crate::ladder::Model;
use crate::service::{Service, TimeOfDay};
use crate::session::{Gauge, Opening};

/// How to serve.
#[derive(Debug, Clone)]
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
    pub(crate) time: TimeOfDay,
    /// Shows how much waits in sessions.
    pub(crate) gauge: Option<Gauge>,
}

impl Options {
    /// What each client's session begins with.
    pub(crate) fn opening(&self) -> Opening {
        let Self { service, faults, greeting, time, gauge, .. } = self;
        Opening {
            service: *service,
            faults: *faults,
            greeting: greeting.clone().into_bytes(),
            time: *time,
            gauge: gauge.clone(),
        }
    }
}
