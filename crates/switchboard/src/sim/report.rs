//! What a simulation that ended well says of itself.

use std::time::Duration;

use crate::engine::Injected;

/// What became of a simulation.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// Of the simulation.
    pub seed: u64,
    /// How old the network became, by its clock.
    pub elapsed: Duration,
    /// How often a loop was turned.
    pub turns: u64,
    /// What went wrong on purpose, and how often.
    pub injected: Injected,
    /// Whether it was all the seed's doing: no other thread has woken anybody.
    pub is_repeatable: bool,
    /// What failed with nobody to see it, such as the connection of a server's client: the host, and what was
    /// [reported](crate::EventLoop::on_failure).
    pub failures: Vec<(String, String)>,
    /// What nobody has closed by the end of a host's program, though all tasks were gone: the host, and the socket.
    pub open: Vec<(String, String)>,
}
