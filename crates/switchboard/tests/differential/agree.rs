//! A case on every engine, and what differs.
//!
//! The leader is the simulated network: it knows when nothing more can happen. What a real kernel shows once and not again
//! when the same is done anew is the machine's timing (a packet that was put off because the machine was busy), and is
//! said, but is no difference.

use std::fmt::Write as _;
use std::time::Duration;

use crate::case::Case;
use crate::engines::Lot;
use crate::play::{Difference, Look, play};

/// Plays a case everywhere.
///
/// # Errors
///
/// The engine that saw something else than the leader, and what.
pub(crate) fn agree(case: &Case, patience: Duration, attempts: usize) -> Result<(), String> {
    let (engine, _) = Lot::Sim.open().expect("it needs nothing of the system");
    let expected = play(engine, case, None, patience)
        .map_err(|other| format!("the leader parted from itself: {other:?}"))?;
    for lot in FOLLOWERS {
        for attempt in 1..=attempts {
            let Some((engine, _)) = lot.open() else { break };
            match play(engine, case, Some(&expected), patience) {
                Ok(_) => break,
                Err(difference) if attempt < attempts => {
                    println!("seen once, and to be seen again: {}", tell(lot, &difference, &expected));
                }
                Err(difference) => return Err(tell(lot, &difference, &expected)),
            }
        }
    }
    Ok(())
}

fn tell(lot: Lot, difference: &Difference, before: &[Look]) -> String {
    let Difference { heading, seen, expected } = difference;
    let mut text = format!("{lot:?} sees something else, {heading}:\n");
    for line in expected.iter().filter(|line| !seen.contains(line)) {
        writeln!(text, "  only in memory: {line}").unwrap();
    }
    for line in seen.iter().filter(|line| !expected.contains(line)) {
        writeln!(text, "  only on {lot:?}: {line}").unwrap();
    }
    writeln!(text, "  {} looks in all", before.len()).unwrap();
    text
}

/// Those that are to see what the leader sees.
const FOLLOWERS: [Lot; 5] = [Lot::SimOneshot, Lot::Epoll, Lot::Poll, Lot::Select, Lot::Uring];
