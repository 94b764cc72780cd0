//! The results as a person reads them: an aligned table for each scenario, a sentence below it, and what to know of all of them.

use super::contestant::describe;
use super::results::{Entrant, Figure, Outcome, Results, Row};
use super::verdict::with_interval;

/// All of it.
pub(super) fn render(results: &Results) -> String {
    let mut text = header(results);
    for outcome in &results.scenarios {
        text.push('\n');
        describe(&mut text, &outcome.service, outcome.connections, outcome.size).expect("a string takes all");
        text.push('\n');
        text.push_str(&table(outcome, &results.contestants));
        text.push_str(&format!("{}\n", outcome.sentence));
    }
    if !results.notes.is_empty() {
        text.push('\n');
    }
    results.notes.iter().for_each(|note| text.push_str(&format!("{note}\n")));
    results.doubts.iter().for_each(|doubt| text.push_str(&format!("not trustworthy: {doubt}\n")));
    text
}

fn header(results: &Results) -> String {
    let Results { versions, machine, settings, noise, .. } = results;
    let processor = machine.processor.as_deref().unwrap_or("an unknown processor");
    let plural = if machine.cores == 1 { "" } else { "s" };
    format!(
        "switchboard {} ({}), Linux {}, {} core{plural} of {processor}; {} of {} rounds of {:.3} s, {}\n",
        versions.switchboard,
        versions.build,
        versions.kernel,
        machine.cores,
        noise.len(),
        settings.rounds,
        settings.seconds,
        results.date,
    )
}

fn table(outcome: &Outcome, entrants: &[Entrant]) -> String {
    let idle = |name: &str| entrants.iter().find(|entrant| entrant.name == name).map(|entrant| &entrant.idle);
    let rows = outcome.rows.iter().map(|row| cells(row, idle(&row.contestant)));
    let all: Vec<Vec<String>> = [COLUMNS.map(str::to_owned).to_vec()].into_iter().chain(rows).collect();
    let mut text = aligned(&all);
    for row in outcome.rows.iter().filter(|row| !row.is_sound()) {
        text.push_str(&format!("{}: {}\n", row.contestant, what_it_came_to(row)));
    }
    text
}

/// The first column to the left, others to the right, as wide as they have to be.
pub(super) fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn cells(row: &Row, idle: Option<&Figure>) -> Vec<String> {
    let number = |value: Option<f64>, digits: usize| match value {
        Some(value) => format!("{value:.digits$}"),
        None => DASH.to_owned(),
    };
    let divided = match (row.user, row.system) {
        (Some(user), Some(system)) => format!("{user:.2}+{system:.2}"),
        _ => DASH.to_owned(),
    };
    let ratio = row.cpu_ratio.map_or_else(|| DASH.to_owned(), |ratio| with_interval(&ratio));
    vec![
        row.contestant.clone(),
        number(row.messages_per_second, 0),
        number(row.p50, 0),
        number(row.p99, 0),
        number(row.p999, 0),
        number(row.cpu, 2),
        divided,
        number(row.system_calls.value, 2),
        number(row.switches, 2),
        number(idle.and_then(|figure| figure.value), 1),
        ratio,
    ]
}

/// Of one that did not bear it.
pub(super) fn what_it_came_to(row: &Row) -> String {
    let failures = row.failures.iter().map(|(class, count)| format!("{count} × {class}"));
    let parts: Vec<_> = failures.chain(row.trouble.clone()).collect();
    match (parts.is_empty(), row.rounds.is_empty()) {
        (true, true) => "not measured".to_owned(),
        (true, false) => "nothing was answered".to_owned(),
        _ => parts.join("; "),
    }
}

const DASH: &str = "–";

const COLUMNS: [&str; 11] = [
    "",
    "messages/s",
    "p50 µs",
    "p99 µs",
    "p99.9 µs",
    "CPU µs/msg",
    "user+system",
    "calls/msg",
    "switches/msg",
    "KiB/idle",
    "CPU to the best",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let text = aligned(&[row(["", "µs", "n"]), row(["threads", "1", "200"]), row(["a", "30", "–"])]);
        assert_eq!(text, "         µs    n\nthreads   1  200\na        30    –\n");
    }

    #[test]
    fn who_did_not_bear_it_has_said_what_it_came_to() {
        let mut row = Row { contestant: "blocking".to_owned(), ..Row::default() };
        assert_eq!(what_it_came_to(&row), "not measured");
        row.rounds.push(super::super::results::Turn::default());
        assert_eq!(what_it_came_to(&row), "nothing was answered");
        row.failures.insert("timeout".to_owned(), 49);
        row.trouble = Some("it ended".to_owned());
        assert_eq!(what_it_came_to(&row), "49 × timeout; it ended");
    }
}
