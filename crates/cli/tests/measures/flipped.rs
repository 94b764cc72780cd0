//! One bit that is wrong, in a million messages, is found, and nothing else is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::is_required;
use crate::measured::measure;
use crate::measured::peer::Echo;

#[test]
fn a_bit_that_was_flipped_once_in_a_million_messages_is_found() {
    if !is_required() {
        return;
    }
    for seed in 1..=2 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (at, bit) = (random.u64(0..MESSAGES * SIZE), 1 << random.u8(0..8));
        let flipped = Arc::new(AtomicU64::new(0));
        let notes = Arc::clone(&flipped);
        let server = Echo::changing(move |before, bytes| {
            if let Some(byte) = at.checked_sub(before).and_then(|at| bytes.get_mut(at as usize)) {
                *byte ^= bit;
                notes.fetch_add(1, Ordering::Relaxed);
            }
        });
        let measured = measure(&server.target, "-c 4 --in-flight 64 -s 16 -n 1000000 --timeout 60s");
        println!("byte {at}, bit {bit:#x}: {}", measured.value("failures"));
        assert_eq!(flipped.load(Ordering::Relaxed), 1);
        assert_eq!(measured.number("failures/mismatch"), 1, "byte {at}, {}", measured.report);
        assert_eq!(measured.number("failures/total"), 1, "byte {at}, {}", measured.report);
        assert_eq!(measured.number("answered"), MESSAGES - 1);
        assert_eq!(server.bytes(), MESSAGES * SIZE);
    }
}

const MESSAGES: u64 = 1_000_000;

/// Of one, bytes.
const SIZE: u64 = 16;
