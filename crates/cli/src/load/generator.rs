//! One thread's share of a load, on an engine.

use async_channel::Sender;
use switchboard::Engine;

use super::gate::Gate;
use super::plan::Plan;
use super::tally::{Interval, Tally};
use crate::error::Error;

/// One thread's share of a load.
pub(super) struct Generator<'a> {
    plan: &'a Plan,
    index: usize,
    engine: &'a mut dyn Engine,
    gate: &'a Gate,
    tell: Sender<Interval>,
}

impl<'a> Generator<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        index: usize,
        engine: &'a mut dyn Engine,
        gate: &'a Gate,
        tell: Sender<Interval>,
    ) -> Self {
        Self { plan, index, engine, gate, tell }
    }

    /// Puts it on, until it is over.
    pub(super) fn run(self) -> Result<Tally, Error> {
        let Self { plan: _, index: _, engine: _, gate: _, tell: _ } = self;
        unimplemented!("being written")
    }
}
