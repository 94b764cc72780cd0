//! A report for people: aligned, calm, the doubts last, where nobody overlooks them.

use std::fmt::Write as _;

use super::Report;
use crate::error::one_line;
use crate::load::shown::{bytes, percent, rate, time};
use crate::load::tally::{Doubt, Share};
use crate::load::times::Times;

pub(super) fn report(report: &Report, missed: &[String]) -> String {
    let tally = &report.tally;
    let mut text = format!("{}\n", one_line(&report.setup.to_string()));
    if report.loads > 1 {
        line(&mut text, "loads", &format!("{} added up", report.loads));
    }
    if let Some(sought) = &report.sought {
        line(&mut text, "highest", &sought.to_string());
    }
    let answered =
        format!("{} in {:.1} s, {} a second", tally.answered, report.seconds(), rate(tally.rate()));
    let is_one_way = report.setup.expect == "none";
    line(&mut text, if is_one_way { "handed over" } else { "answered" }, &answered);
    let (sent, received) = (bytes(report.per_second(tally.sent)), bytes(report.per_second(tally.received)));
    line(&mut text, "bytes", &format!("{sent}/s sent, {received}/s received"));
    if report.setup.transport != "udp" {
        let made = format!("{} made, {} ended by the peer when idle", tally.connections, tally.ended);
        line(&mut text, "connections", &made);
    }
    table(&mut text, report);
    line(&mut text, "failed", &failed(report));
    if tally.unsent > 0 {
        let unsent = format!("{}: due before the end, with no connection free to begin them", tally.unsent);
        line(&mut text, "unsent", &unsent);
    }
    generator(&mut text, &tally.doubt, report.setup.pace.is_open());
    for missed in missed {
        line(&mut text, "missed", missed);
    }
    if let Some(signal) = report.interrupted {
        line(&mut text, "interrupted", &format!("by {}; this is what was measured until then", signal.name));
    }
    for doubt in &report.doubts {
        writeln!(text, "not trustworthy: {}", one_line(doubt)).expect(TAKES_ALL);
    }
    text
}

/// Percentiles: a row for each, a column for each kind of time.
fn table(text: &mut String, report: &Report) {
    let tally = &report.tally;
    let mut columns =
        vec![("connect", &tally.connect), ("first byte", &tally.first_byte), ("exchange", &tally.exchange)];
    // In a closed loop it is the same.
    if report.setup.pace.is_open() {
        columns.push(("uncorrected", &tally.uncorrected));
    }
    columns.retain(|(_, times)| !times.is_empty());
    if columns.is_empty() {
        return;
    }
    let mut row = |name: &str, cells: &dyn Fn(&str, &Times) -> String| {
        write!(text, "{name:<WIDTH$}").expect(TAKES_ALL);
        for (kind, times) in &columns {
            write!(text, "{:>12}", cells(kind, times)).expect(TAKES_ALL);
        }
        text.push('\n');
    };
    row("", &|kind, _| kind.to_owned());
    for (name, percentile) in super::json::PERCENTILES {
        row(name, &|_, times| time(times.percentile(percentile)));
    }
    row("max", &|_, times| time(times.max()));
    row("mean", &|_, times| time(times.mean()));
    row("count", &|_, times| times.count().to_string());
}

fn failed(report: &Report) -> String {
    let failures = &report.tally.failures;
    if failures.total() == 0 {
        return "0".to_owned();
    }
    let classes: Vec<_> = failures.iter().map(|(class, count)| format!("{class} {count}")).collect();
    let first = report.tally.first_error.as_deref().map(|error| format!("; first: {}", one_line(error)));
    format!("{}: {}{}", failures.total(), classes.join(", "), first.unwrap_or_default())
}

/// What the generator measured of itself.
fn generator(text: &mut String, doubt: &Doubt, is_open: bool) {
    let threads: Vec<_> = doubt
        .threads
        .iter()
        .map(|Share { ran, waited }| {
            format!("ran {} of the time, waited {} for a processor", percent(*ran), percent(*waited))
        })
        .collect();
    for (index, thread) in threads.iter().enumerate().take(MOST_THREADS) {
        line(text, if index == 0 { "generator" } else { "" }, thread);
    }
    if threads.len() > MOST_THREADS {
        line(text, "", &format!("and {} threads more", threads.len() - MOST_THREADS));
    }
    let told = [("slip", &doubt.slip, is_open), ("lag", &doubt.lag, true)];
    for (name, times, _) in told.into_iter().filter(|(_, times, applies)| *applies && !times.is_empty()) {
        let (half, most, longest) = (times.percentile(50.0), times.percentile(99.0), times.max());
        line(text, name, &format!("p50 {}, p99 {}, max {}", time(half), time(most), time(longest)));
    }
}

fn line(text: &mut String, name: &str, what: &str) {
    writeln!(text, "{name:<WIDTH$}{what}").expect(TAKES_ALL);
}

/// Of the names.
const WIDTH: usize = 13;

/// Of whom a line of their own is worth reading.
const MOST_THREADS: usize = 8;

const TAKES_ALL: &str = "a string takes whatever is written to it";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::json::tests::some;
    use super::*;
    use crate::load::failure::Failure;
    use crate::load::plan::Pace;
    use crate::stop;

    #[test]
    fn a_report_is_a_table_with_what_there_is() {
        let told = report(&some(), &[]);
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines[0], some().setup.to_string());
        assert_eq!(lines[1], "answered     1000 in 2.0 s, 500 a second");
        assert_eq!(lines[2], "bytes        31.2 KiB/s sent, 31.2 KiB/s received");
        assert_eq!(lines[3], "connections  50 made, 1 ended by the peer when idle");
        assert_eq!(lines[4], "                 exchange");
        assert_eq!(lines[5], "p50                500 us");
        assert!(told.contains("\nmax               1.00 ms\n"), "{told}");
        assert!(told.contains("\nfailed       0\n"), "{told}");
        assert!(told.ends_with("generator    ran 42 % of the time, waited 1 % for a processor\n"), "{told}");
    }

    #[test]
    fn where_no_answer_is_expected_none_is_told_of() {
        let mut it = some();
        it.setup.expect = "none".to_owned();
        let told = report(&it, &[]);
        assert!(
            told.contains("\nhanded over  1000 in 2.0 s, 500 a second\n") && !told.contains("answered"),
            "{told}"
        );
    }

    #[test]
    fn what_went_wrong_and_what_to_doubt_is_told() {
        let mut it = some();
        it.tally.failures.count(Failure::Timeout, 2);
        it.tally.failures.count(Failure::Reset, 1);
        it.tally.first_error = Some("connection reset\nby peer".to_owned());
        it.tally.unsent = 7;
        it.tally.uncorrected.record(Duration::from_millis(3));
        it.setup.pace = Pace::Scheduled { from: 500.0, to: 500.0 };
        it.doubts = vec!["messages were sent late".to_owned()];
        it.interrupted = Some(stop::ALL[0]);
        let told = report(&it, &["--fail-if p50>1us: it was 500 us".to_owned()]);
        for line in [
            "failed       3: reset 1, timeout 2; first: connection reset\\nby peer",
            "unsent       7: due before the end, with no connection free to begin them",
            "                 exchange uncorrected",
            "missed       --fail-if p50>1us: it was 500 us",
            "interrupted  by SIGINT; this is what was measured until then",
            "not trustworthy: messages were sent late",
        ] {
            assert!(told.lines().any(|told| told == line), "{line}\n{told}");
        }
    }
}
