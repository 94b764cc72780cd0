//! Reads a report that `--json` or `--json-stream` told, whoever may have changed it since.

use std::fmt::Display;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::Deserializer;
use serde_json::Value;

use super::Report;
use super::json::{EVENT, VERSION};
use crate::load::failure::{Failure, Failures};
use crate::load::plan::Pace;
use crate::load::setup::Setup;
use crate::load::tally::{Doubt, Share, Tally};
use crate::load::times::Times;

/// Reads it, or says what is wrong with it.
pub(crate) fn read(text: &str) -> Result<Report, String> {
    // Of a stream, the last line is the report.
    let last = || serde_json::from_str(text.trim_end().lines().last().unwrap_or_default());
    let value: Value =
        serde_json::from_str(text).or_else(|_| last()).map_err(|_| no_report("it is not JSON"))?;
    if value["event"] != EVENT {
        return Err(no_report("it tells of something else"));
    }
    let all = Part(&value, "");
    match all.count("version")? {
        VERSION => {}
        other => return Err(format!("its version is {other}, and {VERSION} is understood; make it anew")),
    }
    Ok(Report {
        setup: setup(&all.part("load"))?,
        tally: tally(&all)?,
        seconds: Vec::new(),
        doubts: all.texts("doubts")?,
        loads: all.count("loads")?,
        sought: None,
        interrupted: None,
    })
}

fn setup(load: &Part<'_>) -> Result<Setup, String> {
    let pace = load.part("pace");
    Ok(Setup {
        targets: load.texts("targets")?,
        transport: load.text("transport")?,
        connections: load.count("connections")?,
        threads: load.count("threads")?,
        in_flight: load.count("in_flight")?,
        size: load.count("size")?,
        expect: load.text("expect")?,
        verify: load.truth("verify")?,
        churn: load.truth("churn")?,
        pace: match load.text("loop")?.as_str() {
            "closed" => Pace::Answered { think: pace.seconds("think_seconds")? },
            "open" => Pace::Scheduled { from: pace.number("from")?, to: pace.number("to")? },
            _ => return Err(load.lacks("loop", "open or closed")),
        },
        warm_up: load.seconds("warm_up_seconds")?,
        timeout: load.seconds("timeout_seconds")?,
        engines: load.texts("engines")?,
    })
}

fn tally(all: &Part<'_>) -> Result<Tally, String> {
    let generator = all.part("generator");
    let threads = generator.list("threads")?.iter().map(|thread| {
        let thread = Part(thread, "threads");
        Ok(Share { ran: thread.number("ran")?, waited: thread.number("waited")? })
    });
    Ok(Tally {
        window: all.seconds("seconds")?,
        answered: all.count("answered")?,
        sent: all.count("sent_bytes")?,
        received: all.count("received_bytes")?,
        connections: all.count("connections")?,
        ended: all.count("ended_by_peer")?,
        failures: failures(&all.part("failures"))?,
        first_error: all.0["first_error"].as_str().map(str::to_owned),
        unsent: all.count("unsent")?,
        connect: times(&all.part("connect"))?,
        first_byte: times(&all.part("first_byte"))?,
        exchange: times(&all.part("exchange"))?,
        uncorrected: times(&all.part("uncorrected"))?,
        doubt: Doubt {
            slip: times(&generator.part("slip"))?,
            lag: times(&generator.part("lag"))?,
            threads: threads.collect::<Result<_, String>>()?,
        },
    })
}

fn failures(part: &Part<'_>) -> Result<Failures, String> {
    let mut failures = Failures::default();
    for class in Failure::ALL {
        failures.count(class, part.count(class.name())?);
    }
    Ok(failures)
}

fn times(part: &Part<'_>) -> Result<Times, String> {
    let wrong = || no_report(format_args!("its {:?} has no histogram that can be read", part.1));
    let bytes = STANDARD.decode(part.text("histogram")?).map_err(|_| wrong())?;
    let histogram = Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(|_| wrong())?;
    Times::of(&histogram).ok_or_else(wrong)
}

/// An object in a report, and its key.
struct Part<'a>(&'a Value, &'static str);

impl<'a> Part<'a> {
    fn part(&self, key: &'static str) -> Part<'a> {
        Part(&self.0[key], key)
    }

    fn count(&self, key: &str) -> Result<u64, String> {
        self.0[key].as_u64().ok_or_else(|| self.lacks(key, "count"))
    }

    fn number(&self, key: &str) -> Result<f64, String> {
        self.0[key].as_f64().ok_or_else(|| self.lacks(key, "number"))
    }

    fn seconds(&self, key: &str) -> Result<Duration, String> {
        let seconds = self.number(key)?;
        Duration::try_from_secs_f64(seconds).map_err(|_| self.lacks(key, "time"))
    }

    fn truth(&self, key: &str) -> Result<bool, String> {
        self.0[key].as_bool().ok_or_else(|| self.lacks(key, "true or false"))
    }

    fn text(&self, key: &str) -> Result<String, String> {
        self.0[key].as_str().map(str::to_owned).ok_or_else(|| self.lacks(key, "text"))
    }

    fn list(&self, key: &str) -> Result<&'a [Value], String> {
        self.0[key].as_array().map(Vec::as_slice).ok_or_else(|| self.lacks(key, "list"))
    }

    fn texts(&self, key: &str) -> Result<Vec<String>, String> {
        let texts = self.list(key)?.iter().map(|text| text.as_str().map(str::to_owned));
        texts.collect::<Option<_>>().ok_or_else(|| self.lacks(key, "texts"))
    }

    fn lacks(&self, key: &str, kind: &str) -> String {
        let within = if self.1.is_empty() { String::new() } else { format!(" in its {:?}", self.1) };
        no_report(format_args!("it lacks {key:?}{within} ({kind})"))
    }
}

fn no_report(why: impl Display) -> String {
    format!("no report of `switchboard load --json`: {why}")
}

#[cfg(test)]
mod tests {
    use super::super::json::tests::some;
    use super::super::json::{self};
    use super::*;

    #[test]
    fn what_was_told_reads_the_same() {
        let mut it = some();
        it.tally.failures.count(Failure::Reset, 2);
        it.tally.first_error = Some("gone".to_owned());
        it.tally.unsent = 3;
        it.tally.doubt.lag.record(Duration::from_micros(7));
        it.tally.doubt.threads.push(Share { ran: 1.0, waited: 0.5 });
        it.doubts.push("why".to_owned());
        it.setup.pace = Pace::Scheduled { from: 1.0, to: 2.5 };
        let told = json::report(&it, &[]).to_string();
        for text in [told.clone(), format!("{{\"event\":\"interval\"}}\n{told}\n")] {
            let again = read(&text).unwrap();
            assert_eq!(
                (again.setup, again.tally, again.doubts),
                (it.setup.clone(), it.tally.clone(), it.doubts.clone())
            );
        }
    }

    #[test]
    fn what_is_no_report_is_said_to_be_none() {
        let good = json::report(&some(), &[]);
        let without = |pointer: &str, key: &str| {
            let mut value = good.clone();
            value.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(key);
            value.to_string()
        };
        let with = |pointer: &str, other: Value| {
            let mut value = good.clone();
            *value.pointer_mut(pointer).unwrap() = other;
            value.to_string()
        };
        for (text, said) in [
            (String::new(), "it is not JSON"),
            ("hello".to_owned(), "it is not JSON"),
            ("[1]".to_owned(), "it tells of something else"),
            ("{\"event\":\"simulated\"}".to_owned(), "it tells of something else"),
            (without("", "answered"), "it lacks \"answered\" (count)"),
            (without("/load", "size"), "it lacks \"size\" in its \"load\" (count)"),
            (with("/version", 2.into()), "its version is 2, and 1 is understood"),
            (with("/seconds", (-1).into()), "it lacks \"seconds\" (time)"),
            (with("/load/loop", "round".into()), "it lacks \"loop\" in its \"load\" (open or closed)"),
            (
                with("/exchange/histogram", "AAAA".into()),
                "its \"exchange\" has no histogram that can be read",
            ),
            (with("/generator/lag/histogram", "?".into()), "its \"lag\" has no histogram that can be read"),
            (good.to_string()[..2000].to_owned(), "it is not JSON"),
        ] {
            let error = read(&text).expect_err(&text);
            assert!(error.contains(said), "{error}");
        }
    }
}
