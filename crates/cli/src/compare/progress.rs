//! How far a comparison is, on stderr: a bar on a terminal, otherwise a line for each round.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

use crate::error::{one_line, say};

/// How far it is.
#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Of so many steps.
    pub(super) fn of(steps: usize) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:24} {pos}/{len}, {eta} left: {wide_msg}");
            let bar = ProgressBar::new(steps as u64);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { bar }
    }

    /// A step begins.
    pub(super) fn step(&self, what: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            bar.set_message(what());
            bar.inc(1);
        }
    }

    /// There are so many more, since some are done again.
    pub(super) fn add(&self, steps: usize) {
        if let Some(bar) = &self.bar {
            bar.inc_length(steps as u64);
        }
    }

    /// Something to be known, which stays there.
    pub(super) fn tell(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(one_line(line)),
            None => say(line),
        }
    }

    /// Of a round; on a terminal the bar says it.
    pub(super) fn tell_round(&self, line: &str) {
        if self.bar.is_none() {
            say(line);
        }
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
