//! The cases of `tests/differential`, chosen by libFuzzer: whatever is done, all engines show the same.
//!
//! A case that was found is printed as it can be written into `tests/differential/found.rs`. Engines that this system lacks
//! are left out, and said to be.
#![no_main]

#[path = "../../crates/switchboard/tests/differential/agree.rs"]
mod agree;
#[path = "../../crates/switchboard/tests/differential/case.rs"]
mod case;
#[path = "../../crates/switchboard/tests/differential/datagrams.rs"]
mod datagrams;
#[path = "../../crates/switchboard/tests/differential/ending.rs"]
mod ending;
#[path = "../../crates/switchboard/tests/differential/ends.rs"]
mod ends;
#[path = "../../crates/switchboard/tests/rig/engines.rs"]
#[expect(dead_code, reason = "only some of it is needed here")]
mod engines;
#[path = "../../crates/switchboard/tests/differential/play.rs"]
mod play;
#[path = "../../crates/switchboard/tests/differential/receiving.rs"]
mod receiving;
#[path = "../../crates/switchboard/tests/rig/reserved.rs"]
mod reserved;
#[path = "../../crates/switchboard/tests/differential/settle.rs"]
mod settle;
#[path = "../../crates/switchboard/tests/differential/steps.rs"]
mod steps;

use std::time::Duration;

use case::Case;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, Vec<[u8; 5]>)| {
    let (family, mut steps) = input;
    steps.truncate(MOST_STEPS);
    let case = Case::decode(family, &steps);
    if let Err(difference) = agree::agree(&case, Duration::from_secs(3), 3) {
        panic!("{difference}\n{case:?}");
    }
});

/// Longer cases find no more, and take longer.
const MOST_STEPS: usize = 60;
