//! The results as lines for a spreadsheet: one for each contestant in each scenario, and one for each of their figures' names.
//!
//! No field needs quotes: names hold neither commas nor quotes nor line ends, and all others are numbers. What could not be had is empty.

use super::results::{Results, Row};

/// All of it.
pub(super) fn render(results: &Results) -> String {
    let mut text = format!("{}\n", COLUMNS.join(","));
    for outcome in &results.scenarios {
        for row in &outcome.rows {
            let idle = results.contestants.iter().find(|entrant| entrant.name == row.contestant);
            let idle = idle.and_then(|entrant| entrant.idle.value);
            let scenario = format!("{},{},{}", outcome.service, outcome.connections, outcome.size);
            text.push_str(&format!("{scenario},{}\n", line(row, idle)));
        }
    }
    text
}

fn line(row: &Row, idle: Option<f64>) -> String {
    let ratio = row.cpu_ratio;
    let figures = [
        row.messages_per_second,
        row.p50,
        row.p99,
        row.p999,
        row.cpu,
        row.user,
        row.system,
        row.system_calls.value,
        row.switches,
        idle,
        ratio.map(|ratio| ratio.median),
        ratio.and_then(|ratio| ratio.low),
        ratio.and_then(|ratio| ratio.high),
    ];
    let figures = figures.map(|figure| figure.map(|figure| format!("{figure:.4}")).unwrap_or_default());
    format!("{},{},{}", row.contestant, figures.join(","), row.failed())
}

const COLUMNS: [&str; 18] = [
    "service",
    "connections",
    "size",
    "contestant",
    "messages_per_second",
    "p50_us",
    "p99_us",
    "p999_us",
    "cpu_us",
    "user_us",
    "system_us",
    "system_calls",
    "switches",
    "idle_kib",
    "cpu_ratio",
    "cpu_ratio_low",
    "cpu_ratio_high",
    "failures",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_field_for_each_name() {
        let row = Row { contestant: "tasks/epoll".to_owned(), cpu: Some(7.5), ..Row::default() };
        let line = line(&row, Some(1.25));
        assert_eq!(line, "tasks/epoll,,,,,7.5000,,,,,1.2500,,,,0");
        assert_eq!(3 + line.split(',').count(), COLUMNS.len());
    }
}
