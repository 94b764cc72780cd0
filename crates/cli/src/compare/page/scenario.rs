//! What a scenario came to, as a section of the page.

use super::{MICROSECOND, figure, microseconds, number};
use crate::compare::contestant::describe;
use crate::compare::results::{Entrant, Outcome, Row, Turn};
use crate::compare::statistics::Ratio;
use crate::compare::table::what_it_came_to;
use crate::page::{
    Bar, Bars, Cell, Figure, Part, Percentiles, Plot, Section, Series, Spread, Spreads, Table, Unit,
};

pub(super) fn section(outcome: &Outcome, entrants: &[Entrant]) -> Section {
    let mut parts = vec![Part::Text(outcome.sentence.clone())];
    if let Some(best) = best(outcome) {
        parts.push(Part::Figures(figures(best, entrants)));
        if let Some(entrant) = entrants.iter().find(|entrant| entrant.name == best.contestant) {
            parts.push(Part::Text(format!("{} was started so:", best.contestant)));
            parts.push(Part::Command(entrant.command.join(" ")));
        }
    }
    parts.push(Part::Plot(cpu(outcome)));
    parts.push(Part::Plot(rate(outcome)));
    parts.push(Part::Plot(latency(outcome)));
    parts.push(Part::Plot(percentiles(outcome)));
    parts.push(Part::Table(table(outcome, entrants)));
    for row in outcome.rows.iter().filter(|row| !row.is_sound()) {
        parts.push(Part::Text(format!("{}: {}.", row.contestant, what_it_came_to(row))));
    }
    Section { heading: name(outcome), parts }
}

/// What was asked of the servers.
pub(super) fn name(outcome: &Outcome) -> String {
    let mut name = String::new();
    describe(&mut name, &outcome.service, outcome.connections, outcome.size).expect("a string takes all");
    name
}

fn figures(best: &Row, entrants: &[Entrant]) -> Vec<Figure> {
    let name = || best.contestant.clone();
    let idle = entrants
        .iter()
        .find(|entrant| entrant.name == best.contestant)
        .and_then(|entrant| entrant.idle.value);
    vec![
        figure("CPU per message", microseconds(best.cpu), name()),
        figure("Messages answered", number(Unit::Rate, best.messages_per_second), name()),
        figure("Median latency", microseconds(best.p50), name()),
        figure("99th percentile", microseconds(best.p99), name()),
        figure("Idle connection", number(Unit::Size, idle.map(|kibibytes| kibibytes * 1024.0)), name()),
    ]
}

fn cpu(outcome: &Outcome) -> Plot {
    let is_divided =
        outcome.rows.iter().all(|row| row.cpu.is_none() || (row.user.is_some() && row.system.is_some()));
    let bar = |row: &Row| {
        let parts = match (row.cpu, row.user, row.system) {
            // Medians do not add up: of the whole, each has its share.
            (Some(cpu), Some(user), Some(system)) if is_divided && user + system > 0.0 => {
                [user, system].map(|part| cpu * part / (user + system) * MICROSECOND).to_vec()
            }
            (Some(cpu), ..) if is_divided => vec![cpu * MICROSECOND, 0.0],
            (cpu, ..) => cpu.map(|cpu| cpu * MICROSECOND).into_iter().collect(),
        };
        Bar {
            parts,
            interval: interval(row, |turn| turn.cpu.map(|cpu| cpu * MICROSECOND)),
            note: row.cpu_ratio.map_or(String::new(), |ratio| Unit::Factor.say(ratio.median)),
            ..named(outcome, row)
        }
    };
    let parts = if is_divided { ["user space", "kernel"].map(str::to_owned).to_vec() } else { Vec::new() };
    let axis = "server CPU per message: less is better".to_owned();
    let bars = Bars { axis, unit: Unit::Time, parts, bars: outcome.rows.iter().map(bar).collect() };
    let caption = "The shorter the bar, the less processor time the server spends on a message, however fast messages come. Whiskers hold the median \
                   with 95 % confidence, if there were rounds enough; the factor is to the best.";
    Plot::bars("What a message costs", caption, bars)
}

fn rate(outcome: &Outcome) -> Plot {
    let bar = |row: &Row| Bar {
        parts: row.messages_per_second.into_iter().collect(),
        interval: interval(row, Turn::rate),
        ..named(outcome, row)
    };
    let axis = "messages answered a second: more is better".to_owned();
    let bars =
        Bars { axis, unit: Unit::Rate, parts: Vec::new(), bars: outcome.rows.iter().map(bar).collect() };
    let caption = "In the same order. All connections together, each of which waits for its answer; where the generator had no time left, this is what \
                   it could do, not the server.";
    Plot::bars("How many messages are answered", caption, bars)
}

fn latency(outcome: &Outcome) -> Plot {
    let spread = |row: &Row| {
        let values: Option<Vec<f64>> = [row.p50, row.p99, row.p999].into_iter().collect();
        Spread {
            name: shown(row),
            values: values.unwrap_or_default().into_iter().map(|value| value * MICROSECOND).collect(),
            is_marked: is_best(outcome, row),
        }
    };
    let marks = ["median", "99 %", "99.9 %"].map(str::to_owned).to_vec();
    let axis = "latency, on a logarithmic axis: further left is better".to_owned();
    let spreads =
        Spreads { axis, unit: Unit::Time, marks, spreads: outcome.rows.iter().map(spread).collect() };
    let caption = "In the same order. From the disc on, half of the exchanges took longer, from the square on one in a hundred, and from the triangle on one \
                   in a thousand: a short line says that all are served alike.";
    Plot::spreads("How long an exchange takes", caption, spreads)
}

/// Of the best, and of those next to it: more lines than that nobody tells apart.
fn percentiles(outcome: &Outcome) -> Plot {
    let drawn = outcome.rows.iter().filter(|row| !row.percentiles.is_empty() && row.is_sound());
    let series: Vec<Series> = drawn
        .take(MOST)
        .map(|row| {
            let tail = row.percentiles.iter().filter(|(percent, _)| *percent < 100.0);
            let points = tail.map(|(percent, value)| (*percent, value * MICROSECOND)).collect();
            Series { name: row.contestant.clone(), points }
        })
        .collect();
    let few = if outcome.rows.len() > series.len() {
        format!(" Drawn are the {} that spend the least.", series.len())
    } else {
        String::new()
    };
    let caption = format!(
        "To the right are the slowest exchanges: each step is ten times rarer, and upwards is slower, both on logarithmic scales; the flatter, the \
         better.{few}"
    );
    Plot::percentiles("How long the slowest take", caption, Percentiles { unit: Unit::Time, series })
}

fn table(outcome: &Outcome, entrants: &[Entrant]) -> Table {
    let columns = [
        "Server",
        "Messages/s",
        "p50",
        "p99",
        "p99.9",
        "CPU",
        "User",
        "Kernel",
        "Calls",
        "Switches",
        "Idle connection",
        "CPU to the best",
        "Failures",
    ];
    let row = |row: &Row| {
        let idle = entrants
            .iter()
            .find(|entrant| entrant.name == row.contestant)
            .and_then(|entrant| entrant.idle.value);
        let ratio = row.cpu_ratio.map_or(Cell::Missing, |ratio| match (ratio.low, ratio.high) {
            (Some(low), Some(high)) => Cell::Between(Unit::Factor, ratio.median, (low, high)),
            _ => Cell::Number(Unit::Factor, ratio.median),
        });
        let mut cells =
            vec![Cell::text(row.contestant.clone()), number(Unit::Count, row.messages_per_second)];
        cells.extend([row.p50, row.p99, row.p999, row.cpu, row.user, row.system].map(microseconds));
        cells.extend([row.system_calls.value, row.switches].map(|count| number(Unit::Average, count)));
        cells.push(number(Unit::Size, idle.map(|kibibytes| kibibytes * 1024.0)));
        cells.extend([ratio, Cell::count(row.failed())]);
        cells
    };
    Table {
        caption: "All figures; CPU, calls and switches are per message".to_owned(),
        columns: columns.map(str::to_owned).to_vec(),
        rows: outcome.rows.iter().map(row).collect(),
        marked: outcome.rows.iter().position(|row| is_best(outcome, row)),
    }
}

/// Where the median of the rounds lies, with 95 % confidence; `None` if there were too few.
fn interval(row: &Row, figure: impl Fn(&Turn) -> Option<f64>) -> Option<(f64, f64)> {
    let values: Vec<Option<f64>> = row.rounds.iter().map(figure).collect();
    let ratio = Ratio::paired(&values, &vec![Some(1.0); values.len()])?;
    ratio.low.zip(ratio.high)
}

/// A bar of this name, of nothing.
fn named(outcome: &Outcome, row: &Row) -> Bar {
    let (name, is_marked) = (shown(row), is_best(outcome, row));
    Bar { name, parts: Vec::new(), interval: None, note: String::new(), is_marked }
}

/// Whoever did not bear it says so wherever it is shown.
fn shown(row: &Row) -> String {
    if row.is_sound() { row.contestant.clone() } else { format!("{} (failed)", row.contestant) }
}

fn is_best(outcome: &Outcome, row: &Row) -> bool {
    outcome.best.as_ref() == Some(&row.contestant)
}

fn best(outcome: &Outcome) -> Option<&Row> {
    outcome.rows.iter().find(|row| is_best(outcome, row))
}

/// Lines in a plot of percentiles.
const MOST: usize = 6;
