//! A report for programs: one object, whose keys stay what they are.
//!
//! Seconds are numbers with a fraction, times of exchanges whole nanoseconds. Each histogram is there as a whole (HdrHistogram V2,
//! compressed, base64), so that reports add up without losing anything.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use serde_json::{Map, Value, json};

use super::Report;
use crate::load::failure::{Failure, Failures};
use crate::load::limit::Limit;
use crate::load::plan::Pace;
use crate::load::seek::{Sought, Step};
use crate::load::setup::Setup;
use crate::load::tally::Share;
use crate::load::times::Times;

pub(super) fn report(report: &Report, fail_if: &[Limit]) -> Value {
    let tally = &report.tally;
    let limits: Vec<_> = fail_if.iter().map(|limit| of_limit(limit, report)).collect();
    let threads: Vec<_> = tally.doubt.threads.iter().map(of_share).collect();
    json!({
        "event": EVENT,
        "version": VERSION,
        "load": of_setup(&report.setup),
        "loads": report.loads,
        "seconds": report.seconds(),
        "answered": tally.answered,
        "rate": tally.rate(),
        "sent_bytes": tally.sent,
        "received_bytes": tally.received,
        "sent_bytes_per_second": report.per_second(tally.sent),
        "received_bytes_per_second": report.per_second(tally.received),
        "connections": tally.connections,
        "ended_by_peer": tally.ended,
        "failures": of_failures(&tally.failures),
        "first_error": tally.first_error,
        "unsent": tally.unsent,
        "connect": of_times(&tally.connect),
        "first_byte": of_times(&tally.first_byte),
        "exchange": of_times(&tally.exchange),
        "uncorrected": of_times(&tally.uncorrected),
        "generator": {
            "slip": of_times(&tally.doubt.slip),
            "lag": of_times(&tally.doubt.lag),
            "threads": threads,
        },
        "trustworthy": report.is_trustworthy(),
        "doubts": report.doubts,
        "limits": limits,
        "seek": report.sought.as_ref().map(of_sought),
        "interrupted": report.interrupted.map(|signal| signal.name),
    })
}

fn of_setup(setup: &Setup) -> Value {
    let pace = match setup.pace {
        Pace::Answered { think } => json!({ "think_seconds": think.as_secs_f64() }),
        Pace::Scheduled { from, to } => json!({ "from": from, "to": to }),
    };
    json!({
        "targets": setup.targets,
        "transport": setup.transport,
        "connections": setup.connections,
        "threads": setup.threads,
        "in_flight": setup.in_flight,
        "size": setup.size,
        "expect": setup.expect,
        "verify": setup.verify,
        "churn": setup.churn,
        "loop": if setup.pace.is_open() { "open" } else { "closed" },
        "pace": pace,
        "warm_up_seconds": setup.warm_up.as_secs_f64(),
        "timeout_seconds": setup.timeout.as_secs_f64(),
        "engines": setup.engines,
    })
}

fn of_limit(limit: &Limit, report: &Report) -> Value {
    json!({
        "fail_if": limit.to_string(),
        "failed": limit.holds(&report.tally),
        "was": limit.shown(&report.tally),
    })
}

/// How many of each class, and in all.
pub(crate) fn of_failures(failures: &Failures) -> Value {
    let mut all = Map::from_iter([("total".to_owned(), failures.total().into())]);
    all.extend(Failure::ALL.into_iter().map(|class| (class.name().to_owned(), failures[class].into())));
    all.into()
}

fn of_share(share: &Share) -> Value {
    json!({ "ran": share.ran, "waited": share.waited })
}

fn of_sought(sought: &Sought) -> Value {
    let steps: Vec<_> = sought.steps.iter().map(of_step).collect();
    json!({ "limit": sought.limit, "rate": sought.best, "end": sought.end.name(), "steps": steps })
}

/// A step of --seek.
pub(crate) fn of_step(step: &Step) -> Value {
    json!({
        "rate": step.rate,
        "answered_rate": step.answered,
        "was": step.was,
        "outcome": step.outcome.name(),
        "doubts": step.doubts,
    })
}

/// With all that there is in it.
fn of_times(times: &Times) -> Value {
    let mut all = of_summary(times);
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(times.histogram(), &mut bytes)
        .expect("memory takes whatever is written");
    all.insert("histogram".to_owned(), STANDARD.encode(bytes).into());
    all.into()
}

/// What most want to know of it.
pub(crate) fn of_summary(times: &Times) -> Map<String, Value> {
    // Of nothing there is no percentile, least of all zero.
    let nanoseconds = |time: Duration| match u64::try_from(time.as_nanos()) {
        Ok(nanoseconds) if !times.is_empty() => nanoseconds.into(),
        _ => Value::Null,
    };
    let mut all = Map::new();
    all.insert("unit".to_owned(), "ns".into());
    all.insert("count".to_owned(), times.count().into());
    all.insert("min".to_owned(), nanoseconds(times.min()));
    all.insert("mean".to_owned(), nanoseconds(times.mean()));
    for (name, percentile) in PERCENTILES {
        all.insert(name.to_owned(), nanoseconds(times.percentile(percentile)));
    }
    all.insert("max".to_owned(), nanoseconds(times.max()));
    all
}

/// By which a report is known.
pub(super) const EVENT: &str = "load";

/// Of the keys and their meaning.
pub(super) const VERSION: u64 = 1;

/// Those that are told.
pub(super) const PERCENTILES: [(&str, f64); 6] =
    [("p50", 50.0), ("p75", 75.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9), ("p99.99", 99.99)];

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::load::setup::tests::some as some_setup;
    use crate::load::tally::{Doubt, Tally};

    #[test]
    fn a_report_has_its_figures_and_says_whether_to_believe_them() {
        let mut it = some();
        it.tally.failures.count(Failure::Short, 3);
        let told = report(&it, &["p50>1us".parse().unwrap()]);
        assert_eq!((&told["connect"]["count"], &told["connect"]["p50"]), (&0.into(), &Value::Null));
        assert_eq!((&told["answered"], &told["rate"]), (&1000.into(), &500.0.into()));
        assert_eq!((&told["exchange"]["p50"], &told["exchange"]["count"]), (&500_223.into(), &1000.into()));
        assert_eq!((&told["failures"]["total"], &told["failures"]["short"]), (&3.into(), &3.into()));
        assert_eq!(told["failures"].as_object().unwrap().len(), 1 + Failure::ALL.len());
        assert_eq!((&told["trustworthy"], &told["interrupted"]), (&true.into(), &Value::Null));
        assert_eq!(told["limits"][0]["failed"], Value::from(true));
        it.doubts.push("why".to_owned());
        assert_eq!(report(&it, &[])["trustworthy"], Value::from(false));
    }

    pub(in super::super) fn some() -> Report {
        let mut tally = Tally {
            window: Duration::from_secs(2),
            answered: 1000,
            sent: 64_000,
            received: 64_000,
            connections: 50,
            ended: 1,
            doubt: Doubt { threads: vec![Share { ran: 0.42, waited: 0.01 }], ..Doubt::default() },
            ..Tally::default()
        };
        for microsecond in 1..=1000 {
            tally.exchange.record(Duration::from_micros(microsecond));
        }
        Report {
            setup: some_setup(),
            tally,
            seconds: Vec::new(),
            doubts: Vec::new(),
            loads: 1,
            sought: None,
            interrupted: None,
        }
    }
}
