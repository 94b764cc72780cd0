//! The log of a simulated server: counted, and shown only if that was asked for.
//!
//! A thousand seeds with faults warn of thousands of failures that were brought about on purpose. That each is told of is what
//! is checked.

use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::with_default;
use tracing::{Event, Level, Metadata, Subscriber};

use crate::error::one_line;
use crate::outlet::Log;

/// Does something, and tells how many failures of clients were logged meanwhile.
pub(super) fn listen<R>(seed: u64, verbosity: u8, code: impl FnOnce() -> R) -> (R, u64) {
    let failures = Arc::new(AtomicU64::new(0));
    let listener = Listener { seed, verbosity, failures: Arc::clone(&failures) };
    let outcome = with_default(listener, code);
    (outcome, failures.load(Ordering::Relaxed))
}

struct Listener {
    seed: u64,
    verbosity: u8,
    failures: Arc<AtomicU64>,
}

/// The text of an event.
struct Text(String);

impl Listener {
    fn level(&self) -> LevelFilter {
        match self.verbosity {
            0 | 1 => LevelFilter::WARN,
            2 => LevelFilter::INFO,
            3 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        }
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level())
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let level = event.metadata().level();
        if *level == Level::WARN && text.0.starts_with("client ") && text.0.contains(" failed: ") {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        if self.verbosity > 0 {
            let line = format!("seed {}: {level} {}", self.seed, text.0);
            Log.write_all(one_line(&line).as_bytes()).ok();
        }
    }

    // There are no spans here.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
