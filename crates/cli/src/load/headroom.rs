//! Whether there is room for a load on this machine: descriptors for its connections, and ports for them to come from.
//!
//! Better said before it begins than found among the failures. What the system does not tell is not judged.

use std::fs;
use std::ops::RangeInclusive;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use switchboard::Mechanism;
use switchboard::engine::Address;

use super::plan::{Pace, Plan, Transport, Until};
use crate::error::{Error, say};
use crate::limits;

/// Makes room as far as it can be made.
///
/// # Errors
///
/// When there is not enough.
pub(super) fn check(plan: &Plan, engine: &str) -> Result<(), Error> {
    limits::raise_descriptors();
    let Plan { connections, threads, .. } = *plan;
    check_descriptors(connections, threads, getrlimit(Resource::Nofile).current, "-c")?;
    check_engine(connections, threads, engine)?;
    let Address::Ip(peer) = plan.address else { return Ok(()) };
    let Some(ports) = read_ports() else { return Ok(()) };
    check_ports(connections, &ports, "-c")?;
    let reuse = read("net/ipv4/tcp_tw_reuse").unwrap_or_default();
    let is_reused = match reuse.trim() {
        "1" => true,
        "2" => peer.ip().is_loopback(),
        _ => false,
    };
    if let Some(warning) = warn_of_churn(plan, &ports, is_reused) {
        say(&format!("warning: {warning}"));
    }
    Ok(())
}

/// The same for connections of one thread to one address, of which so many were asked for with this flag.
///
/// # Errors
///
/// When there is not enough.
pub(crate) fn check_connections(connections: usize, flag: &str) -> Result<(), Error> {
    limits::raise_descriptors();
    check_descriptors(connections, 1, getrlimit(Resource::Nofile).current, flag)?;
    read_ports().map_or(Ok(()), |ports| check_ports(connections, &ports, flag))
}

/// What an engine cannot watch would fail one by one, and look like the server's fault.
fn check_engine(connections: usize, threads: usize, engine: &str) -> Result<(), Error> {
    let limit = engine.parse().ok().and_then(Mechanism::limit).and_then(|limit| u64::try_from(limit).ok());
    let needed = descriptors(connections, threads);
    match limit {
        Some(limit) if needed > limit => Err(Error::refused(format_args!(
            "no room for {connections} connections: they take {needed} descriptors, and {engine} watches only those below {limit}; \
             choose another --engine, or give fewer with -c"
        ))),
        _ => Ok(()),
    }
}

fn check_descriptors(
    connections: usize,
    threads: usize,
    limit: Option<u64>,
    flag: &str,
) -> Result<(), Error> {
    let needed = descriptors(connections, threads);
    match limit {
        Some(limit) if needed > limit => Err(Error::refused(format_args!(
            "no room for {connections} connections: they take {needed} descriptors, and a process may have {limit} here; allow \
             more with `ulimit -Hn {needed}` (as root), or give fewer with {flag}"
        ))),
        _ => Ok(()),
    }
}

fn descriptors(connections: usize, threads: usize) -> u64 {
    connections as u64 + threads as u64 * OF_A_THREAD + OF_THE_PROCESS
}

fn check_ports(connections: usize, ports: &RangeInclusive<u32>, flag: &str) -> Result<(), Error> {
    let many = count(ports);
    if connections as u64 <= many {
        return Ok(());
    }
    Err(Error::refused(format_args!(
        "no room for {connections} connections: to one address there are {many} ports to come from ({} to {}); have more with \
         `sysctl net.ipv4.ip_local_port_range=\"1024 65535\"`, or give fewer with {flag}",
        ports.start(),
        ports.end()
    )))
}

/// What to say of connections that are closed and made faster than their ports come free.
fn warn_of_churn(plan: &Plan, ports: &RangeInclusive<u32>, is_reused: bool) -> Option<String> {
    if !plan.churn || plan.transport != Transport::Stream {
        return None;
    }
    let wait = if is_reused { REUSED } else { TIME_WAIT };
    let rate = match (plan.connect_rate, plan.pace) {
        (Some(rate), _) => rate,
        (None, Pace::Scheduled { from, to }) => from.max(to),
        (None, Pace::Answered { think }) => {
            plan.connections as f64 / think.as_secs_f64().max(plan.connections as f64 / AT_MOST)
        }
    };
    let in_all = match plan.until {
        Until::Messages(messages) => messages as f64,
        Until::Time(time) => rate * (time + plan.warm_up).as_secs_f64(),
    };
    let taken = in_all.min(rate * wait.as_secs_f64());
    let many = count(ports);
    if taken <= many as f64 * SHARE {
        return None;
    }
    let remedy = if is_reused {
        "have fewer a second with --connect-rate, or more ports with `sysctl net.ipv4.ip_local_port_range=\"1024 65535\"`"
    } else {
        "have fewer a second with --connect-rate, more ports with `sysctl net.ipv4.ip_local_port_range=\"1024 65535\"`, or \
         them reused after a second with `sysctl net.ipv4.tcp_tw_reuse=1`"
    };
    Some(format!(
        "--churn may run out of ports: a port is taken for {wait:?} after its connection was closed, and there are {many}; {remedy}"
    ))
}

fn read_ports() -> Option<RangeInclusive<u32>> {
    read("net/ipv4/ip_local_port_range").as_deref().and_then(understand_range)
}

fn count(ports: &RangeInclusive<u32>) -> u64 {
    u64::from(ports.end().saturating_sub(*ports.start())) + 1
}

/// Two numbers, the first and the last port (ip(7)).
fn understand_range(text: &str) -> Option<RangeInclusive<u32>> {
    let mut numbers = text.split_whitespace().map(|number| number.parse().ok());
    Some(numbers.next()??..=numbers.next()??)
}

/// One of the system's settings, where it has such.
fn read(name: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/sys/{name}")).ok()
}

/// Descriptors that an engine takes, with room to spare.
const OF_A_THREAD: u64 = 8;

/// The same of everything else: what was inherited, the loop of the main thread, files of reports.
const OF_THE_PROCESS: u64 = 24;

/// How long a port stays taken on Linux (`TCP_TIMEWAIT_LEN`).
const TIME_WAIT: Duration = Duration::from_secs(60);

/// The same where ports are reused (tcp(7), `tcp_tw_reuse`).
const REUSED: Duration = Duration::from_secs(1);

/// Connections a second that nobody exceeds who has said nothing of it: a guess, and a generous one.
const AT_MOST: f64 = 20_000.0;

/// Of the ports: from here on it may be too many.
const SHARE: f64 = 0.8;

#[cfg(test)]
pub(super) mod tests {
    use super::super::message::{Expect, Message};
    use super::*;
    use crate::choice::Choice;

    #[test]
    fn more_connections_than_descriptors_are_refused_with_what_to_do() {
        assert!(check_descriptors(968, 1, Some(1000), "-c").is_ok());
        assert!(check_descriptors(1_000_000, 1, None, "-c").is_ok());
        let error = check_descriptors(969, 1, Some(1000), "-c").unwrap_err().to_string();
        assert!(error.contains("take 1001 descriptors, and a process may have 1000"), "{error}");
        assert!(error.contains("ulimit -Hn 1001"), "{error}");
    }

    #[test]
    fn more_connections_than_an_engine_can_watch_are_refused_with_what_to_do() {
        for engine in ["uring", "epoll", "poll"] {
            assert!(check_engine(5000, 1, engine).is_ok(), "{engine}");
        }
        assert!(check_engine(992, 1, "select").is_ok());
        let error = check_engine(993, 1, "select").unwrap_err().to_string();
        assert!(error.contains("select watches only those below 1024; choose another --engine"), "{error}");
    }

    #[test]
    fn more_connections_than_ports_are_refused_with_what_to_do() {
        let ports = understand_range("32768\t60999\n").unwrap();
        assert!(check_ports(28_232, &ports, "-c").is_ok());
        let error = check_ports(28_233, &ports, "-c").unwrap_err().to_string();
        assert!(error.contains("there are 28232 ports to come from (32768 to 60999)"), "{error}");
        assert_eq!(understand_range(""), None);
        assert_eq!(understand_range("1 x"), None);
    }

    #[test]
    fn ports_that_do_not_come_free_in_time_are_warned_of() {
        let ports = 32_768..=60_999;
        let plan = Plan { churn: true, ..plan(50) };
        assert!(warn_of_churn(&plan, &ports, false).is_some_and(|said| said.contains("tcp_tw_reuse=1")));
        assert_eq!(warn_of_churn(&plan, &ports, true), None);
        let slowly = Plan { connect_rate: Some(300.0), ..plan.clone() };
        assert_eq!(warn_of_churn(&slowly, &ports, false), None);
        let longer =
            Plan { until: Until::Time(Duration::from_secs(100)), connect_rate: Some(400.0), ..plan.clone() };
        assert!(warn_of_churn(&longer, &ports, false).is_some());
        let few = Plan { until: Until::Messages(1000), ..plan.clone() };
        assert_eq!(warn_of_churn(&few, &ports, false), None);
        let fast = Plan { pace: Pace::Scheduled { from: 1.0, to: 40_000.0 }, ..plan.clone() };
        assert!(warn_of_churn(&fast, &ports, true).is_some_and(|said| !said.contains("tcp_tw_reuse")));
        assert_eq!(warn_of_churn(&Plan { churn: false, ..plan }, &ports, false), None);
    }

    pub(in super::super) fn plan(connections: usize) -> Plan {
        Plan {
            target: "127.0.0.1:8000".to_owned(),
            address: Address::from(std::net::SocketAddr::from(([127, 0, 0, 1], 8000))),
            transport: Transport::Stream,
            connections,
            message: Message::of_size(64, Expect::Echo, true),
            in_flight: 1,
            pace: Pace::Answered { think: Duration::ZERO },
            churn: false,
            connect_rate: None,
            until: Until::Time(Duration::from_secs(10)),
            warm_up: Duration::ZERO,
            timeout: Duration::from_secs(5),
            threads: 1,
            cores: Vec::new(),
            engine: Choice::Auto,
        }
    }
}
