//! That `switchboard load` measures right, where that is a matter of time: known delays, a server that stalls, a generator that is starved.
//!
//! On a machine that does something else meanwhile these say nothing, so they run alone, one at a time, on the release build: that is
//! `.ci/measures`. Elsewhere each says that it is skipped; `SWITCHBOARD_REQUIRE=measures` has them run. The generator is the judge of
//! whether it was disturbed, as it is for its users: what it does not trust itself is measured again, and what it does trust has to be right.
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside the runtime and has clocks and threads"
)]

#[path = "../measured/mod.rs"]
mod measured;

mod delays;
mod flipped;
mod stalls;
mod starved;

use std::env;

use measured::Measured;

/// Measures until the generator trusts what it has measured.
fn trusted<T>(mut measure: impl FnMut() -> (Measured, T)) -> (Measured, T) {
    for _ in 0..TRIES {
        let (measured, seen) = measure();
        if measured.code != Some(4) {
            assert_eq!(measured.code, Some(0), "{}", measured.stderr);
            return (measured, seen);
        }
        println!("once more: {}", measured.stderr.trim_end());
    }
    panic!("this machine is too busy to measure anything: {TRIES} times it was not trustworthy");
}

/// Whether to run here.
fn is_required() -> bool {
    let required = env::var("SWITCHBOARD_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|name| name == "measures");
    if !is_required {
        eprintln!("skipped: it needs the machine for itself; run .ci/measures");
    }
    is_required
}

const TRIES: usize = 12;
