//! `--seek`: the highest rate at which a limit is kept, in an open loop, step by step.
//!
//! The rate is doubled until the limit is missed, or halved until it is kept; then the bounds close in on each other.
//! A rate at which the server does not keep up is too high, whatever the limit says. Where a limit is kept in spite of a generator that
//! was late itself, it is kept all the more; but where it is missed and the generator was the limit, nothing is known of the server.

use std::fmt;

use super::doubt::doubts;
use super::limit::Limit;
use super::plan::{Pace, Plan, Until};
use super::progress::Progress;
use super::shown;
use super::tally::Tally;
use super::watch::{Watched, watch};
use crate::error::Error;
use crate::stop::{Signal, Signals};

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sought {
    /// As it was typed.
    pub(crate) limit: String,
    /// The highest rate that kept it, messages a second.
    pub(crate) best: Option<f64>,
    pub(crate) end: End,
    pub(crate) steps: Vec<Step>,
}

/// One rate that was tried.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    /// That was tried, and that was answered, messages a second.
    pub(crate) rate: f64,
    pub(crate) answered: f64,
    /// What is limited, as it was.
    pub(crate) was: String,
    pub(crate) outcome: Outcome,
    pub(crate) doubts: Vec<String>,
}

/// What became of the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Kept,
    Missed,
    /// It was kept by what was answered, but that was less than was sent.
    Behind,
    /// The generator was the limit.
    Untrustworthy,
}

/// Why no higher rate was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The server misses the limit there.
    Server,
    /// The generator cannot do more.
    Generator,
    /// Nobody waited for it.
    Interrupted,
}

impl Sought {
    /// Whether nowhere is the limit kept; a search that was broken off has not said so.
    pub(super) fn has_failed(&self) -> bool {
        self.best.is_none() && self.end != End::Interrupted
    }

    /// That it was the generator that could not do more: the server's best is not known.
    pub(super) fn doubt(&self) -> Option<String> {
        let last = self.steps.iter().rev().find(|step| step.outcome == Outcome::Untrustworthy)?;
        let (rate, doubts) = (shown::rate(last.rate), last.doubts.join("; "));
        (self.end == End::Generator)
            .then(|| format!("the generator was the limit, not the server: at {rate} a second {doubts}"))
    }
}

/// What came of the search, with what its best step came to, or its last if none was good.
pub(super) struct Found {
    pub(super) sought: Sought,
    pub(super) plan: Plan,
    pub(super) watched: Watched,
}

/// Looks for the rate. `Err` within is a second signal.
pub(super) async fn seek(
    plan: &Plan,
    limit: &Limit,
    signals: &mut Signals,
    progress: &Progress,
) -> Result<Result<Found, Signal>, Error> {
    let mut search = Search::from(first_rate(plan));
    let mut steps: Vec<Step> = Vec::new();
    let mut shown: Option<(Plan, Watched)> = None;
    let mut interrupted = None;
    while let Some(rate) = search.next() {
        let tried = Plan { pace: Pace::Scheduled { from: rate, to: rate }, ..plan.clone() };
        let mut watched = match watch(tried.clone(), signals, progress).await? {
            Ok(watched) => watched,
            Err(signal) => return Ok(Err(signal)),
        };
        interrupted = watched.interrupted.take();
        if interrupted.is_some() {
            // Half a step says nothing of the limit.
            shown = shown.or(Some((tried, watched)));
            break;
        }
        let step = judge(&tried, limit, rate, &watched.tally);
        progress.tell(&step);
        // Others on this machine may have had their moment: it is tried once more.
        let is_second = steps.last().is_some_and(|last| last.rate == rate);
        if step.outcome == Outcome::Kept || search.kept.is_none() {
            shown = Some((tried, watched));
        }
        if step.outcome != Outcome::Untrustworthy || is_second {
            search.learn(rate, step.outcome);
        }
        steps.push(step);
    }
    let end = match (interrupted, search.missed) {
        (Some(_), _) => End::Interrupted,
        (None, Some((_, Outcome::Untrustworthy))) => End::Generator,
        (None, _) => End::Server,
    };
    let sought = Sought { limit: limit.to_string(), best: search.kept, end, steps };
    let (plan, watched) = shown.expect("there was a step");
    Ok(Ok(Found { sought, plan, watched: Watched { interrupted, ..watched } }))
}

fn first_rate(plan: &Plan) -> f64 {
    match plan.pace {
        Pace::Scheduled { from, .. } => from,
        Pace::Answered { .. } => unreachable!("a search is in an open loop"),
    }
}

fn judge(plan: &Plan, limit: &Limit, rate: f64, tally: &Tally) -> Step {
    let doubts = doubts(plan, tally);
    let outcome = match (limit.holds(tally), is_behind(plan, rate, tally)) {
        // What the generator adds only makes it harder to keep.
        (true, false) => Outcome::Kept,
        _ if !doubts.is_empty() => Outcome::Untrustworthy,
        (false, _) => Outcome::Missed,
        (true, true) => Outcome::Behind,
    };
    Step { rate, answered: tally.rate(), was: limit.shown(tally), outcome, doubts }
}

/// Whether clearly fewer were answered than were due. What the last moments are about is chance.
fn is_behind(plan: &Plan, rate: f64, tally: &Tally) -> bool {
    let Until::Time(time) = plan.until else { return false };
    let due = rate * time.as_secs_f64();
    let under_way = (plan.connections * plan.in_flight) as f64;
    (tally.answered + tally.failures.total()) as f64 + under_way.min(due / 2.0) < due * SHARE
}

/// The bounds of the rate, as far as they are known.
#[derive(Debug)]
struct Search {
    first: f64,
    kept: Option<f64>,
    missed: Option<(f64, Outcome)>,
}

impl Search {
    fn from(first: f64) -> Self {
        Self { first, kept: None, missed: None }
    }

    /// The next to try, unless it is known well enough.
    fn next(&self) -> Option<f64> {
        match (self.kept, self.missed) {
            (None, None) => Some(self.first),
            (Some(kept), None) => Some(kept * 2.0).filter(|rate| *rate <= HIGHEST),
            (None, Some((missed, _))) if missed > LOWEST => Some((missed / 2.0).max(LOWEST)),
            (None, Some(_)) => None,
            (Some(kept), Some((missed, _))) if missed > kept * PRECISION => Some(f64::midpoint(kept, missed)),
            (Some(_), Some(_)) => None,
        }
    }

    fn learn(&mut self, rate: f64, outcome: Outcome) {
        if outcome == Outcome::Kept {
            self.kept = Some(rate);
        } else {
            self.missed = Some((rate, outcome));
        }
    }
}

impl Outcome {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Missed => "missed",
            Self::Behind => "behind",
            Self::Untrustworthy => "untrustworthy",
        }
    }
}

impl End {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Generator => "generator",
            Self::Interrupted => "interrupted",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} a second: ", shown::rate(self.rate))?;
        match self.outcome {
            Outcome::Kept => write!(f, "kept ({})", self.was),
            Outcome::Missed => write!(f, "missed ({})", self.was),
            Outcome::Behind => {
                write!(f, "not kept up with: {} a second were answered", shown::rate(self.answered))
            }
            Outcome::Untrustworthy => write!(f, "not trustworthy: {}", self.doubts.join("; ")),
        }
    }
}

impl fmt::Display for Sought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = &self.limit;
        match self.best {
            Some(rate) => write!(f, "{} a second keep {limit}", shown::rate(rate))?,
            None if self.steps.is_empty() => write!(f, "no rate was tried to its end for {limit}")?,
            None => write!(f, "no rate that was tried keeps {limit}")?,
        }
        match self.end {
            End::Server => Ok(()),
            End::Generator => f.write_str("; beyond, the generator is the limit"),
            End::Interrupted => f.write_str("; the search did not come to its end"),
        }
    }
}

/// As near as the bounds get to each other.
const PRECISION: f64 = 1.05;

/// Messages a second: who does not keep the limit here keeps it nowhere.
const LOWEST: f64 = 10.0;

/// The same at the other end: nobody sends so many.
const HIGHEST: f64 = 1e8;

/// Of those that were due: who answers fewer is behind.
const SHARE: f64 = 0.95;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::headroom::tests::plan;
    use super::super::tally::Share;
    use super::*;

    #[test]
    fn the_rate_is_found_to_five_percent_wherever_it_is() {
        for wanted in [11.0, 999.0, 1000.0, 1001.0, 7_777.0, 123_456.0, 2_000_000.0] {
            let mut search = Search::from(1000.0);
            let mut steps = 0;
            while let Some(rate) = search.next() {
                search.learn(rate, if rate <= wanted { Outcome::Kept } else { Outcome::Missed });
                steps += 1;
                assert!(steps < 30, "{wanted}: {search:?}");
            }
            let found = search.kept.unwrap();
            assert!(found <= wanted && wanted < found * PRECISION, "{wanted}: {found}");
        }
    }

    #[test]
    fn a_generator_that_is_late_takes_nothing_from_what_is_kept_and_proves_nothing_missed() {
        let plan = Plan { until: Until::Time(Duration::from_secs(1)), ..plan(1) };
        let limit = "p50<5ms".parse().unwrap();
        let judged = |answered, time, ran| {
            let mut tally = Tally { window: Duration::from_secs(1), answered, ..Tally::default() };
            tally.exchange.record(Duration::from_millis(time));
            tally.doubt.threads = vec![Share { ran, waited: 0.0 }];
            judge(&plan, &limit, 1000.0, &tally).outcome
        };
        assert_eq!(judged(1000, 1, 0.5), Outcome::Kept);
        assert_eq!(judged(1000, 1, 1.0), Outcome::Kept);
        assert_eq!(judged(1000, 9, 0.5), Outcome::Missed);
        assert_eq!(judged(1000, 9, 1.0), Outcome::Untrustworthy);
        assert_eq!(judged(900, 1, 0.5), Outcome::Behind);
        assert_eq!(judged(900, 1, 1.0), Outcome::Untrustworthy);
    }

    #[test]
    fn a_search_that_was_broken_off_says_no_more_than_it_found() {
        let sought = |best, end| Sought { limit: "p99<5ms".to_owned(), best, end, steps: Vec::new() };
        let interrupted = sought(None, End::Interrupted);
        assert!(!interrupted.has_failed() && sought(None, End::Server).has_failed());
        let said = "no rate was tried to its end for p99<5ms; the search did not come to its end";
        assert_eq!(interrupted.to_string(), said);
    }

    #[test]
    fn a_search_for_what_nobody_keeps_ends() {
        let mut search = Search::from(1000.0);
        while let Some(rate) = search.next() {
            search.learn(rate, Outcome::Behind);
        }
        assert_eq!(search.kept, None);
        assert!(search.missed.is_some_and(|(rate, _)| rate == LOWEST));
        let mut search = Search::from(1000.0);
        while let Some(rate) = search.next() {
            search.learn(rate, Outcome::Kept);
        }
        assert!(search.kept.is_some_and(|rate| rate > HIGHEST / 2.0));
    }
}
