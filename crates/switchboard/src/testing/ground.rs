//! What a run is on: a mechanism of this system, or a simulated network with a seed.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use super::environment::{Environment, Only};
use super::loopback;
use crate::engine::sim::Network;
use crate::engine::{self, Faults, Mechanism};
use crate::event_loop::EventLoop;

/// See the top of this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ground {
    Real(Mechanism),
    Sim(u64),
}

/// All grounds of a test: these mechanisms (all, if none are named), then these seeds; of them those that the
/// environment leaves.
pub(super) fn all(
    mechanisms: Option<&[Mechanism]>,
    seeds: &Range<u64>,
    environment: &Environment,
) -> Vec<Ground> {
    let mechanisms = mechanisms.unwrap_or(&Mechanism::ALL).iter().copied().map(Ground::Real);
    // No seeds are the word for "not there": the environment says how many, not whether.
    let seeds = match &environment.seeds {
        Some(others) if !seeds.is_empty() => others.clone(),
        _ => seeds.clone(),
    };
    let all = mechanisms.chain(seeds.map(Ground::Sim));
    let Some(only) = environment.only else { return all.collect() };
    let left: Vec<_> = all
        .filter(|ground| match (ground, only) {
            (Ground::Real(one), Only::Real(other)) => *one == other,
            (Ground::Sim(_), Only::Sim) => true,
            _ => false,
        })
        .collect();
    if left.is_empty() {
        println!("skipped: this test does not run on {only}, the only engine that is asked for");
    }
    left
}

impl Ground {
    /// A loop on it, and its network if that is simulated. `None`, said aloud, if this system lacks it and nobody requires it.
    ///
    /// # Errors
    ///
    /// In words, why there is none that ought to be.
    pub(super) fn open(
        self,
        faults: &Faults,
        timeout: Option<Duration>,
        environment: &Environment,
    ) -> Result<Option<(EventLoop, Option<Network>)>, String> {
        let mechanism = match self {
            Self::Real(mechanism) => mechanism,
            Self::Sim(seed) => {
                let mut network = Network::alone(seed, loopback(), timeout.unwrap_or(MINUTE));
                network.go_wrong(faults);
                return Ok(Some((EventLoop::with(network.engine()), Some(network))));
            }
        };
        match engine::with(mechanism) {
            Ok(engine) => Ok(Some((EventLoop::with(engine), None))),
            Err(error) if mechanism.is_available() => Err(format!("{mechanism} cannot be opened: {error}")),
            Err(error) if environment.requires(mechanism) => {
                Err(format!("{mechanism} is required here, but cannot be opened: {error}"))
            }
            Err(error) => {
                println!("skipped on {mechanism}: {error}");
                Ok(None)
            }
        }
    }

    /// How long a run may take there, by its clock.
    pub(super) fn patience(self) -> Duration {
        match self {
            Self::Real(_) => MINUTE,
            Self::Sim(_) => Duration::from_secs(3_600),
        }
    }

    /// Whether its time passes while it sleeps.
    pub(super) fn is_real(self) -> bool {
        matches!(self, Self::Real(_))
    }
}

/// `epoll`, `sim with seed 17`.
impl fmt::Display for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Real(mechanism) => write!(f, "{mechanism}"),
            Self::Sim(seed) => write!(f, "sim with seed {seed}"),
        }
    }
}

/// How long anything may take by a real clock.
const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn grounds(mechanisms: &[Mechanism], seeds: Range<u64>, environment: &Environment) -> Vec<String> {
        all(Some(mechanisms), &seeds, environment).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn mechanisms_come_first_and_seeds_after_them() {
        let grounds = grounds(&[Mechanism::Poll, Mechanism::Epoll], 3..5, &Environment::default());
        assert_eq!(grounds, ["poll", "epoll", "sim with seed 3", "sim with seed 4"]);
        let everywhere = all(None, &(0..10), &Environment::default());
        assert_eq!(everywhere.len(), Mechanism::ALL.len() + 10);
    }

    #[test]
    fn the_environment_says_how_many_seeds_and_not_whether() {
        let environment = Environment { seeds: Some(7..9), ..Environment::default() };
        assert_eq!(grounds(&[], 0..10, &environment), ["sim with seed 7", "sim with seed 8"]);
        assert_eq!(grounds(&[], 0..0, &environment), [""; 0]);
    }

    #[test]
    fn the_environment_leaves_one_engine_that_a_test_may_lack() {
        let only = |only| Environment { only: Some(only), ..Environment::default() };
        let [poll, sim] = [only(Only::Real(Mechanism::Poll)), only(Only::Sim)];
        let both = [Mechanism::Epoll, Mechanism::Poll];
        assert_eq!(grounds(&both, 0..2, &poll), ["poll"]);
        assert_eq!(grounds(&both, 0..2, &sim), ["sim with seed 0", "sim with seed 1"]);
        assert_eq!(grounds(&[Mechanism::Epoll], 0..2, &poll), [""; 0]);
    }
}
