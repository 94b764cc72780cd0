//! One behaviour on every mechanism: the same program is run on the system and in memory, and must see the same.
//!
//! Each test is a script. It is run on epoll, io_uring, poll and select, and in memory with both kinds of lamps, over IP
//! and Unix sockets; what it sees (outcomes, error kinds and numbers, bytes) is written down, and compared line by line.

mod connecting;
mod conversing;
mod datagrams;
mod ending;
mod trial;

use switchboard::Mechanism;
use switchboard::engine::sim::{Lamps, Network};
use switchboard::engine::{self, Engine};

use trial::{Family, Trial};

/// Runs a script everywhere, and compares what it saw with what it sees on epoll.
fn agree(families: &[Family], script: impl Fn(&mut Trial)) {
    for &family in families {
        let run = |engine: Box<dyn Engine>| {
            let mut trial = Trial { engine, family, seen: Vec::new() };
            script(&mut trial);
            trial.seen
        };
        let expected = run(engine::with(Mechanism::Epoll).unwrap());
        assert!(!expected.is_empty(), "a script that sees nothing proves nothing");
        for mechanism in [Mechanism::Uring, Mechanism::Poll, Mechanism::Select] {
            compare(
                &format!("{family:?} on {mechanism:?}"),
                &run(engine::with(mechanism).unwrap()),
                &expected,
            );
        }
        for lamps in [Lamps::Edge, Lamps::Oneshot] {
            let seen = run(Network::new().lamps(lamps).engine());
            compare(&format!("{family:?} in memory with {lamps:?}"), &seen, &expected);
        }
    }
}

fn compare(place: &str, seen: &[String], expected: &[String]) {
    let differ = |(seen, expected): (&String, &String)| {
        (seen != expected).then(|| format!("  {seen}\n     and on epoll {expected}\n"))
    };
    let differences: String = seen.iter().zip(expected).filter_map(differ).collect();
    let lengths = if seen.len() == expected.len() { "" } else { "and one saw more than the other" };
    assert!(seen == expected, "{place}:\n{differences}{lengths}");
}

const IP: &[Family] = &[Family::V4, Family::V6];
const UNIX: &[Family] = &[Family::Path, Family::Abstract];
const ALL: &[Family] = &[Family::V4, Family::V6, Family::Path, Family::Abstract];
