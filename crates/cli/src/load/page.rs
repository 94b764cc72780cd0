//! What a load came to, as a page with plots.

mod second;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub(crate) use second::Second;

use super::seek::Sought;
use super::tally::Tally;
use super::times::Times;
use crate::page::{
    Cell, Course, Figure, Line, Page, Panel, Part, Percentiles, Plot, Section, Series, Shape, Table, Unit,
    percents,
};

/// What is told of a load.
#[derive(Debug)]
pub(crate) struct Account<'a> {
    /// On whom it was put.
    pub(crate) target: String,
    /// Whether latency counts from a schedule.
    pub(crate) is_open: bool,
    /// What was done, name by name.
    pub(crate) setup: Vec<(String, Cell)>,
    pub(crate) tally: &'a Tally,
    /// How it went; empty if nobody watched it.
    pub(crate) seconds: &'a [Second],
    /// The search for the highest rate, if there was one.
    pub(crate) sought: Option<&'a Sought>,
    /// Why not to believe it.
    pub(crate) doubts: &'a [String],
    /// What else there is to know: that it was interrupted, or which limits were missed.
    pub(crate) notes: Vec<String>,
    /// By what, and when, the page was made.
    pub(crate) origin: String,
}

impl Account<'_> {
    /// The page.
    pub(crate) fn page(&self) -> Page {
        let mut sections = vec![
            section("At a glance", [Part::Figures(self.figures())]),
            section("Latency", [Part::Plot(self.latency()), Part::Table(self.latencies())]),
        ];
        if !self.seconds.is_empty() {
            sections.push(section("Second by second", [Part::Plot(self.course())]));
        }
        if let Some(sought) = self.sought {
            sections.push(section("The search for the highest rate", [Part::Table(steps(sought))]));
        }
        sections.push(section("What went wrong", self.failures()));
        sections.push(section("Whether to believe it", self.trust()));
        sections.push(section("How it was measured", self.manner()));
        Page {
            title: format!("Load on {}", self.target),
            lead: self.lead(),
            doubts: self.doubts.to_vec(),
            sections,
            origin: self.origin.clone(),
        }
    }

    fn lead(&self) -> String {
        let Tally { exchange, failures, window, .. } = self.tally;
        let mut lead = if exchange.is_empty() {
            "Nothing was answered".to_owned()
        } else {
            format!(
                "{} messages a second were answered, over {}: half of them within {}, 99 % within {}",
                Unit::Count.say(self.tally.rate()),
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
        for note in &self.notes {
            lead.push_str(&format!(" {note}"));
        }
        lead
    }

    fn figures(&self) -> Vec<Figure> {
        let tally = self.tally;
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
        let classes = self.tally.failures.iter();
        let said: Vec<String> =
            classes.map(|(class, count)| format!("{class} {}", Unit::Count.say(count as f64))).collect();
        said.join(", ")
    }

    fn latency(&self) -> Plot {
        let tally = self.tally;
        let series = |name: &str, times: &Times| Series { name: name.to_owned(), points: points(times) };
        let (series, caption) = if self.is_open {
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
        let tally = self.tally;
        let mut kinds = vec![("exchange", &tally.exchange)];
        if self.is_open {
            kinds = vec![
                ("exchange, from when due", &tally.exchange),
                ("exchange, from when sent", &tally.uncorrected),
            ];
        }
        kinds.extend([("first byte", &tally.first_byte), ("connect", &tally.connect)]);
        times("Times", &kinds)
    }

    fn course(&self) -> Plot {
        let seconds = Second::thinned(self.seconds);
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
        if seconds.len() < self.seconds.len() {
            let each = self.seconds.len().div_ceil(seconds.len());
            caption.push_str(&format!(" Each point stands for {each} seconds, and for the slowest of them."));
        }
        let begin =
            seconds.iter().take_while(|second| !second.counts).last().map_or(0.0, |second| second.end);
        let times = seconds.iter().map(|second| second.end).collect();
        Plot::course("How it went", caption, Course { times, begin, panels })
    }

    fn failures(&self) -> Vec<Part> {
        let tally = self.tally;
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
        let doubt = &self.tally.doubt;
        let verdict = if self.doubts.is_empty() {
            "The generator was not the limit, as far as it can tell by itself. These are its own delays, to be compared with the latencies above."
        } else {
            "There are reasons not to, which stand at the top. These are the generator's own delays, to be compared with the latencies above."
        };
        let mut kinds = vec![("a pass of its loop", &doubt.lag)];
        if self.is_open {
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
        let pace = if self.is_open {
            "The load was an open loop: messages were due on a schedule, whatever the server did, and their time counts from when they \
             were due. So a server that stands still is charged for all that waits meanwhile."
        } else {
            "The load was a closed loop: each connection waited for its answer before it went on. A server that stands still gets less to do \
             meanwhile, so that the slowest percentiles flatter it; an open loop (a rate) would not."
        };
        let rows =
            self.setup.iter().map(|(name, value)| vec![Cell::text(name.clone()), value.clone()]).collect();
        let columns = ["What", "How"].map(str::to_owned).to_vec();
        let table = Table { caption: "What was asked for".to_owned(), columns, rows, marked: None };
        vec![Part::Text(pace.to_owned()), Part::Table(table)]
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
