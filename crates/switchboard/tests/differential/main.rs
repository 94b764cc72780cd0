//! One behaviour on every mechanism, whatever is done: random cases are played everywhere, and must look the same.
//!
//! `tests/agree` compares scripts that people wrote; here nobody chose what is done. A case that fails is shrunk and
//! printed as it can be written into `found.rs`. `PROPTEST_CASES` says how many are played, `PROPTEST_RNG_SEED` chooses
//! others than those that are always played.

mod agree;
mod case;
mod datagrams;
mod ending;
mod ends;
#[path = "../rig/engines.rs"]
#[expect(dead_code, reason = "only some of it is needed here")]
mod engines;
mod found;
mod play;
mod receiving;
#[path = "../rig/reserved.rs"]
mod reserved;
mod settle;
mod steps;

use std::cell::Cell;
use std::env;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use case::Case;

#[test]
fn random_cases_look_alike_everywhere() {
    let mut config = Config {
        failure_persistence: None,
        max_shrink_time: 40_000,
        max_shrink_iters: 3_000,
        ..Config::default()
    };
    if env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    if env::var_os("PROPTEST_RNG_SEED").is_none() {
        config.rng_seed = RngSeed::Fixed(SEED);
    }
    let steps = vec(any::<[u8; 5]>(), 1..60);
    let (played, is_found) = (Cell::new(0_u32), Cell::new(false));
    let seed = config.rng_seed;
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&(0..3_u8, steps), |(family, steps)| {
        let case = Case::decode(family, &steps);
        // Once something was found, what differs is looked for in less time.
        let (patience, attempts) =
            if is_found.get() { (Duration::from_millis(100), 1) } else { (PATIENCE, 3) };
        if !is_found.get() {
            played.set(played.get() + 1);
        }
        agree::agree(&case, patience, attempts).map_err(|difference| {
            is_found.set(true);
            TestCaseError::fail(difference)
        })
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(difference, (family, steps))) => {
            let case = Case::decode(family, &steps);
            panic!("case {} of seed {seed:?}: {difference}\n{case:?}", played.get());
        }
        Err(other) => panic!("{other}"),
    }
}

/// Few enough for seconds.
const CASES: u32 = 256;

/// Any number.
const SEED: u64 = 20_261_121;

/// How long a real engine may take until it shows what it must.
const PATIENCE: Duration = Duration::from_secs(3);
