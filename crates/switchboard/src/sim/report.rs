//! What a simulation that ended well says of itself.

use std::time::Duration;

/// What became of a simulation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Of the simulation.
    pub seed: u64,
    /// How old the network became, by its clock.
    pub elapsed: Duration,
    /// How often a loop was turned.
    pub turns: u64,
    /// What failed with nobody to see it, such as the connection of a server's client: the host, and what was
    /// [reported](crate::EventLoop::on_failure).
    pub failures: Vec<(String, String)>,
}
