//! How far a server is with ending, for the models that look at the clock themselves.
//!
//! The same steps as the library's: a signal, and nobody new is taken once the queue is empty; the grace period, in which
//! clients go on; 200 ms for last words, in which nothing more is heard from them; and whoever is left is cut off. A second
//! signal skips all that.

use std::io;
use std::time::{Duration, Instant};

use switchboard_selector::{Bell, Signal as Watched};

use crate::stop::{ALL, Signal};

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Serving,
    /// Nobody new but those who wait in the queue.
    Draining,
    /// Nothing more is heard, and what is to be said is said.
    LastWords,
    /// Nobody is served any more.
    Over,
    /// By a second signal.
    AtOnce(Signal),
}

/// The signals, from when this was made, and the time since the first.
#[derive(Debug)]
pub(crate) struct Drain {
    watched: Vec<(Signal, Watched)>,
    grace: Duration,
    began: Option<Instant>,
    second: Option<Signal>,
}

impl Drain {
    /// Catches the signals: each rings the bell.
    pub(crate) fn at_signals(bell: &Bell, grace: Duration) -> io::Result<Self> {
        let watch = |signal: Signal| Ok((signal, Watched::watch(signal.number.into(), bell.clone())?));
        let watched = ALL.into_iter().map(watch).collect::<io::Result<_>>()?;
        Ok(Self { watched, grace, began: None, second: None })
    }

    /// Is told of the signals by somebody else, who hears of them.
    pub(crate) fn told(grace: Duration) -> Self {
        Self { watched: Vec::new(), grace, began: None, second: None }
    }

    /// A signal came so many times.
    pub(crate) fn came(&mut self, signal: Signal, count: u64, now: Instant) {
        for _ in 0..count.min(2) {
            if self.began.is_some() {
                self.second.get_or_insert(signal);
            } else {
                let (name, grace) = (signal.name, self.grace);
                tracing::info!("{name}: accepting no more, and waiting for clients for {grace:?} at most");
                self.began = Some(now);
            }
        }
    }

    /// How far it is now.
    pub(crate) fn phase(&mut self, now: Instant) -> Phase {
        let came: Vec<_> = self.watched.iter().map(|(signal, watched)| (*signal, watched.take())).collect();
        for (signal, count) in came {
            self.came(signal, count, now);
        }
        match (self.second, self.began.map(|began| now - began)) {
            (Some(signal), _) => Phase::AtOnce(signal),
            (None, None) => Phase::Serving,
            (None, Some(time)) if time < self.grace => Phase::Draining,
            (None, Some(time)) if time < self.grace + LAST_WORDS => Phase::LastWords,
            (None, Some(_)) => Phase::Over,
        }
    }

    /// Begins without a signal.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.began.get_or_insert(now);
    }

    /// When the next phase begins.
    pub(crate) fn next(&self, now: Instant) -> Option<Instant> {
        let began = self.began?;
        [self.grace, self.grace + LAST_WORDS].map(|time| began + time).into_iter().find(|then| *then > now)
    }
}

/// How long what is still to be said may take, once nothing more is heard; as in the library.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(200);
