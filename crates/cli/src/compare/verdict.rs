//! From figures of rounds to a verdict: medians, ratios to the best, and one sentence.
//!
//! The best is who spends the least processor time for a message, among those who bore the scenario without a failure. The rate does not
//! decide: in a closed loop it is as much the generator's and the network's as the server's, and where all of them share the processors it
//! is hardly anything else.

use std::collections::BTreeMap;

use super::contestant::Scenario;
use super::measure::microseconds;
use super::results::{Figure, Outcome, Row, Turn};
use super::statistics::{ENOUGH, Ratio, median_of_some};
use crate::load::Times;

/// What was gathered of one contestant in one scenario.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) turns: Vec<Turn>,
    pub(super) times: Times,
    pub(super) system_calls: Figure,
    pub(super) trouble: Option<String>,
    /// Of turns that were run again, because others were at work: that excuses a slow answer, and no wrong one.
    pub(super) spoilt: BTreeMap<String, u64>,
    /// Of a core, while nobody says anything.
    pub(super) idle_cpu: Option<f64>,
}

impl Gathered {
    /// A turn whose figures count.
    pub(super) fn keep(&mut self, measured: Result<(Turn, Times), String>) {
        match measured {
            Ok((turn, times)) => {
                self.turns.push(turn);
                self.times += &times;
            }
            Err(why) => {
                self.trouble.get_or_insert(why);
            }
        }
    }

    /// A turn that is run again: its figures are let go, and what went wrong is not.
    pub(super) fn let_go(&mut self, measured: Result<(Turn, Times), String>) {
        match measured {
            Ok((turn, _)) => add(&mut self.spoilt, &turn.failures),
            Err(why) => {
                self.trouble.get_or_insert(why);
            }
        }
    }
}

fn add(sum: &mut BTreeMap<String, u64>, failures: &BTreeMap<String, u64>) {
    for (class, count) in failures {
        *sum.entry(class.clone()).or_default() += count;
    }
}

/// What a scenario came to.
pub(super) fn outcome(scenario: &Scenario, gathered: Vec<(String, Gathered)>) -> Outcome {
    let mut rows: Vec<_> = gathered.into_iter().map(|(name, gathered)| row(name, gathered)).collect();
    let best = best(&rows).cloned();
    for row in &mut rows {
        let Some(best) = &best else { break };
        row.cpu_ratio = ratio(row, best, |turn| turn.cpu);
        row.rate_ratio = ratio(row, best, Turn::rate);
    }
    rows.sort_by(|one, other| order(one).total_cmp(&order(other)));
    Outcome {
        service: scenario.service.name().to_owned(),
        connections: scenario.connections,
        size: scenario.size,
        sentence: sentence(&rows, best.as_ref()),
        best: best.map(|row| row.contestant),
        rows,
    }
}

/// Sums of what was gathered.
fn row(contestant: String, gathered: Gathered) -> Row {
    let Gathered { turns, times, system_calls, trouble, spoilt: mut failures, idle_cpu } = gathered;
    let median = |figure: fn(&Turn) -> Option<f64>| median_of_some(turns.iter().map(figure));
    let of = |percent| (!times.is_empty()).then(|| microseconds(times.percentile(percent)));
    turns.iter().for_each(|turn| add(&mut failures, &turn.failures));
    let cpu = median(|turn| turn.cpu);
    let sum = |seconds: fn(&Turn) -> f64| turns.iter().map(seconds).sum::<f64>();
    let (user, system) = (sum(|turn| turn.user_seconds), sum(|turn| turn.system_seconds));
    let part =
        |part: f64| cpu.filter(|_| user + system >= ENOUGH_SECONDS).map(|cpu| cpu * part / (user + system));
    Row {
        contestant,
        messages_per_second: median(Turn::rate),
        p50: of(50.0),
        p99: of(99.0),
        p999: of(99.9),
        cpu,
        user: part(user),
        system: part(system),
        system_calls,
        switches: median(|turn| turn.switches),
        idle_cpu,
        cpu_ratio: None,
        rate_ratio: None,
        failures,
        trouble,
        percentiles: PERCENTILES.iter().filter_map(|&percent| Some((percent, of(percent)?))).collect(),
        rounds: turns,
    }
}

/// Who spends the least, fails never, and rests when there is nothing to do.
fn best(rows: &[Row]) -> Option<&Row> {
    let sound = rows.iter().filter(|row| row.is_sound() && row.rests());
    sound.min_by(|one, other| order(one).total_cmp(&order(other)))
}

/// Those who did what was asked come first, the cheapest before others.
fn order(row: &Row) -> f64 {
    match row.cpu {
        Some(cpu) if row.is_sound() => cpu,
        Some(cpu) => 1e12 + cpu,
        None => f64::INFINITY,
    }
}

/// Of figures of the same round.
fn ratio(row: &Row, best: &Row, figure: impl Fn(&Turn) -> Option<f64>) -> Option<Ratio> {
    let of = |row: &Row| -> BTreeMap<usize, f64> {
        row.rounds.iter().filter_map(|turn| Some((turn.round, figure(turn)?))).collect()
    };
    let (mine, theirs) = (of(row), of(best));
    let pairs = mine.iter().map(|(round, value)| (Some(*value), theirs.get(round).copied()));
    let (mine, theirs): (Vec<_>, Vec<_>) = pairs.unzip();
    Ratio::paired(&mine, &theirs)
}

/// What to take from it, in one sentence.
fn sentence(rows: &[Row], best: Option<&Row>) -> String {
    if rows.iter().all(|row| row.rounds.is_empty() && row.trouble.is_none()) {
        return "Nothing was measured.".to_owned();
    }
    let Some(best) = best else {
        return "Nobody bore this without a failure, so that there is nobody to recommend.".to_owned();
    };
    let spent = best.cpu.unwrap_or_default();
    let others: Vec<_> = rows
        .iter()
        .filter(|row| row.is_sound() && row.rests() && row.contestant != best.contestant)
        .collect();
    let name = &best.contestant;
    if rows.len() == 1 {
        return format!("{name} spends {spent:.2} µs of CPU for a message; nobody else took part.");
    }
    if others.is_empty() {
        return format!(
            "Of those compared only {name} bore this without a failure: {spent:.2} µs of CPU for a message."
        );
    }
    let opening = format!("Take {name}: with {spent:.2} µs of CPU for a message it spends the least");
    if best.rounds.iter().filter(|turn| turn.cpu.is_some()).count() < ENOUGH {
        return format!("{opening}; {ENOUGH} rounds or more would say how far that can be trusted.");
    }
    let ratio = |row: &&&Row| row.cpu_ratio.is_some_and(|ratio| ratio.differs());
    let equals: Vec<_> = others.iter().filter(|row| !ratio(row)).map(|row| &*row.contestant).collect();
    let nearest = others.iter().find(ratio).and_then(|row| Some((&row.contestant, row.cpu_ratio?)));
    let mut sentence = opening;
    if !equals.is_empty() {
        sentence.push_str(&format!(", with no difference that this run can show to {}", listed(&equals)));
    }
    if let Some((name, ratio)) = nearest {
        let joint = if equals.is_empty() { ", and" } else { ";" };
        sentence
            .push_str(&format!("{joint} {name}, the next, spends {} times as much", with_interval(&ratio)));
    }
    sentence.push('.');
    let restless: Vec<_> = rows.iter().filter(|row| row.is_sound() && !row.rests()).collect();
    let most = restless.iter().filter_map(|row| row.idle_cpu).fold(0.0, f64::max) * 100.0;
    if !restless.is_empty() {
        let names: Vec<_> = restless.iter().map(|row| &*row.contestant).collect();
        let verb = if names.len() == 1 { "is" } else { "are" };
        let names = listed(&names);
        sentence.push_str(&format!(
            " Left out {verb} {names}: up to {most:.0} % of a core is used while nobody says anything."
        ));
    }
    sentence
}

/// `1.54 (1.48–1.60)`.
pub(super) fn with_interval(ratio: &Ratio) -> String {
    match (ratio.low, ratio.high) {
        (Some(low), Some(high)) => format!("{:.2} ({low:.2}–{high:.2})", ratio.median),
        _ => format!("{:.2}", ratio.median),
    }
}

/// `a, b and c`.
pub(super) fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Of which a curve is drawn.
const PERCENTILES: [f64; 15] =
    [0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 97.5, 99.0, 99.5, 99.75, 99.9, 99.95, 99.99, 100.0];

/// Of less, which comes in hundredths, it cannot be told how it divides.
const ENOUGH_SECONDS: f64 = 0.2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Service;

    const SCENARIO: Scenario = Scenario { service: Service::Echo, connections: 50, size: 64 };

    fn gathered(cpu: &[f64]) -> Gathered {
        let turn = |(round, cpu): (usize, &f64)| Turn {
            round,
            messages: 1000,
            seconds: *cpu,
            cpu: Some(*cpu),
            ..Turn::default()
        };
        Gathered { turns: cpu.iter().enumerate().map(turn).collect(), ..Gathered::default() }
    }

    fn judged(figures: &[(&str, &[f64])]) -> Outcome {
        outcome(&SCENARIO, figures.iter().map(|(name, cpu)| ((*name).to_owned(), gathered(cpu))).collect())
    }

    #[test]
    fn the_best_spends_least_and_the_ratios_are_to_it() {
        let outcome = judged(&[("dear", &[3.0; 6]), ("cheap", &[2.0; 6])]);
        assert_eq!(outcome.best.as_deref(), Some("cheap"));
        assert_eq!(outcome.rows[0].contestant, "cheap");
        assert_eq!(outcome.rows[1].cpu_ratio.unwrap().median, 1.5);
        assert!((outcome.rows[1].rate_ratio.unwrap().median - 2.0 / 3.0).abs() < 1e-9);
        let said = "Take cheap: with 2.00 µs of CPU for a message it spends the least, and dear, the next, spends 1.50 (1.50–1.50) \
                    times as much.";
        assert_eq!(outcome.sentence, said);
    }

    #[test]
    fn what_cannot_be_told_apart_is_not() {
        let outcome = judged(&[
            ("one", &[2.0, 2.1, 2.0, 2.2, 2.0, 2.1]),
            ("same", &[2.1, 2.0, 2.1, 2.1, 2.1, 2.0]),
            ("other", &[3.0; 6]),
        ]);
        assert!(
            outcome.sentence.contains("no difference that this run can show to same; other, the next"),
            "{}",
            outcome.sentence
        );
    }

    #[test]
    fn who_fails_is_never_the_best() {
        let mut failing = gathered(&[1.0; 6]);
        failing.turns[3].failures.insert("timeout".to_owned(), 2);
        let sound = gathered(&[2.0; 6]);
        let both = vec![("failing".to_owned(), failing), ("sound".to_owned(), sound)];
        let outcome = outcome(&SCENARIO, both);
        assert_eq!(outcome.best.as_deref(), Some("sound"));
        assert_eq!(outcome.rows[1].failures["timeout"], 2);
        assert!(outcome.sentence.starts_with("Of those compared only sound bore"), "{}", outcome.sentence);
    }

    #[test]
    fn what_went_wrong_in_a_round_that_is_run_again_is_not_forgotten() {
        let mut failing = gathered(&[1.0; 6]);
        let mut spoilt = gathered(&[1.0]).turns.remove(0);
        spoilt.failures.insert("mismatch".to_owned(), 1);
        failing.let_go(Ok((spoilt, Times::default())));
        let mut crashed = gathered(&[1.5; 6]);
        crashed.let_go(Err("it ended".to_owned()));
        let both = [("failing", failing), ("crashed", crashed), ("sound", gathered(&[2.0; 6]))];
        let outcome = outcome(&SCENARIO, both.map(|(name, gathered)| (name.to_owned(), gathered)).into());
        assert_eq!(outcome.best.as_deref(), Some("sound"));
        let failing = outcome.rows.iter().find(|row| row.contestant == "failing").unwrap();
        assert_eq!((failing.failures["mismatch"], failing.rounds.len()), (1, 6));
    }

    #[test]
    fn who_never_rests_is_not_recommended() {
        let polling = Gathered { idle_cpu: Some(1.0), ..gathered(&[1.0; 6]) };
        let resting = Gathered { idle_cpu: Some(0.01), ..gathered(&[2.0; 6]) };
        let all = [("polling", polling), ("resting", resting), ("other", gathered(&[3.0; 6]))];
        let outcome = outcome(&SCENARIO, all.map(|(name, gathered)| (name.to_owned(), gathered)).into());
        assert_eq!(outcome.best.as_deref(), Some("resting"));
        let said = " Left out is polling: up to 100 % of a core is used while nobody says anything.";
        assert!(outcome.sentence.ends_with(said), "{}", outcome.sentence);
    }

    #[test]
    fn without_anybody_there_is_nobody_to_recommend() {
        let trouble = Gathered { trouble: Some("it ended".to_owned()), ..gathered(&[]) };
        let outcome = outcome(&SCENARIO, vec![("gone".to_owned(), trouble)]);
        assert_eq!(outcome.best, None);
        assert!(outcome.sentence.starts_with("Nobody"), "{}", outcome.sentence);
    }

    #[test]
    fn before_anything_was_measured_nobody_is_blamed() {
        assert_eq!(judged(&[("one", &[]), ("other", &[])]).sentence, "Nothing was measured.");
        let said = "one spends 2.00 µs of CPU for a message; nobody else took part.";
        assert_eq!(judged(&[("one", &[2.0; 6])]).sentence, said);
    }

    #[test]
    fn a_round_that_one_of_them_missed_is_compared_with_no_other() {
        let mut late = gathered(&[4.0, 4.0, 40.0]);
        late.turns.remove(0);
        // Of rounds 1 and 2, where the other had 2 and 20.
        let both = vec![("late".to_owned(), late), ("cheap".to_owned(), gathered(&[1.0, 2.0, 20.0]))];
        assert_eq!(outcome(&SCENARIO, both).rows[1].cpu_ratio.unwrap().median, 2.0);
    }

    #[test]
    fn how_cpu_divides_is_told_by_all_rounds_together() {
        let mut divided = gathered(&[4.0; 6]);
        divided.turns.iter_mut().for_each(|turn| (turn.user_seconds, turn.system_seconds) = (0.01, 0.03));
        let rows = |gathered| outcome(&SCENARIO, vec![("one".to_owned(), gathered)]).rows;
        let row = rows(divided).remove(0);
        assert!(
            (row.user.unwrap() - 1.0).abs() < 1e-9 && (row.system.unwrap() - 3.0).abs() < 1e-9,
            "{row:?}"
        );
        let mut short = gathered(&[4.0]);
        short.turns[0].user_seconds = 0.01;
        assert_eq!(rows(short)[0].user, None);
    }

    #[test]
    fn few_rounds_say_so() {
        let outcome = judged(&[("one", &[2.0]), ("other", &[3.0])]);
        assert!(
            outcome.sentence.ends_with("6 rounds or more would say how far that can be trusted."),
            "{}",
            outcome.sentence
        );
    }
}
