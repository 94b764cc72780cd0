//! Cases that were found to differ once.

use std::net::Shutdown;
use std::time::Duration;

use crate::agree::agree;
use crate::case::Step::{Send, Settle, Shutdown as End};
use crate::case::{Case, Family, Step};

fn play(family: Family, steps: &[Step]) {
    agree(&Case { family, steps: steps.to_vec() }, Duration::from_secs(3), 3).unwrap();
}

/// On io_uring, what the ring had brought was overtaken by what the kernel still had.
#[test]
fn a_shutdown_behind_a_send_leaves_what_arrives_in_order() {
    let steps = [
        Send { end: 1, length: 400_032, parts: 0 },
        Send { end: 0, length: 400_000, parts: 0 },
        End { end: 0, how: Shutdown::Both },
        Settle,
    ];
    for _ in 0..5 {
        play(Family::V4, &steps);
    }
}
