//! What a comparison came to, as a page with plots.
//!
//! Who is cheapest stands first in every plot, so that the eye finds the same server at the same place.

mod scenario;
#[cfg(test)]
mod tests;

use super::results::{Outcome, Results};
use crate::page::{Bar, Bars, Cell, Figure, Page, Part, Plot, Section, Table, Unit};

/// The page.
pub(super) fn page(results: &Results) -> Page {
    let mut sections = Vec::new();
    if results.scenarios.len() > 1 {
        sections.push(section("In short", vec![Part::Table(summary(results))]));
    }
    for outcome in &results.scenarios {
        let mut section = scenario::section(outcome, &results.contestants);
        if results.scenarios.len() == 1 {
            // The sentence stands at the top already.
            section.parts.remove(0);
        }
        sections.push(section);
    }
    sections.push(section("What an idle connection costs", idle(results)));
    sections.push(section("How it was measured", manner(results)));
    sections.push(section("Who took part", vec![Part::Table(entrants(results))]));
    let versions = &results.versions;
    Page {
        title: format!("{} servers compared", results.contestants.len()),
        lead: lead(results),
        doubts: results.doubts.clone(),
        sections,
        origin: format!("switchboard {} ({}), {}", versions.switchboard, versions.build, results.date),
    }
}

/// What to take from the first scenario, which is the one that was asked for first.
fn lead(results: &Results) -> String {
    let said = match &results.scenarios[..] {
        [] => "Nothing was compared.".to_owned(),
        [outcome] => outcome.sentence.clone(),
        [first, ..] => format!("With {}: {}", scenario::name(first), first.sentence),
    };
    match &results.signal {
        Some(signal) => {
            format!("{said} It was interrupted by {signal}: this is what was measured until then.")
        }
        None => said,
    }
}

/// Who is the best in which scenario.
fn summary(results: &Results) -> Table {
    let row = |outcome: &Outcome| {
        let best =
            outcome.best.as_ref().and_then(|best| outcome.rows.iter().find(|row| row.contestant == *best));
        let name = Cell::text(scenario::name(outcome));
        let Some(best) = best else {
            return vec![name, Cell::text("nobody"), Cell::Missing, Cell::Missing, Cell::Missing];
        };
        vec![
            name,
            Cell::text(best.contestant.clone()),
            microseconds(best.cpu),
            number(Unit::Rate, best.messages_per_second),
            microseconds(best.p99),
        ]
    };
    Table {
        caption: "The best of each scenario".to_owned(),
        columns: ["Scenario", "Best", "CPU per message", "Messages/s", "p99"].map(str::to_owned).to_vec(),
        rows: results.scenarios.iter().map(row).collect(),
        marked: None,
    }
}

fn idle(results: &Results) -> Vec<Part> {
    let entrants = &results.contestants;
    let bar = |entrant: &super::results::Entrant| Bar {
        name: entrant.name.clone(),
        parts: entrant.idle.value.map(|kibibytes| kibibytes * 1024.0).into_iter().collect(),
        interval: None,
        note: String::new(),
        is_marked: false,
    };
    let mut bars: Vec<Bar> = entrants.iter().map(bar).collect();
    let size = |bar: &Bar| bar.parts.first().copied().unwrap_or(f64::INFINITY);
    bars.sort_by(|one, other| size(one).total_cmp(&size(other)));
    if let Some(least) = bars.first_mut().filter(|bar| !bar.parts.is_empty()) {
        least.is_marked = true;
    }
    let bars = Bars {
        axis: "memory of an idle connection: less is better".to_owned(),
        unit: Unit::Size,
        parts: Vec::new(),
        bars,
    };
    let caption = "How much memory the server's processes had more for each connection that was open and said nothing. What the kernel needs \
                   for its own part of a connection is not in it.";
    let mut parts = vec![Part::Plot(Plot::bars("Memory of an idle connection", caption, bars))];
    let mut reasons: Vec<&str> =
        entrants.iter().filter_map(|entrant| entrant.idle.missing.as_deref()).collect();
    reasons.dedup();
    parts.extend(reasons.iter().map(|why| Part::Text(format!("Not all could be measured: {why}."))));
    parts
}

fn manner(results: &Results) -> Vec<Part> {
    let Results { machine, settings, noise, versions, .. } = results;
    let text = "Every server ran as a process of its own, one at a time, under the same load, in rounds: each had its turn in every round. What \
                stands here is the median of the rounds, but for percentiles, which are of all exchanges. Ratios are medians of the ratios within \
                rounds; where 95 % of such medians lie was found by bootstrap.";
    let mut parts = vec![Part::Text(text.to_owned())];
    parts.extend(results.notes.iter().map(|note| Part::Text(note.clone())));
    let core = |core: Option<usize>| Cell::text(core.map_or("any".to_owned(), |core| format!("core {core}")));
    let noisiest = noise.iter().copied().fold(0.0, f64::max);
    let rows = [
        ("Processor", Cell::text(machine.processor.as_deref().unwrap_or("unknown"))),
        ("Cores", Cell::text(machine.cores.to_string())),
        ("The server ran on", core(machine.server_core)),
        ("The generator ran on", core(machine.generator_core)),
        ("System", Cell::text(format!("Linux {}", versions.kernel))),
        (
            "Rounds",
            Cell::text(format!(
                "{} of {}; {} repeated because of noise",
                noise.len(),
                settings.rounds,
                results.repeated
            )),
        ),
        (
            "Each measurement",
            Cell::text(format!(
                "{}, after a warm-up of {}",
                seconds(settings.seconds),
                seconds(settings.warm_up_seconds)
            )),
        ),
        ("Used by others, of a core", Cell::text(format!("{} at most", Unit::Share.say(noisiest)))),
    ];
    let rows = rows.into_iter().map(|(name, value)| vec![Cell::text(name), value]).collect();
    let columns = ["What", "How"].map(str::to_owned).to_vec();
    parts.push(Part::Table(Table {
        caption: "Machine and settings".to_owned(),
        columns,
        rows,
        marked: None,
    }));
    parts
}

fn entrants(results: &Results) -> Table {
    let row = |entrant: &super::results::Entrant| {
        vec![Cell::text(entrant.name.clone()), Cell::text(entrant.command.join(" "))]
    };
    let rows = results.contestants.iter().map(row).collect();
    let columns = ["Server", "Command"].map(str::to_owned).to_vec();
    Table { caption: "What was started".to_owned(), columns, rows, marked: None }
}

fn section(heading: &str, parts: Vec<Part>) -> Section {
    Section { heading: heading.to_owned(), parts }
}

fn figure(name: &str, value: Cell, note: String) -> Figure {
    Figure { name: name.to_owned(), value, note }
}

fn number(unit: Unit, value: Option<f64>) -> Cell {
    value.map_or(Cell::Missing, |value| Cell::Number(unit, value))
}

/// Results count them.
fn microseconds(value: Option<f64>) -> Cell {
    number(Unit::Time, value.map(|value| value * MICROSECOND))
}

fn seconds(value: f64) -> String {
    Unit::Time.short(value)
}

const MICROSECOND: f64 = 1e-6;
