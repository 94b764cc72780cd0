//! Two result files, one against the other: what has changed since, as far as the runs can tell.
//!
//! They have no common rounds, so a ratio is that of medians, and its interval comes from rounds drawn in each of them by itself.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use super::contestant::describe;
use super::options::Form;
use super::results::{Outcome, Results, Row, Turn};
use super::statistics::Ratio;
use super::table::aligned;
use super::verdict::{listed, with_interval};
use super::{FORMAT, print};
use crate::error::{Error, plain, reason};

/// What has changed, in one scenario. Its fields are keys of `--files --json`.
#[derive(Debug, Serialize)]
struct Change {
    service: String,
    connections: usize,
    size: usize,
    rows: Vec<Changed>,
    sentence: String,
}

/// What has changed of a contestant. Microseconds, and ratios of new to old.
#[derive(Debug, Serialize)]
struct Changed {
    contestant: String,
    old_cpu: Option<f64>,
    new_cpu: Option<f64>,
    cpu_ratio: Option<Ratio>,
    rate_ratio: Option<Ratio>,
}

/// As much of a file as says whether it is one of ours.
#[derive(Debug, Deserialize)]
struct Head {
    event: String,
    format: u32,
}

/// Compares them, and says what has changed.
pub(super) fn run(old: &Path, new: &Path, form: Form) -> Result<ExitCode, Error> {
    let (before, after) = (read(old)?, read(new)?);
    let changes = changes(&before, &after);
    if changes.is_empty() {
        let (old, new) = (old.display(), new.display());
        return Err(Error::refused(format_args!(
            "{old} and {new} have no contestant in a common scenario; compare the same ones"
        )));
    }
    let notes = differences(&before, &after);
    print(&match form {
        Form::Table => table(&changes, &notes),
        Form::Csv => csv(&changes),
        Form::Json => {
            let told = serde_json::json!({ "event": "compared files", "scenarios": changes, "notes": notes });
            format!("{told}\n")
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<Results, Error> {
    let shown = path.display();
    let file = File::open(path)
        .map_err(|error| Error::refused(format_args!("cannot read {shown}: {}", reason(&error))))?;
    let foreign = |why: &str| {
        Error::refused(format_args!("{shown}: no result of `switchboard compare --json`: {}", plain(why)))
    };
    let value: serde_json::Value =
        serde_json::from_reader(BufReader::new(file)).map_err(|error| foreign(&error.to_string()))?;
    let head = Head::deserialize(&value).map_err(|error| foreign(&error.to_string()))?;
    if head.event != "compared" || head.format != FORMAT {
        return Err(foreign(&format!(
            "it is of format {} of {:?}, and this reads format {FORMAT}",
            head.format, head.event
        )));
    }
    Results::deserialize(value).map_err(|error| foreign(&error.to_string()))
}

/// Of scenarios and contestants that are in both.
fn changes(before: &Results, after: &Results) -> Vec<Change> {
    let pairs = after.scenarios.iter().filter_map(|new| {
        let is_same = |old: &&Outcome| {
            (&old.service, old.connections, old.size) == (&new.service, new.connections, new.size)
        };
        Some((before.scenarios.iter().find(is_same)?, new))
    });
    let changes = pairs.map(|(old, new)| {
        let rows: Vec<_> = new
            .rows
            .iter()
            .filter_map(|row| {
                Some(changed(old.rows.iter().find(|old| old.contestant == row.contestant)?, row))
            })
            .collect();
        let Outcome { service, connections, size, .. } = new;
        let sentence = sentence(&rows);
        Change { service: service.clone(), connections: *connections, size: *size, rows, sentence }
    });
    changes.filter(|change| !change.rows.is_empty()).collect()
}

fn changed(old: &Row, new: &Row) -> Changed {
    let ratio = |figure: fn(&Turn) -> Option<f64>| {
        let of = |row: &Row| row.rounds.iter().filter_map(figure).collect::<Vec<_>>();
        Ratio::unpaired(&of(new), &of(old))
    };
    Changed {
        contestant: new.contestant.clone(),
        old_cpu: old.cpu,
        new_cpu: new.cpu,
        cpu_ratio: ratio(|turn| turn.cpu),
        rate_ratio: ratio(Turn::rate),
    }
}

fn sentence(rows: &[Changed]) -> String {
    let of = |is: fn(&Ratio) -> bool| {
        let names = rows.iter().filter(|row| row.cpu_ratio.is_some_and(|ratio| is(&ratio)));
        names.map(|row| &*row.contestant).collect::<Vec<_>>()
    };
    let parts: Vec<_> = [
        (of(|ratio| ratio.differs() && ratio.median < 1.0), "less CPU for a message than before"),
        (of(|ratio| ratio.differs() && ratio.median > 1.0), "more CPU for a message than before"),
        (of(|ratio| !ratio.differs()), "no difference that these runs can show"),
    ]
    .into_iter()
    .filter(|(names, _)| !names.is_empty())
    .map(|(names, what)| format!("{what}: {}", listed(&names)))
    .collect();
    let text = if parts.is_empty() { "nothing was measured in both".to_owned() } else { parts.join("; ") };
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// Why they may differ for other reasons.
fn differences(before: &Results, after: &Results) -> Vec<String> {
    let differs =
        |what: &str, old: &str, new: &str| (old != new).then(|| format!("{what}: {old} before, {new} now."));
    let processor = |results: &Results| results.machine.processor.clone().unwrap_or_default();
    [
        differs("Processor", &processor(before), &processor(after)),
        differs("Cores", &before.machine.cores.to_string(), &after.machine.cores.to_string()),
        differs("Kernel", &before.versions.kernel, &after.versions.kernel),
        differs("Build", &before.versions.build, &after.versions.build),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn table(changes: &[Change], notes: &[String]) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"));
    let ratio = |ratio: Option<Ratio>| ratio.map_or_else(|| "–".to_owned(), |ratio| with_interval(&ratio));
    let mut text = String::new();
    for change in changes {
        describe(&mut text, &change.service, change.connections, change.size).expect("a string takes all");
        text.push('\n');
        let mut rows = vec![COLUMNS.map(str::to_owned).to_vec()];
        rows.extend(change.rows.iter().map(|row| {
            vec![
                row.contestant.clone(),
                number(row.old_cpu),
                number(row.new_cpu),
                ratio(row.cpu_ratio),
                ratio(row.rate_ratio),
            ]
        }));
        text.push_str(&format!("{}{}\n\n", aligned(&rows), change.sentence));
    }
    notes.iter().for_each(|note| text.push_str(&format!("{note}\n")));
    text.trim_end().to_owned() + "\n"
}

fn csv(changes: &[Change]) -> String {
    let mut text =
        "service,connections,size,contestant,old_cpu_us,new_cpu_us,cpu_ratio,cpu_ratio_low,cpu_ratio_high\n"
            .to_owned();
    for Change { service, connections, size, rows, .. } in changes {
        for row in rows {
            let ratio = row.cpu_ratio;
            let figures = [
                row.old_cpu,
                row.new_cpu,
                ratio.map(|ratio| ratio.median),
                ratio.and_then(|ratio| ratio.low),
                ratio.and_then(|ratio| ratio.high),
            ];
            let figures =
                figures.map(|figure| figure.map(|figure| format!("{figure:.4}")).unwrap_or_default());
            text.push_str(&format!(
                "{service},{connections},{size},{},{}\n",
                row.contestant,
                figures.join(",")
            ));
        }
    }
    text
}

const COLUMNS: [&str; 5] = ["", "CPU µs/msg before", "now", "now to before", "messages/s, now to before"];

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, cpu: f64) -> Row {
        let turn = |round| Turn { round, cpu: Some(cpu + round as f64 / 100.0), ..Turn::default() };
        Row {
            contestant: name.to_owned(),
            cpu: Some(cpu),
            rounds: (0..8).map(turn).collect(),
            ..Row::default()
        }
    }

    #[test]
    fn what_became_cheaper_or_dearer_is_said_and_what_stayed_is_not_said_to_have_changed() {
        let rows: Vec<_> = [("cheaper", 2.0, 1.0), ("dearer", 1.0, 2.0), ("same", 1.0, 1.0)]
            .map(|(name, old, new)| changed(&row(name, old), &row(name, new)))
            .into();
        assert_eq!(
            sentence(&rows),
            "Less CPU for a message than before: cheaper; more CPU for a message than before: dearer; \
             no difference that these runs can show: same."
        );
        assert!(rows[0].cpu_ratio.unwrap().median < 0.52);
        assert_eq!(rows[0].rate_ratio, None, "nothing was answered");
    }
}
