//! Whether a simulation does the same again: it is run twice, and what its programs observed is compared, event by event.

use super::{Failed, Report, Sim, Why};
use crate::engine::sim::Network;
use crate::engine::trace::Trace;

impl Sim {
    /// Runs it twice from the beginning, as [`run`](Self::run) does. What each program asks of its engine and what befalls
    /// the network has to be the same both times, to the byte and to the nanosecond.
    ///
    /// Programs begin anew the second time. What they share outside the simulation, such as a counter, is still as the first
    /// left it: they have to be indifferent to that.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// use switchboard::sim::{Sim, Why};
    ///
    /// let mut sim = Sim::new(1).host("a", async || {
    ///     // The time of day is not the network's.
    ///     let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    ///     switchboard::sleep(Duration::from_nanos(u64::from(time.subsec_nanos()))).await;
    ///     switchboard::net::Listener::bind("0.0.0.0:80").await.map(drop)
    /// });
    /// let failed = sim.check().unwrap_err();
    /// assert!(matches!(failed.why, Why::Differs(_)));
    /// ```
    ///
    /// # Errors
    ///
    /// [`Why::Differs`], with the first event that does; and those of [`run`](Self::run), if both times failed in the same way.
    ///
    /// # Panics
    ///
    /// When it has begun already, or its [trace](Self::trace) has.
    pub fn check(&mut self) -> Result<Report, Failed> {
        assert!(!self.has_begun, "a simulation is checked from its beginning, and this one has begun");
        let mut twin = self.twin();
        let first = self.trace.get_or_insert_default().clone();
        assert!(
            first.is_empty(),
            "a simulation is checked by what its trace tells, and there is something in it already"
        );
        let second = Trace::new();
        twin.trace = Some(second.clone());
        let outcome = self.run();
        // How it ends is in the trace, or else it is as the first.
        let again = twin.run();
        if let Some(difference) = first.first_difference(&second) {
            return Err(self.failed(None, Why::Differs(difference)));
        }
        match (&outcome, again) {
            (Ok(_), Err(failed)) => Err(failed),
            _ => outcome,
        }
    }

    /// Another one of itself that has not begun, on a network of its own.
    fn twin(&self) -> Self {
        let network = Network::driven(self.seed);
        let hosts = self.hosts.iter().map(|host| host.twin(network.add_host(&host.name))).collect();
        let mut twin = Self::new(self.seed);
        (twin.network, twin.hosts) = (network, hosts);
        (twin.usual, twin.faults, twin.limit) = (self.usual, self.faults.clone(), self.limit);
        twin.script.clone_from(&self.script);
        for what in &self.before {
            what(&mut twin);
        }
        twin
    }
}
