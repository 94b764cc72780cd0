//! One behaviour on every mechanism: the same program is run on the system and in memory, and must see the same.
//!
//! Each test is a script. It is run on epoll, io_uring, poll and select, and in memory with both kinds of lamps, over IP
//! and Unix sockets. What it sees at each step (answers, error kinds and numbers, what has to wait) is written down, and
//! compared line by line; and the traces of all it does must agree.

mod connecting;
mod conversing;
mod datagrams;
mod ending;
#[path = "../rig/reserved.rs"]
mod reserved;
mod trial;

use switchboard::Mechanism;
use switchboard::engine::sim::{Lamps, Network};
use switchboard::engine::trace::Trace;
use switchboard::engine::{self, Engine};

use trial::{Family, Trial};

/// Runs a script everywhere, and compares what it saw, step by step and in its trace, with what it sees on epoll.
fn agree(families: &[Family], script: impl Fn(&mut Trial)) {
    run_everywhere(families, script, |place, here, on_epoll| {
        compare_steps(place, &here.seen, &on_epoll.seen);
        if let Err(difference) = on_epoll.trace.agrees_with(&here.trace) {
            panic!("{place}: {difference}");
        }
    });
}

/// The same for a script that takes what it finds, as the size of a kernel's buffers: only its steps are compared.
fn agree_in_steps(families: &[Family], script: impl Fn(&mut Trial)) {
    run_everywhere(families, script, |place, here, on_epoll| {
        compare_steps(place, &here.seen, &on_epoll.seen);
    });
}

/// What is left of a trial.
struct Record {
    seen: Vec<String>,
    trace: Trace,
}

fn run_everywhere(
    families: &[Family],
    script: impl Fn(&mut Trial),
    compare: impl Fn(&str, &Record, &Record),
) {
    for &family in families {
        let run = |engine: Box<dyn Engine>| {
            let trace = Trace::new();
            let mut trial =
                Trial { engine: trace.record("", engine), family, seen: Vec::new(), reserved: Vec::new() };
            script(&mut trial);
            Record { seen: trial.seen, trace }
        };
        let expected = run(engine::with(Mechanism::Epoll).unwrap());
        assert!(!expected.seen.is_empty(), "a script that sees nothing proves nothing");
        for mechanism in [Mechanism::Uring, Mechanism::Poll, Mechanism::Select] {
            let here = run(engine::with(mechanism).unwrap());
            compare(&format!("{family:?} on {mechanism:?}"), &here, &expected);
        }
        for lamps in [Lamps::Edge, Lamps::Oneshot] {
            let here = run(Network::new().lamps(lamps).engine());
            compare(&format!("{family:?} in memory with {lamps:?}"), &here, &expected);
        }
    }
}

fn compare_steps(place: &str, seen: &[String], expected: &[String]) {
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
