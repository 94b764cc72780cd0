//! The log: on stderr, warnings unless more is asked for, in colours only for eyes.

use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;

use crate::outlet::Log;

/// Starts the log; `verbosity` is how many `-v` were given.
pub(crate) fn start(verbosity: u8) {
    let level = match verbosity {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    // <https://no-color.org>: any value but an empty one.
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    tracing_subscriber::fmt()
        .compact()
        .without_time()
        .with_target(false)
        .with_max_level(level)
        .with_ansi(!plain && io::stderr().is_terminal())
        .with_writer(Log::default)
        // It would say with `eprintln!` that stderr cannot be written to, and that panics.
        .log_internal_errors(false)
        .init();
}
