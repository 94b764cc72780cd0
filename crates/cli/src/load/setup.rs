//! What was done, as a report tells it: enough to repeat it, and to know what it may be added to.

use std::fmt;
use std::time::Duration;

use switchboard::engine::Address;

use super::plan::{Pace, Plan, Transport};
use super::shown;

/// What was done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Setup {
    /// As it was typed; several, where they were.
    pub(crate) targets: Vec<String>,
    /// tcp, unix or udp.
    pub(crate) transport: String,
    pub(crate) connections: u64,
    pub(crate) threads: u64,
    pub(crate) in_flight: u64,
    /// Of a message, bytes.
    pub(crate) size: u64,
    pub(crate) expect: String,
    pub(crate) verify: bool,
    pub(crate) churn: bool,
    pub(crate) pace: Pace,
    pub(crate) warm_up: Duration,
    pub(crate) timeout: Duration,
    /// That the generator ran on; several, where they did.
    pub(crate) engines: Vec<String>,
}

impl Setup {
    /// What is planned, on an engine of this name.
    pub(crate) fn new(plan: &Plan, engine: &str) -> Self {
        let transport = match (plan.transport, &plan.address) {
            (Transport::Datagrams, _) => "udp",
            (Transport::Stream, Address::Unix(_)) => "unix",
            (Transport::Stream, _) => "tcp",
        };
        Self {
            targets: vec![plan.target.clone()],
            transport: transport.to_owned(),
            connections: plan.connections as u64,
            threads: plan.threads as u64,
            in_flight: plan.in_flight as u64,
            size: plan.message.size() as u64,
            expect: plan.message.expect.name().to_owned(),
            verify: plan.message.verify,
            churn: plan.churn,
            pace: plan.pace,
            warm_up: plan.warm_up,
            timeout: plan.timeout,
            engines: vec![engine.to_owned()],
        }
    }

    /// Adds what another one did at the same time.
    ///
    /// # Errors
    ///
    /// What differs, if percentiles of both together would be percentiles of nothing.
    pub(super) fn add(&mut self, other: &Self) -> Result<(), String> {
        let differs = |name: &str, mine: &dyn fmt::Display, others: &dyn fmt::Display| {
            Err(format!("it has {name} {others}, and those before it {mine}"))
        };
        if self.transport != other.transport {
            return differs("the transport", &self.transport, &other.transport);
        }
        if self.size != other.size {
            return differs("a message size of", &self.size, &other.size);
        }
        if self.expect != other.expect {
            return differs("the answer", &self.expect, &other.expect);
        }
        if self.churn != other.churn || self.in_flight != other.in_flight {
            return differs("messages in flight for a connection:", &self.messages(), &other.messages());
        }
        self.pace = match (self.pace, other.pace) {
            (Pace::Scheduled { from, to }, Pace::Scheduled { from: more, to: more_at_end }) => {
                Pace::Scheduled { from: from + more, to: to + more_at_end }
            }
            (Pace::Answered { think }, Pace::Answered { think: others }) if think == others => self.pace,
            (mine, others) => return differs("a pace of", &mine, &others),
        };
        self.connections += other.connections;
        self.threads += other.threads;
        self.verify &= other.verify;
        self.warm_up = self.warm_up.min(other.warm_up);
        self.timeout = self.timeout.max(other.timeout);
        unite(&mut self.targets, &other.targets);
        unite(&mut self.engines, &other.engines);
        Ok(())
    }

    fn messages(&self) -> String {
        if self.churn { "one, and then another connection".to_owned() } else { self.in_flight.to_string() }
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: u64, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        write!(f, "{} over {}", self.targets.join(" and "), self.transport)?;
        write!(
            f,
            ": {}",
            plural(self.connections, if self.transport == "udp" { "socket" } else { "connection" })
        )?;
        if self.churn {
            f.write_str(" at once, each for one message")?;
        }
        write!(f, ", {} a message", shown::bytes(self.size as f64))?;
        if self.in_flight > 1 {
            write!(f, ", {} in flight", self.in_flight)?;
        }
        let verified = if self.verify && self.expect != "none" { ", verified" } else { "" };
        write!(f, ", {}{verified}, {}; ", self.expect, self.pace)?;
        write!(f, "{} on {}", plural(self.threads, "thread"), self.engines.join(" and "))
    }
}

/// Those of both, each once.
fn unite(mine: &mut Vec<String>, others: &[String]) {
    for other in others {
        if !mine.contains(other) {
            mine.push(other.clone());
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[test]
    fn what_was_done_at_the_same_time_adds_up() {
        let mut sum = some();
        let mut other = Setup { targets: vec!["b:1".to_owned()], connections: 7, ..some() };
        sum.add(&other).unwrap();
        assert_eq!((sum.connections, sum.threads, sum.targets.join(" ")), (57, 2, "a:1 b:1".to_owned()));
        assert_eq!(sum.engines, ["epoll"]);

        other.size = 65;
        assert_eq!(some().add(&other).unwrap_err(), "it has a message size of 65, and those before it 64");
        let open = |rate| Setup { pace: Pace::Scheduled { from: rate, to: rate }, ..some() };
        let mut sum = open(100.0);
        sum.add(&open(50.0)).unwrap();
        assert_eq!(sum.pace, Pace::Scheduled { from: 150.0, to: 150.0 });
        assert!(sum.add(&some()).unwrap_err().contains("a pace of closed loop"));
    }

    #[test]
    fn it_is_told_in_a_line() {
        assert_eq!(
            some().to_string(),
            "a:1 over tcp: 50 connections, 64 B a message, echo, verified, closed loop; 1 thread on epoll"
        );
    }

    pub(in super::super) fn some() -> Setup {
        Setup {
            targets: vec!["a:1".to_owned()],
            transport: "tcp".to_owned(),
            connections: 50,
            threads: 1,
            in_flight: 1,
            size: 64,
            expect: "echo".to_owned(),
            verify: true,
            churn: false,
            pace: Pace::Answered { think: Duration::ZERO },
            warm_up: Duration::ZERO,
            timeout: Duration::from_secs(5),
            engines: vec!["epoll".to_owned()],
        }
    }
}
