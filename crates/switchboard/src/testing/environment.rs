//! What the environment says of all tests: which engine, which seeds, what must not be skipped.

use std::ops::Range;
use std::{env, fmt};

use crate::engine::Mechanism;

/// See the top of this file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Environment {
    /// `SWITCHBOARD_ENGINE`: the only engine to run on.
    pub(super) only: Option<Only>,
    /// `SWITCHBOARD_SEED`, or else `SWITCHBOARD_SEEDS`: the seeds of simulated networks.
    pub(super) seeds: Option<Range<u64>>,
    /// `SWITCHBOARD_CHAOS`, as it is: only to be told again.
    pub(super) chaos: Option<String>,
    /// `SWITCHBOARD_REQUIRE`: what must not be skipped.
    pub(super) required: String,
}

/// The only engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Only {
    Real(Mechanism),
    Sim,
}

impl Environment {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// What cannot be understood, in one line.
    pub(super) fn read() -> Result<Self, String> {
        Self::of(|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let parsed = |name: &str| variable(name).map(|value| value.trim().to_owned()).unwrap_or_default();
        let only = only(&parsed(ENGINE))?;
        let seeds = match (&*parsed(SEED), &*parsed(SEEDS)) {
            ("", "") => None,
            ("", many) => Some(seeds(many)?),
            (one, _) => Some(seed(one)?),
        };
        Ok(Self { only, seeds, chaos: variable(CHAOS), required: parsed(REQUIRE) })
    }

    /// Whether it is a failure if this cannot be had.
    pub(super) fn requires(&self, mechanism: Mechanism) -> bool {
        let is_named = self.required.split(',').any(|name| name.trim() == mechanism.name());
        is_named || self.only == Some(Only::Real(mechanism))
    }
}

impl fmt::Display for Only {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Real(mechanism) => write!(f, "{mechanism}"),
            Self::Sim => write!(f, "sim"),
        }
    }
}

fn only(text: &str) -> Result<Option<Only>, String> {
    match text {
        "" | "auto" => Ok(None),
        "sim" => Ok(Some(Only::Sim)),
        name => match name.parse() {
            Ok(mechanism) => Ok(Some(Only::Real(mechanism))),
            Err(_) => {
                let names = Mechanism::ALL.map(Mechanism::name).join(", ");
                Err(format!("{ENGINE}={name}: no such engine; give auto, sim, {names}"))
            }
        },
    }
}

fn seed(text: &str) -> Result<Range<u64>, String> {
    match text.parse::<u64>().ok().and_then(|seed| Some(seed..seed.checked_add(1)?)) {
        Some(seeds) => Ok(seeds),
        None => Err(format!("{SEED}={text}: not a seed; give a whole number, such as 17")),
    }
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let (first, end) = text.split_once("..").unwrap_or(("0", text));
    let seeds = first.trim().parse().and_then(|first: u64| Ok(first..end.trim().parse()?));
    match seeds {
        Ok(seeds) if !seeds.is_empty() => Ok(seeds),
        Ok(_) => Err(format!(
            "{SEEDS}={text}: there is no seed in it; give a number of them, or a range such as 100..200"
        )),
        Err(_) => {
            Err(format!("{SEEDS}={text}: not understood; give a number of them, or a range such as 100..200"))
        }
    }
}

/// The variable that names the only engine to run on.
pub(super) const ENGINE: &str = "SWITCHBOARD_ENGINE";

/// The variable that has the only seed.
pub(super) const SEED: &str = "SWITCHBOARD_SEED";

/// The variable that says how many seeds, or which.
const SEEDS: &str = "SWITCHBOARD_SEEDS";

/// The variable that names faults for real engines.
pub(super) const CHAOS: &str = "SWITCHBOARD_CHAOS";

/// The variable that names what must not be skipped.
const REQUIRE: &str = "SWITCHBOARD_REQUIRE";

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(set: &[(&str, &str)]) -> Result<Environment, String> {
        let value = |name: &str| set.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
        Environment::of(|name| value(name).map(ToOwned::to_owned))
    }

    fn seeds_of(set: &[(&str, &str)]) -> Option<Range<u64>> {
        environment(set).unwrap().seeds
    }

    #[test]
    fn what_is_not_set_says_nothing() {
        assert_eq!(environment(&[]), Ok(Environment::default()));
        let empty = [(ENGINE, ""), (SEED, ""), (SEEDS, ""), (REQUIRE, "")];
        assert_eq!(environment(&empty), Ok(Environment::default()));
        assert_eq!(environment(&[(ENGINE, "auto")]), Ok(Environment::default()));
    }

    #[test]
    fn seeds_are_one_or_many_or_a_range_and_one_wins() {
        assert_eq!(seeds_of(&[(SEED, "17")]), Some(17..18));
        assert_eq!(seeds_of(&[(SEEDS, "1000")]), Some(0..1000));
        assert_eq!(seeds_of(&[(SEEDS, "100..200")]), Some(100..200));
        assert_eq!(seeds_of(&[(SEED, "17"), (SEEDS, "1000")]), Some(17..18));
    }

    #[test]
    fn what_cannot_be_understood_is_said() {
        for (name, value, expected) in [
            (
                ENGINE,
                "nonsense",
                "SWITCHBOARD_ENGINE=nonsense: no such engine; give auto, sim, uring, kqueue, epoll, devpoll, poll, select",
            ),
            (SEED, "1..2", "SWITCHBOARD_SEED=1..2: not a seed; give a whole number, such as 17"),
            (
                SEED,
                "18446744073709551615",
                "SWITCHBOARD_SEED=18446744073709551615: not a seed; give a whole number, such as 17",
            ),
            (
                SEEDS,
                "0",
                "SWITCHBOARD_SEEDS=0: there is no seed in it; give a number of them, or a range such as 100..200",
            ),
            (
                SEEDS,
                "9..5",
                "SWITCHBOARD_SEEDS=9..5: there is no seed in it; give a number of them, or a range such as 100..200",
            ),
            (
                SEEDS,
                "-1",
                "SWITCHBOARD_SEEDS=-1: not understood; give a number of them, or a range such as 100..200",
            ),
            (
                SEEDS,
                "1..",
                "SWITCHBOARD_SEEDS=1..: not understood; give a number of them, or a range such as 100..200",
            ),
        ] {
            assert_eq!(environment(&[(name, value)]), Err(expected.to_owned()));
        }
    }

    #[test]
    fn what_is_required_or_the_only_one_must_not_be_skipped() {
        let required = environment(&[(REQUIRE, "epoll, uring")]).unwrap();
        assert!(required.requires(Mechanism::Epoll) && required.requires(Mechanism::Uring));
        assert!(!required.requires(Mechanism::Poll));
        let only = environment(&[(ENGINE, "kqueue")]).unwrap();
        assert!(only.requires(Mechanism::Kqueue) && !only.requires(Mechanism::Epoll));
    }
}
