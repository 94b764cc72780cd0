//! What a load came to, as a page with plots.

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::Report;
use crate::load::second::Second;
use crate::load::seek::Sought;
use crate::load::setup::Setup;
use crate::load::tally::Tally;
use crate::load::times::Times;
use crate::page::{
    Cell, Course, Figure, Line, Page, Panel, Part, Percentiles, Plot, Section, Series, Shape, Table, Unit,
    percents,
};

/// The page, as bytes.
pub(crate) fn page(report: &Report) -> Vec<u8> {
    Account(report).page(&crate::page::origin()).to_string().into_bytes()
}

/// What is told of a load.
struct Account<'a>(&'a Report);

impl Account<'_> {
    fn page(&self, origin: &str) -> Page {
        let Report { setup, seconds, doubts, sought, .. } = self.0;
        let mut sections = vec![
            section("At a glance", [Part::Figures(self.figures())]),
            section("Latency", [Part::Plot(self.latency()), Part::Table(self.latencies())]),
        ];
        if !seconds.is_empty() {
            sections.push(section("Second by second", [Part::Plot(self.course())]));
        }
        if let Some(sought) = sought {
            sections.push(section("The search for the highest rate", [Part::Table(steps(sought))]));
        }
        sections.push(section("What went wrong", self.failures()));
        sections.push(section("Whether to believe it", self.trust()));
        sections.push(section("How it was measured", self.manner()));
        Page {
            title: format!("Load on {}", setup.targets.join(" and ")),
            lead: self.lead(),
            doubts: doubts.clone(),
            sections,
            origin: origin.to_owned(),
        }
    }

    fn lead(&self) -> String {
        let Tally { exchange, failures, window, .. } = &self.0.tally;
        let mut lead = if exchange.is_empty() {
            "Nothing was answered".to_owned()
        } else {
            format!(
                "{} messages a second were answered, over {}: half of them within {}, 99 % within {}",
                Unit::Count.say(self.0.tally.rate()),
                said(*window),
                said(exchange.percentile(50.0)),
                said(exchange.percentile(99.0)),
            )
        };
        lead.push_str(&match failures.total() {
            0 => ". Nothing failed.".to_owned(),
            1 => ". One exchange failed.".to_owned(),
            failed => format!(". {} exchanges failed.", Unit::Count.say(failed as f64)),
        });
        if let Some(sought) = &self.0.sought {
            lead.push_str(&format!(" The highest rate: {sought}."));
        }
        if let Some(signal) = self.0.interrupted {
            lead.push_str(&format!(
                " It was interrupted by {}; this is what was measured until then.",
                signal.name
            ));
        }
        lead
    }

    /// Whether latency counts from a schedule.
    fn is_open(&self) -> bool {
        self.0.setup.pace.is_open()
    }

    fn figures(&self) -> Vec<Figure> {
        let tally = &self.0.tally;
        let seconds = tally.window.as_secs_f64();
        let figure = |name: &str, value, note: String| Figure { name: name.to_owned(), value, note };
        let percentile = |name, percent| {
            let times = &tally.exchange;
            let value = if times.is_empty() { Cell::Missing } else { Cell::time(times.percentile(percent)) };
            figure(name, value, String::new())
        };
        let bytes = (tally.sent + tally.received) as f64 / seconds.max(f64::MIN_POSITIVE);
        let answered = format!("{} in {}", Unit::Count.say(tally.answered as f64), said(tally.window));
        let both = format!("{}/s there and back", Unit::Size.say(if seconds > 0.0 { bytes } else { 0.0 }));
        let classes = self.classes();
        vec![
            figure(
                "Messages answered",
                Cell::Number(Unit::Rate, tally.rate()),
                format!("{answered}; {both}"),
            ),
            percentile("Median latency", 50.0),
            percentile("99th percentile", 99.0),
            percentile("99.9th percentile", 99.9),
            figure("Failures", Cell::count(tally.failures.total()), classes),
        ]
    }

    fn classes(&self) -> String {
        let classes = self.0.tally.failures.iter();
        let said: Vec<String> =
            classes.map(|(class, count)| format!("{class} {}", Unit::Count.say(count as f64))).collect();
        said.join(", ")
    }

    fn latency(&self) -> Plot {
        let tally = &self.0.tally;
        let series = |name: &str, times: &Times| Series { name: name.to_owned(), points: points(times) };
        let (series, caption) = if self.is_open() {
            let both =
                vec![series("from when due", &tally.exchange), series("from when sent", &tally.uncorrected)];
            let caption = "To the right are the slowest exchanges: each step is ten times rarer, and upwards is slower, both on \
                           logarithmic scales. The solid line counts from the moment a message was due, the dashed one from when it was really \
                           sent: the gap between them is the time that messages waited because those before them were not answered.";
            (both, caption)
        } else {
            let caption = "To the right are the slowest exchanges: at 99 %, one in a hundred took longer than the line shows. Each step is \
                           ten times rarer, and upwards is slower, both on logarithmic scales; the flatter, the better.";
            (vec![series("exchange", &tally.exchange), series("first byte", &tally.first_byte)], caption)
        };
        Plot::percentiles("How long the slowest took", caption, Percentiles { unit: Unit::Time, series })
    }

    fn latencies(&self) -> Table {
        let tally = &self.0.tally;
        let mut kinds = vec![("exchange", &tally.exchange)];
        if self.is_open() {
            kinds = vec![
                ("exchange, from when due", &tally.exchange),
                ("exchange, from when sent", &tally.uncorrected),
            ];
        }
        kinds.extend([("first byte", &tally.first_byte), ("connect", &tally.connect)]);
        times("Times", &kinds)
    }

    fn course(&self) -> Plot {
        let seconds = Second::thinned(&self.0.seconds);
        let line = |name: &str, value: &dyn Fn(&Second) -> Option<f64>| Line {
            name: name.to_owned(),
            values: seconds.iter().map(value).collect(),
        };
        let panel = |name: &str, unit, shape, lines| Panel { name: name.to_owned(), unit, shape, lines };
        let rate =
            line("answered", &|second| (second.length > 0.0).then(|| second.answered as f64 / second.length));
        let times = vec![
            line("median", &|second| second.median.map(|time| time.as_secs_f64())),
            line("99th percentile", &|second| second.slow.map(|time| time.as_secs_f64())),
        ];
        let mut panels = vec![
            panel("Messages/s", Unit::Count, Shape::Lines, vec![rate]),
            panel("Latency", Unit::Time, Shape::LogLines, times),
        ];
        let mut caption = "Time goes to the right; what is shaded is the warm-up, which does not count. Where the rate dips or the latency peaks, \
                           the server was held up, or something beside it.".to_owned();
        if seconds.iter().any(|second| second.failed > 0) {
            let failures = line("failures", &|second| Some(second.failed as f64));
            panels.push(panel("Failures", Unit::Count, Shape::Columns, vec![failures]));
        } else {
            caption.push_str(" There were no failures.");
        }
        if seconds.len() < self.0.seconds.len() {
            let each = self.0.seconds.len().div_ceil(seconds.len());
            caption.push_str(&format!(" Each point stands for {each} seconds, and for the slowest of them."));
        }
        let begin =
            seconds.iter().take_while(|second| !second.counts).last().map_or(0.0, |second| second.end);
        let times = seconds.iter().map(|second| second.end).collect();
        Plot::course("How it went", caption, Course { times, begin, panels })
    }

    fn failures(&self) -> Vec<Part> {
        let tally = &self.0.tally;
        if tally.failures.total() == 0 && tally.unsent == 0 {
            return vec![Part::Text("Nothing.".to_owned())];
        }
        let all = (tally.answered + tally.failures.total()) as f64;
        let row = |name: &str, count: u64| {
            vec![Cell::text(name), Cell::count(count), Cell::Number(Unit::Share, count as f64 / all.max(1.0))]
        };
        let mut rows: Vec<Vec<Cell>> =
            tally.failures.iter().map(|(class, count)| row(class.name(), count)).collect();
        if tally.unsent > 0 {
            rows.push(row("due, and never sent", tally.unsent));
        }
        let columns = ["Class", "Exchanges", "Of all"].map(str::to_owned).to_vec();
        let table = Table { caption: "By class".to_owned(), columns, rows, marked: None };
        let mut parts = vec![Part::Table(table)];
        if let Some(error) = &tally.first_error {
            parts.push(Part::Text(format!("The first that the system had something to say of: {error}.")));
        }
        parts
    }

    fn trust(&self) -> Vec<Part> {
        let doubt = &self.0.tally.doubt;
        let verdict = if self.0.doubts.is_empty() {
            "The generator was not the limit, as far as it can tell by itself. These are its own delays, to be compared with the latencies above."
        } else {
            "There are reasons not to, which stand at the top. These are the generator's own delays, to be compared with the latencies above."
        };
        let mut kinds = vec![("a pass of its loop", &doubt.lag)];
        if self.is_open() {
            kinds.insert(0, ("sent later than due", &doubt.slip));
        }
        let mut parts =
            vec![Part::Text(verdict.to_owned()), Part::Table(times("Delays of the generator", &kinds))];
        let rows: Vec<Vec<Cell>> = (doubt.threads.iter().enumerate())
            .map(|(index, share)| {
                let waited = Cell::Number(Unit::Share, share.waited);
                vec![Cell::text(format!("thread {index}")), Cell::Number(Unit::Share, share.ran), waited]
            })
            .collect();
        if !rows.is_empty() {
            let columns = ["Thread", "Ran", "Waited for a processor"].map(str::to_owned).to_vec();
            let caption = "What the generator had of its processors".to_owned();
            parts.push(Part::Table(Table { caption, columns, rows, marked: None }));
        }
        parts
    }

    fn manner(&self) -> Vec<Part> {
        let pace = if self.is_open() {
            "The load was an open loop: messages were due on a schedule, whatever the server did, and their time counts from when they \
             were due. So a server that stands still is charged for all that waits meanwhile."
        } else {
            "The load was a closed loop: each connection waited for its answer before it went on. A server that stands still gets less to do \
             meanwhile, so that the slowest percentiles flatter it; an open loop (a rate) would not."
        };
        let rows = self.settings().into_iter().map(|(name, value)| vec![Cell::text(name), value]).collect();
        let columns = ["What", "How"].map(str::to_owned).to_vec();
        let table = Table { caption: "What was asked for".to_owned(), columns, rows, marked: None };
        vec![Part::Text(pace.to_owned()), Part::Table(table)]
    }

    fn settings(&self) -> Vec<(&'static str, Cell)> {
        let Setup { transport, connections, threads, in_flight, size, expect, verify, pace, .. } =
            &self.0.setup;
        let verified = if *verify && expect != "none" { ", every byte compared" } else { "" };
        let each = if self.0.setup.churn { ", each for one message" } else { "" };
        let mut all = vec![
            ("Target", Cell::text(format!("{} over {transport}", self.0.setup.targets.join(" and ")))),
            ("Connections", Cell::text(format!("{}{each}", Unit::Count.say(*connections as f64)))),
            ("In flight, each", Cell::text(in_flight.to_string())),
            ("Pace", Cell::text(pace.to_string())),
            (
                "Message",
                Cell::text(format!("{}, answered with {expect}{verified}", Unit::Size.short(*size as f64))),
            ),
            ("Warm-up", Cell::text(Unit::Time.short(self.0.setup.warm_up.as_secs_f64()))),
            ("Measured for", Cell::text(said(self.0.tally.window))),
            ("Time-out", Cell::text(Unit::Time.short(self.0.setup.timeout.as_secs_f64()))),
            (
                "Generator",
                Cell::text(format!("threads: {threads}, on {}", self.0.setup.engines.join(" and "))),
            ),
        ];
        if self.0.loads > 1 {
            all.push(("Loads", Cell::text(format!("{} at the same time, added up", self.0.loads))));
        }
        all
    }
}

/// The rates that were tried.
fn steps(sought: &Sought) -> Table {
    let rows = sought.steps.iter().map(|step| {
        let rates = [step.rate, step.answered].map(|rate| Cell::Number(Unit::Rate, rate));
        let [tried, answered] = rates;
        vec![tried, answered, Cell::text(step.was.clone()), Cell::text(step.outcome.name())]
    });
    Table {
        caption: format!("Looking for {}", sought.limit),
        columns: ["Tried", "Answered", "Came to", "So it was"].map(str::to_owned).to_vec(),
        marked: sought.steps.iter().position(|step| Some(step.rate) == sought.best),
        rows: rows.collect(),
    }
}

fn section(heading: &str, parts: impl Into<Vec<Part>>) -> Section {
    Section { heading: heading.to_owned(), parts: parts.into() }
}

/// What a plot of percentiles shows of them.
fn points(times: &Times) -> Vec<(f64, f64)> {
    if times.is_empty() {
        return Vec::new();
    }
    percents(times.count())
        .into_iter()
        .map(|percent| (percent, times.percentile(percent).as_secs_f64()))
        .collect()
}

/// A row for each kind there is.
fn times(caption: &str, kinds: &[(&str, &Times)]) -> Table {
    let columns = ["Of", "Count", "Mean", "p50", "p90", "p99", "p99.9", "p99.99", "Max"];
    let row = |(name, times): &(&str, &Times)| {
        let percentiles =
            [50.0, 90.0, 99.0, 99.9, 99.99].map(|percent| Cell::time(times.percentile(percent)));
        let mut cells = vec![Cell::text(*name), Cell::count(times.count()), Cell::time(times.mean())];
        cells.extend(percentiles);
        cells.push(Cell::time(times.max()));
        cells
    };
    let rows = kinds.iter().filter(|(_, times)| !times.is_empty()).map(row).collect();
    let columns = columns.map(str::to_owned).to_vec();
    Table { caption: caption.to_owned(), columns, rows, marked: None }
}

fn said(time: Duration) -> String {
    Unit::Time.say(time.as_secs_f64())
}
