//! Seeds that are to be run, by as many threads as are asked for: each takes the next one, until there is none.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::options::Options;
use super::sum::Sum;
use super::world::{Outcome, Real, run, run_twice};

/// See the top of this file.
pub(super) struct Work {
    options: Arc<Options>,
    /// The next seed that nobody has taken.
    next: AtomicU64,
    is_over: AtomicBool,
    sum: Mutex<Sum>,
}

impl Work {
    pub(super) fn new(options: Arc<Options>) -> Self {
        let next = AtomicU64::new(options.seeds.start);
        Self { options, next, is_over: AtomicBool::new(false), sum: Mutex::default() }
    }

    /// Takes seeds and runs them, until there are none or enough have failed.
    pub(super) fn run(&self) {
        while !self.is_over.load(Ordering::Relaxed) {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if !self.options.seeds.contains(&seed) {
                return;
            }
            let outcome = self.simulate(seed);
            let mut sum = self.open();
            sum.add(outcome);
            if sum.failures.len() >= self.options.most_failures {
                self.stop();
            }
        }
    }

    /// Nobody takes another one.
    pub(super) fn stop(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// What it has come to so far.
    pub(super) fn sum(&self) -> Sum {
        self.open().clone()
    }

    /// How many were run, of how many.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.open().seeds, self.options.seeds.end - self.options.seeds.start)
    }

    fn simulate(&self, seed: u64) -> Outcome {
        if self.options.check {
            run_twice::<Real>(&self.options, seed, None)
        } else {
            run::<Real>(&self.options, seed, None)
        }
    }

    fn open(&self) -> MutexGuard<'_, Sum> {
        self.sum.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
