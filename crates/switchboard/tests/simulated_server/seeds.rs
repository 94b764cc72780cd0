//! What all scenarios share: the seeds they are run with, links of every kind, and bytes that tell where they belong.
//!
//! `SWITCHBOARD_SEEDS` says which seeds: `1000` are the first thousand, `100..200` those; `SWITCHBOARD_SEED=17` is one. A
//! scenario that fails says its seed and the command that repeats it. All that it leaves to chance follows from the seed.

use std::env;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use fastrand::Rng;
use switchboard::engine::Setting;
use switchboard::net::Stream;
use switchboard::sim::{Failed, Link, Report};
use switchboard::{EventLoop, sleep};

/// Brings a scenario about with every seed that is asked for; fails with the first that does not end well.
#[track_caller]
pub(crate) fn with_every_seed(name: &str, scenario: fn(u64) -> Result<(), Failed>) {
    for seed in seeds() {
        let told = match catch_unwind(AssertUnwindSafe(|| scenario(seed))) {
            Ok(Ok(())) => continue,
            Ok(Err(failed)) => failed.to_string(),
            Err(_) => "it panicked, as said above".to_owned(),
        };
        panic!(
            "seed {seed} of {name} fails: {told}\nrepeat it with: SWITCHBOARD_SEED={seed} cargo test -p switchboard \
             --test simulated_server {name}"
        );
    }
}

fn seeds() -> Range<u64> {
    let number = |text: &str| -> u64 {
        text.parse()
            .unwrap_or_else(|_| panic!("{text:?} is no seed; give a number, or a range such as 100..200"))
    };
    if let Ok(text) = env::var("SWITCHBOARD_SEED") {
        let seed = number(&text);
        return seed..seed + 1;
    }
    let Ok(text) = env::var("SWITCHBOARD_SEEDS") else { return 0..USUAL };
    let (from, to) = text.split_once("..").unwrap_or(("0", &text));
    let seeds = number(from)..number(to);
    assert!(
        !seeds.is_empty(),
        "SWITCHBOARD_SEEDS={text} names no seed; give a number, or a range such as 100..200"
    );
    seeds
}

/// The numbers of one host's program.
pub(crate) fn chance(seed: u64, who: u64) -> Rng {
    Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ who)
}

/// A link: near or far, steady or not, wide or narrow, sometimes a bad one.
pub(crate) fn some_link(chance: &mut Rng) -> Link {
    let link = Link::default()
        .latency(Duration::from_micros(chance.u64(0..5_000)))
        .jitter(Duration::from_micros(chance.u64(0..5_000)));
    match chance.u8(0..4) {
        0 => link.loss(0.02),
        1 => link.bandwidth(chance.u64(500_000..10_000_000)),
        _ => link,
    }
}

/// Buffers that are soon full, at times.
pub(crate) fn some_buffers(stream: &Stream, chance: &mut Rng) {
    if chance.bool() {
        stream.set(Setting::SendBuffer(chance.usize(1_000..10_000))).ok();
    }
    if chance.bool() {
        stream.set(Setting::ReceiveBuffer(chance.usize(1_000..10_000))).ok();
    }
}

/// The bytes that a stream has at these places: none is like its neighbours, nor like that of another stream.
pub(crate) fn bytes(stream: u64, places: Range<usize>) -> Vec<u8> {
    places.map(|place| byte(stream, place)).collect()
}

fn byte(stream: u64, place: usize) -> u8 {
    let mixed =
        (place as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ stream.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed.wrapping_mul(0x94D0_49BB_1331_11EB).to_be_bytes()[0]
}

/// Fails unless these are the bytes of that stream from there on.
#[track_caller]
pub(crate) fn check(stream: u64, from: usize, data: &[u8]) {
    let wrong = data.iter().enumerate().find(|&(at, &got)| got != byte(stream, from + at));
    if let Some((at, _)) = wrong {
        panic!(
            "stream {stream} has a wrong byte at {} (received with {} from {from} on)",
            from + at,
            data.len()
        );
    }
}

/// Less than 2 to the power of `most`; small ones are as likely as large ones.
pub(crate) fn some_size(chance: &mut Rng, most: u32) -> usize {
    let power = chance.u32(1..=most);
    chance.usize(0..1 << power)
}

/// Often nothing, sometimes a while.
pub(crate) async fn pause(chance: &mut Rng) {
    if chance.u8(0..10) == 0 {
        sleep(Duration::from_micros(chance.u64(0..5_000))).await;
    }
}

/// The clock of the network, to this very moment.
pub(crate) fn clock() -> Instant {
    EventLoop::with_current(|event_loop| event_loop.engine().clock()).expect("a scenario runs on a loop")
}

/// Fails if something failed with nobody to see it.
#[track_caller]
pub(crate) fn nothing_failed(report: &Report) {
    assert_eq!(report.failures, [], "after {:?}", report.elapsed);
    assert!(report.is_repeatable);
}

/// How many seeds a plain `cargo test` takes.
const USUAL: u64 = 30;
