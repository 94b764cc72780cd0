//! Traces: what a program observed of its engine, to be read, kept and compared.
//!
//! A trace is on nobody's way: an engine is recorded by putting another one around it, so one that is not recorded
//! costs nothing. It says what the program asked and what it was told, in the trace's own names (sockets are numbered as
//! they appear), so a simulated program that runs twice from one seed writes the same bytes twice.
//!
//! What must stay true: recording changes nothing of what is recorded; and memory is bounded. An event holds no
//! payload, only its length, a digest and its first bytes, and past a [limit](Trace::with_limit) events are only counted.

mod agreement;
mod content;
mod difference;
mod event;
mod history;
mod recorder;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Instant;

use super::Engine;
use content::Content;
pub use difference::Difference;
use event::{Event, Kind, Name, What};
use recorder::Recorder;

/// What one or several programs observed of their engines, in order.
///
/// Clones are the same trace. It lives in one thread, as engines do. It prints one line per event: the time since it
/// began, in seconds; the host, if any has a name; and what was asked and told.
///
/// ```
/// use std::io::IoSlice;
/// use switchboard::engine::sim::Network;
/// use switchboard::engine::trace::Trace;
/// use switchboard::engine::{Address, Close, Plan};
///
/// let trace = Trace::new();
/// let mut engine = trace.record("client", Network::new().engine());
/// let stream = engine.open(Plan::Stream { like: "127.0.0.1:80".parse()? })?;
/// engine.try_send(stream, &[IoSlice::new(b"anyone?")]).unwrap_err();
/// engine.close(stream, Close::Now);
///
/// assert_eq!(trace.to_string(), "\
/// 0.000000  client  open     stream 1
/// 0.000000  client  send     stream 1: broken pipe
/// 0.000000  client  close    stream 1 at once
/// ");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Trace {
    kept: Rc<RefCell<Kept>>,
}

struct Kept {
    events: Vec<Event>,
    limit: usize,
    /// How many came after the limit was reached.
    beyond: usize,
    /// A digest of those.
    rest: Content,
    /// What the first engine runs on.
    mechanism: Option<String>,
    began: Option<Instant>,
    hosts: Vec<Rc<str>>,
    /// How many sockets have a name.
    named: u32,
}

impl Trace {
    /// How many events a trace keeps unless it is told otherwise: some 200 MiB at most.
    pub const LIMIT: usize = 1_000_000;

    /// An empty trace.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(Self::LIMIT)
    }

    /// An empty trace that keeps at most so many events, the first ones. What comes after is counted.
    #[must_use]
    pub fn with_limit(events: usize) -> Self {
        let kept = Kept {
            events: Vec::new(),
            limit: events,
            beyond: 0,
            rest: Content::EMPTY,
            mechanism: None,
            began: None,
            hosts: Vec::new(),
            named: 0,
        };
        Self { kept: Rc::new(RefCell::new(kept)) }
    }

    /// An engine that does what this one does, and is recorded here. `host` tells several of them apart; it may be empty.
    ///
    /// The trace begins with its first engine, or with the first [`note`](Self::note).
    #[must_use]
    pub fn record(&self, host: &str, engine: Box<dyn Engine>) -> Box<dyn Engine> {
        let (began, mechanism) = (engine.clock(), engine.name().to_owned());
        let host = {
            let mut kept = self.kept.borrow_mut();
            kept.began.get_or_insert(began);
            kept.mechanism.get_or_insert(mechanism);
            kept.host(host)
        };
        Box::new(Recorder::new(self.clone(), host, engine))
    }

    /// Notes something that no engine tells: what befell a network, or what a test did. It is kept as one line.
    pub fn note(&self, host: &str, at: Instant, what: impl fmt::Display) {
        let host = self.kept.borrow_mut().host(host);
        let text: Vec<_> = what.to_string().lines().map(str::to_owned).collect();
        self.push(host, at, What::Note(text.join(" | ").into()));
    }

    /// Whether the program observed the same here as there, whatever it ran on: on every mechanism and in every network.
    ///
    /// Compared is what it observed of each socket: how it came about, what was received and what was sent on it and to
    /// which end, every error by its kind, and how it was closed. Left out is what no engine promises: times, ports,
    /// how bytes were cut into pieces, what had to wait, the order between sockets, and between the directions of one.
    /// Sockets are paired by the part they play (as "stream accepted by listener 1"): each must have a partner in the other trace
    /// with the same history. [Notes](Self::note) are not compared.
    ///
    /// # Errors
    ///
    /// What was observed of the first socket that has no partner, beside its counterpart. Also when a trace was cut at
    /// its limit, and nothing differs before.
    pub fn agrees_with(&self, other: &Self) -> Result<(), Difference> {
        agreement::agreement(&self.kept.borrow(), &other.kept.borrow())
    }

    /// The first event that is not exactly the same in the other trace, time and all, with what came before it. `None`
    /// if all are the same, as they must be when a simulated program runs twice from one seed.
    #[must_use]
    pub fn first_difference(&self, other: &Self) -> Option<Difference> {
        agreement::first_difference(&self.kept.borrow(), &other.kept.borrow())
    }

    /// How many events there were, those beyond the limit included.
    #[must_use]
    pub fn len(&self) -> usize {
        let kept = self.kept.borrow();
        kept.events.len() + kept.beyond
    }

    /// Whether nothing has happened yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn push(&self, host: Rc<str>, at: Instant, what: What) {
        let mut kept = self.kept.borrow_mut();
        let began = *kept.began.get_or_insert(at);
        let event = Event { at: at.saturating_duration_since(began), host, what };
        if kept.events.len() == kept.limit {
            kept.beyond += 1;
            kept.rest.push(format!("{:?} {} {}", event.at, event.host, event.what).as_bytes());
            return;
        }
        kept.events.push(event);
    }

    fn next_name(&self, kind: Kind) -> Name {
        let mut kept = self.kept.borrow_mut();
        kept.named += 1;
        Name { kind, number: kept.named }
    }
}

impl Kept {
    /// A host's name, which all of its events share.
    fn host(&mut self, name: &str) -> Rc<str> {
        if let Some(host) = self.hosts.iter().find(|host| &***host == name) {
            return Rc::clone(host);
        }
        let host: Rc<str> = name.into();
        self.hosts.push(Rc::clone(&host));
        host
    }

    fn mechanism(&self) -> &str {
        self.mechanism.as_deref().unwrap_or_default()
    }

    /// How wide the column of hosts is.
    fn host_width(&self) -> usize {
        self.hosts.iter().map(|host| host.chars().count()).max().unwrap_or(0)
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.kept.borrow();
        let width = kept.host_width();
        for event in &kept.events {
            writeln!(f, "{}", event.line(width))?;
        }
        match kept.beyond {
            0 => Ok(()),
            beyond => writeln!(f, "… and {beyond} more: the trace keeps {} events", kept.limit),
        }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("events", &self.len()).finish_non_exhaustive()
    }
}
