//! What to know of figures before they are believed: how they were found, and what was in the way.

use super::machine::Cores;
use super::noise;
use super::results::{Outcome, Row, Turn, Versions};
use super::verdict::listed;

/// What to know of them in any case.
pub(super) fn notes(versions: &Versions, cores: &Cores, scenarios: &[Outcome], noise: &[f64]) -> Vec<String> {
    let mut notes = Vec::new();
    notes.push(match cores.apart {
        Some(apart) => format!(
            "Servers ran on core {}, the generator on core {}. CPU is the server's own, of all its threads and processes; the ratio is CPU's.",
            apart.server, apart.generator
        ),
        None => "Server and generator shared one core: rates and latencies are of both together. CPU is the server's own; the ratio is CPU's.".to_owned(),
    });
    if versions.build == "debug" {
        notes.push("This is a debug build: it says nothing of speed.".to_owned());
    }
    let rows = || scenarios.iter().flat_map(|outcome| &outcome.rows);
    let limited: Vec<_> = unique(rows().filter(|row| mostly(row, is_limited)));
    if !limited.is_empty() {
        notes.push(format!(
            "The generator had no time left against {}: there, messages/s and latencies say as much of it as of the server. CPU per message \
             does not depend on it.",
            listed(&limited)
        ));
    }
    let means: Vec<_> = unique_of(rows().filter_map(|row| row.system_calls.means.as_deref()));
    match (means.is_empty(), rows().find_map(|row| row.system_calls.missing.as_deref())) {
        (false, _) => {
            notes.push(format!("Calls were counted by {}, in a pass of their own.", listed(&means)));
        }
        (true, Some(why)) => notes.push(format!("Calls could not be counted: {why}.")),
        (true, None) => {}
    }
    let noisy = noise.iter().filter(|others| **others > noise::LIMIT).count();
    if noisy > 0 && !too_noisy(noise) {
        notes.push(format!("In {noisy} of {} rounds others used more than 8 % of a core.", noise.len()));
    }
    notes
}

/// Why they cannot be trusted.
pub(super) fn doubts(scenarios: &[Outcome], noise: &[f64]) -> Vec<String> {
    let mut doubts = Vec::new();
    if too_noisy(noise) {
        let noisy = noise.iter().filter(|others| **others > noise::LIMIT).count();
        let most = noise.iter().copied().fold(0.0, f64::max) * 100.0;
        doubts.push(format!(
            "in {noisy} of {} rounds others used more than 8 % of a core, at most {most:.0} %; end them, or compare when they have ended",
            noise.len()
        ));
    }
    let turns = || scenarios.iter().flat_map(|outcome| &outcome.rows).flat_map(|row| &row.rounds);
    let starved = turns().filter(|turn| is_starved(turn)).count();
    if starved * 2 > turns().count() {
        doubts.push(
            "the generator was starved in most measurements: it could have run, and others did on its core"
                .to_owned(),
        );
    }
    doubts
}

fn too_noisy(noise: &[f64]) -> bool {
    noise.iter().filter(|others| **others > noise::LIMIT).count() * 2 > noise.len()
}

/// Whether the generator had no time left, and nobody but itself had taken it.
fn is_limited(turn: &Turn) -> bool {
    !turn.doubts.is_empty() && !is_starved(turn)
}

fn is_starved(turn: &Turn) -> bool {
    turn.generator_waited.is_some_and(|waited| waited > STARVED)
}

fn mostly(row: &Row, is: impl Fn(&Turn) -> bool) -> bool {
    row.rounds.iter().filter(|turn| is(turn)).count() * 2 > row.rounds.len()
}

fn unique<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<&'a str> {
    unique_of(rows.map(|row| &*row.contestant))
}

fn unique_of<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut unique = Vec::new();
    for name in names {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    unique
}

/// Of the time: whoever waited for a processor for longer was late by others' fault.
const STARVED: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generator_that_was_the_limit_by_itself_is_told_from_one_that_others_starved() {
        let turn = |waited| Turn {
            generator_waited: Some(waited),
            doubts: vec!["it had no time left".to_owned()],
            ..Turn::default()
        };
        assert!(is_limited(&turn(0.01)) && !is_starved(&turn(0.01)));
        assert!(!is_limited(&turn(0.3)) && is_starved(&turn(0.3)));
        assert!(!is_limited(&Turn::default()) && !is_starved(&Turn::default()));
    }

    #[test]
    fn noise_in_most_rounds_is_a_doubt_and_in_some_a_note() {
        let cores = Cores { count: 1, apart: None };
        let versions =
            Versions { switchboard: String::new(), build: "release".to_owned(), kernel: String::new() };
        let noted = |noise: &[f64]| notes(&versions, &cores, &[], noise).len();
        assert_eq!((noted(&[0.01, 0.02, 0.0]), doubts(&[], &[0.01, 0.02, 0.0]).len()), (1, 0));
        assert_eq!((noted(&[0.5, 0.02, 0.0]), doubts(&[], &[0.5, 0.02, 0.0]).len()), (2, 0));
        assert_eq!((noted(&[0.5, 0.09, 0.0]), doubts(&[], &[0.5, 0.09, 0.0]).len()), (1, 1));
        assert!(doubts(&[], &[0.5, 0.09, 0.0])[0].starts_with("in 2 of 3 rounds others used more than 8 %"));
    }
}
