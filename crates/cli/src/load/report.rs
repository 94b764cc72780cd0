//! What is told of a load at its end: what was done, what it came to, whether to believe it, and so the exit code.
//!
//! The result goes to stdout before anything else is written, so that a disk that is full takes nothing with it.

pub(super) mod hdr;
pub(super) mod html;
mod json;
mod read;
mod text;

pub(crate) use json::{of_failures, of_step, of_summary};
pub(super) use read::read;

use std::io::{self, Write};
use std::time::Duration;

use super::files::Files;
use super::options::Telling;
use super::page::Second;
use super::seek::Sought;
use super::setup::Setup;
use super::tally::Tally;
use crate::error::{Error, reason, say};
use crate::stop::Signal;

/// What is told of a load.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) setup: Setup,
    pub(crate) tally: Tally,
    /// How it went; empty if nobody watched it.
    pub(crate) seconds: Vec<Second>,
    /// Why not to believe it.
    pub(crate) doubts: Vec<String>,
    /// How many loads this is the sum of.
    pub(crate) loads: u64,
    /// Of the highest rate, if that was looked for.
    pub(crate) sought: Option<Sought>,
    /// The signal before which it did not come to its end.
    pub(crate) interrupted: Option<Signal>,
}

impl Report {
    /// Tells it all, and says with which code to exit.
    pub(super) fn tell(&self, telling: &Telling, files: Files) -> u8 {
        let text = if telling.json {
            format!("{}\n", json::report(self, &telling.fail_if))
        } else {
            text::report(self, &self.missed(telling))
        };
        let mut troubles = Vec::from_iter(print(&text).err());
        let mut code = self.verdict(telling);
        troubles.extend(files.write(self, &self.missed(telling)));
        for trouble in &troubles {
            trouble.tell();
            code = code.max(1);
        }
        code
    }

    fn verdict(&self, telling: &Telling) -> u8 {
        let missed = self.missed(telling);
        // For people it is part of the report.
        if telling.json {
            self.doubts.iter().for_each(|doubt| say(&format!("not trustworthy: {doubt}")));
            missed.iter().for_each(|missed| say(&format!("error: {missed}")));
        }
        match self.interrupted {
            Some(signal) => 128 + signal.number,
            None if !self.is_trustworthy() => 4,
            None if !missed.is_empty() => 3,
            None if self.tally.answered == 0 => {
                say(&format!("error: {}", self.nothing_was_answered()));
                1
            }
            None => 0,
        }
    }

    /// The limits that were.
    fn missed(&self, telling: &Telling) -> Vec<String> {
        let limits = telling.fail_if.iter().filter(|limit| limit.holds(&self.tally));
        let mut missed: Vec<_> =
            limits.map(|limit| format!("--fail-if {limit}: it was {}", limit.shown(&self.tally))).collect();
        if let Some(sought) = self.sought.as_ref().filter(|sought| sought.has_failed()) {
            missed.push(format!("--seek {}: no rate that was tried keeps it", sought.limit));
        }
        missed
    }

    pub(super) fn is_trustworthy(&self) -> bool {
        self.doubts.is_empty()
    }

    fn nothing_was_answered(&self) -> String {
        let classes: Vec<_> =
            self.tally.failures.iter().map(|(class, count)| format!("{class} {count}")).collect();
        let why = if classes.is_empty() { "no time was left for it".to_owned() } else { classes.join(", ") };
        format!("{} answered nothing: {why}", self.setup.targets.join(" and "))
    }

    fn seconds(&self) -> f64 {
        self.tally.window.as_secs_f64()
    }

    /// So many, a second.
    fn per_second(&self, count: u64) -> f64 {
        if self.tally.window == Duration::ZERO { 0.0 } else { count as f64 / self.seconds() }
    }
}

fn print(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::refused(format_args!("cannot write the report on stdout: {}", reason(&error))))
        }
        _ => Ok(()),
    }
}
