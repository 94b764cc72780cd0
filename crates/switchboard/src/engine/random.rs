//! Random bits for spreading and shuffling: SplitMix64 (Steele, Lea, Flood 2014). Not for secrets.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Where a sequence begins that is to be another one each time.
#[expect(clippy::disallowed_methods, reason = "this is the engines' door to randomness")]
pub(super) fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The next number of the sequence.
pub(super) fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut bits = *state;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}
