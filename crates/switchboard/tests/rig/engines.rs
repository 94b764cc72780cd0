//! The engines there are, and what becomes of one that is not to be had here.

use std::env;
use std::sync::OnceLock;

use switchboard::engine::sim::{Lamps, Network};
use switchboard::engine::{self, Engine, Fault, Faults, Mechanism};

/// An engine to test on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lot {
    Uring,
    Epoll,
    Poll,
    Select,
    /// A simulated network whose lamps are edges, as epoll's are.
    Sim,
    /// A simulated network whose lamps are lit once, as with poll and select.
    SimOneshot,
}

impl Lot {
    /// All of them, for tests that go through them one after another.
    pub(crate) const ALL: [Self; 6] =
        [Self::Uring, Self::Epoll, Self::Poll, Self::Select, Self::Sim, Self::SimOneshot];

    /// Opens it. `None`, said aloud, if this system lacks it and nobody requires it.
    pub(crate) fn open(self) -> Option<(Box<dyn Engine>, Option<Network>)> {
        let mechanism = match self {
            Self::Uring => Mechanism::Uring,
            Self::Epoll => Mechanism::Epoll,
            Self::Poll => Mechanism::Poll,
            Self::Select => Mechanism::Select,
            // These need nothing of the system, so they are never skipped.
            Self::Sim => return Some(in_memory(Lamps::Edge)),
            Self::SimOneshot => return Some(in_memory(Lamps::Oneshot)),
        };
        let name = mechanism.name();
        match engine::with(mechanism) {
            Ok(engine) => {
                assert_eq!(engine.name(), name);
                Some((engine, None))
            }
            Err(error) => {
                let required = env::var("SWITCHBOARD_REQUIRE").unwrap_or_default();
                let required = required.split(',').any(|other| other.trim() == name);
                assert!(!required, "{name} is required here, but cannot be opened: {error}");
                println!("skipped on {name}: {error}");
                None
            }
        }
    }

    /// Whether a real kernel is below it, with descriptors, other processes and the time of day.
    pub(crate) fn is_real(self) -> bool {
        matches!(self, Self::Uring | Self::Epoll | Self::Poll | Self::Select)
    }
}

fn in_memory(lamps: Lamps) -> (Box<dyn Engine>, Option<Network>) {
    let network = network().lamps(lamps);
    let engine = network.engine();
    assert_eq!(engine.name(), "sim");
    (engine, Some(network))
}

/// A network with the faults that the engines of a real kernel find in the environment.
fn network() -> Network {
    let (seed, faults) = chaos();
    Network::with_seed(seed).faults(faults)
}

/// Whether this run of the tests is one with this fault, which a test may have to allow for.
pub(crate) fn may_happen(fault: Fault) -> bool {
    static FAULTS: OnceLock<Faults> = OnceLock::new();
    FAULTS.get_or_init(|| chaos().1).may(fault)
}

/// What `SWITCHBOARD_CHAOS` says.
fn chaos() -> (u64, Faults) {
    let text = env::var("SWITCHBOARD_CHAOS").unwrap_or_default();
    if text.is_empty() {
        return (0, Faults::none());
    }
    let (seeds, faults): (Vec<_>, Vec<_>) = text.split(',').partition(|item| item.starts_with("seed="));
    let seed = seeds.first().map_or(0, |seed| seed["seed=".len()..].parse().expect("a seed is a number"));
    (seed, faults.join(",").parse().expect("SWITCHBOARD_CHAOS must name faults"))
}
