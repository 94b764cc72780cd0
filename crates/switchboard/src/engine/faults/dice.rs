//! Whether a fault happens now: decided by a seed, and counted.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use super::{Fault, Faults, UNLIMITED};
use crate::engine::random;

/// Decides. The same seed and the same questions give the same answers.
pub(crate) struct Dice {
    rates: [Side; Fault::ALL.len()],
    state: u64,
    injected: Injected,
    witness: Option<Witness>,
}

/// Who is told of each fault as it happens, and of each that came to nothing.
type Witness = Box<dyn Fn(Fault, &str)>;

/// One fault: how likely, as the share of all numbers that bring it about, and how often yet.
#[derive(Clone, Copy)]
struct Side {
    share: u64,
    left: u64,
}

impl Dice {
    /// Dice of that seed, which count what they bring about there, too.
    pub(crate) fn new(seed: u64, faults: &Faults, injected: Injected) -> Self {
        let rates = Fault::ALL
            .map(|fault| Side { share: share(faults.probability(fault)), left: faults.most(fault) });
        Self { rates, state: seed, injected, witness: None }
    }

    /// The same dice; this is told what happens: the fault, and a remark.
    pub(crate) fn seen_by(mut self, witness: impl Fn(Fault, &str) + 'static) -> Self {
        self.witness = Some(Box::new(witness));
        self
    }

    /// Gives back what the last roll brought about, as there was nothing to go wrong.
    pub(crate) fn take_back(&mut self, fault: Fault) {
        let side = &mut self.rates[fault as usize];
        if side.left != UNLIMITED {
            side.left += 1;
        }
        self.injected.take_back(fault);
        self.tell(fault, ", which came to nothing");
    }

    /// Whether the fault happens. What cannot happen takes no number, so that it changes nothing of what else does.
    pub(crate) fn roll(&mut self, fault: Fault) -> bool {
        let side = &mut self.rates[fault as usize];
        if side.share == 0 || side.left == 0 {
            return false;
        }
        let happens = random::next(&mut self.state) <= side.share;
        if happens {
            if side.left != UNLIMITED {
                side.left -= 1;
            }
            self.injected.add(fault);
            self.tell(fault, "");
        }
        happens
    }

    fn tell(&self, fault: Fault, remark: &str) {
        if let Some(witness) = &self.witness {
            witness(fault, remark);
        }
    }

    /// One of the numbers 0..`count`, of which there is at least one.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        let wide = u128::from(random::next(&mut self.state)) * (count as u128);
        usize::try_from(wide >> 64).unwrap_or(0)
    }
}

/// How often what went wrong on purpose. A clone counts along.
#[derive(Clone, Default)]
pub struct Injected {
    counts: Rc<[Cell<u64>; Fault::ALL.len()]>,
}

impl Injected {
    /// How often this fault was brought about.
    #[must_use]
    pub fn count(&self, fault: Fault) -> u64 {
        self.counts[fault as usize].get()
    }

    /// How often any was.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().map(Cell::get).sum()
    }

    fn take_back(&self, fault: Fault) {
        let count = &self.counts[fault as usize];
        count.set(count.get() - 1);
    }

    fn add(&self, fault: Fault) {
        let count = &self.counts[fault as usize];
        count.set(count.get() + 1);
    }
}

impl fmt::Display for Injected {
    /// Those that happened: `short 12, eintr 3`, or `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let happened = Fault::ALL.into_iter().filter(|&fault| self.count(fault) > 0);
        let counts: Vec<_> = happened.map(|fault| format!("{fault} {}", self.count(fault))).collect();
        f.write_str(if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }.as_str())
    }
}

impl fmt::Debug for Injected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(Fault::ALL.map(|fault| (fault, self.count(fault)))).finish()
    }
}

/// How many of the numbers there are stand for that probability.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "it is in 0..=1, and a conversion of a float saturates"
)]
fn share(probability: f64) -> u64 {
    (probability * u64::MAX as f64) as u64
}
