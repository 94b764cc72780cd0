//! Faults for every engine of a process that was told nothing of them: `SWITCHBOARD_CHAOS=seed=7,short=0.2,eintr=0.05`.
//!
//! So a whole suite of tests, anybody's, runs under them as it is. The variable is read once, when the first engine is
//! opened; the engines after that have dice of their own, whose seeds follow from the first in the order they are opened.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, io};

use crate::engine::error::invalid;
use crate::engine::faults::{Fault, Faults};
use crate::engine::random;

/// What the environment has said.
#[derive(Debug)]
pub(in crate::engine) struct Settings {
    pub(in crate::engine) faults: Faults,
    seed: u64,
    /// How many engines have theirs.
    engines: AtomicU64,
}

impl Settings {
    /// What is set; `None` if nothing is.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] when it cannot be understood: each time, as every engine asks.
    pub(in crate::engine) fn from_environment() -> io::Result<Option<&'static Self>> {
        static SET: OnceLock<Result<Option<Settings>, String>> = OnceLock::new();
        let set = SET.get_or_init(|| {
            let text = env::var_os(VARIABLE).unwrap_or_default();
            if text.is_empty() {
                return Ok(None);
            }
            let settings = text.to_str().ok_or_else(|| invalid("this is no UTF-8")).and_then(Self::parse);
            settings.map(Some).map_err(|error| format!("{VARIABLE}={}: {error}", text.display()))
        });
        set.as_ref().map(Option::as_ref).map_err(|message| invalid(message))
    }

    fn parse(text: &str) -> io::Result<Self> {
        let (seeds, faults): (Vec<_>, Vec<_>) =
            text.split(',').partition(|item| item.trim().starts_with("seed="));
        let given = match seeds[..] {
            [] => None,
            [item] => Some(parse_seed(item)?),
            _ => return Err(invalid("the seed is given twice; give it once")),
        };
        let faults = Faults::parse(&faults.join(","), &Faults::default_of_engines())?;
        if let Some(fault) = Fault::ALL.into_iter().find(|fault| fault.is_simulated() && faults.may(*fault)) {
            let message = format!("fault {fault} exists only in a simulated network; leave it out here");
            return Err(invalid(&message));
        }
        let seed = given.unwrap_or_else(random::seed);
        if given.is_none() {
            tracing::info!(seed, %faults, "faults are injected; to repeat them, add the seed to {VARIABLE}");
        }
        Ok(Self { faults, seed, engines: AtomicU64::new(0) })
    }

    /// The seed of the next engine's dice.
    pub(in crate::engine) fn next_seed(&self) -> u64 {
        let mut seed = self.seed.wrapping_add(self.engines.fetch_add(1, Ordering::Relaxed));
        random::next(&mut seed)
    }
}

fn parse_seed(item: &str) -> io::Result<u64> {
    let text = item.trim().trim_start_matches("seed=").trim();
    text.parse().map_err(|_| invalid(&format!("seed {text:?} is not a whole number of 64 bits")))
}

/// The variable of the environment that names faults.
const VARIABLE: &str = "SWITCHBOARD_CHAOS";

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Settings::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_seed_and_faults_are_told_apart() {
        let settings = Settings::parse("seed=7,short=0.2,eintr=0.05,spurious=0.1,emfile=0.01").unwrap();
        assert_eq!(settings.seed, 7);
        assert_eq!(settings.faults, "short=0.2,eintr=0.05,spurious=0.1,emfile=0.01".parse().unwrap());
        let settings = Settings::parse("unseen, seed=9").unwrap();
        assert_eq!((settings.seed, settings.faults), (9, Faults::unseen()));
    }

    #[test]
    fn each_engine_has_dice_of_its_own_that_repeat() {
        let seeds = || {
            let settings = Settings::parse("seed=7,unseen").unwrap();
            [settings.next_seed(), settings.next_seed(), settings.next_seed()]
        };
        let [first, second, third] = seeds();
        assert!(first != second && second != third && first != third);
        assert_eq!(seeds(), [first, second, third]);
    }

    #[test]
    fn the_default_is_what_any_engine_can_bring_about() {
        let faults = Settings::parse("seed=1,default").unwrap().faults;
        assert!(faults.may(Fault::Reset) && !faults.may(Fault::Late));
    }

    #[test]
    fn what_is_wrong_with_it_is_said_in_a_line() {
        assert_eq!(
            error("unseen,late=0.1"),
            "fault late exists only in a simulated network; leave it out here"
        );
        assert_eq!(error("seed=x,unseen"), "seed \"x\" is not a whole number of 64 bits");
        assert_eq!(error("seed=1,seed=2,unseen"), "the seed is given twice; give it once");
        assert!(error("seed=1").starts_with("no fault is named"));
        assert!(error("seed=1,shrot=1").starts_with("unknown fault \"shrot\""));
    }
}
