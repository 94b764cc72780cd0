//! How one client behaves in one conversation: drawn by lot, as good and bad as real ones.

use std::time::Duration;

use fastrand::Rng;
use switchboard::engine::Close;

use super::dialogue::Course;

/// See the top of this file.
#[derive(Debug, Clone)]
pub(super) struct Manner {
    /// How many messages it says before it has heard the answer to the first of them.
    pub(super) ahead: usize,
    /// How likely it pauses before a message, up to so long.
    pub(super) pause: Option<(f64, Duration)>,
    /// It reads so many bytes at a time, and pauses between.
    pub(super) sips: Option<usize>,
    /// It leaves without a word when it has heard so many answers, in this way.
    pub(super) leaves: Option<(usize, Close)>,
    /// It says what a service fails at, if there is such a thing.
    pub(super) booms: bool,
}

impl Manner {
    pub(super) fn draw(rng: &mut Rng, course: Course, messages: usize) -> Self {
        let ahead = match rng.u8(..4) {
            0 | 1 => 1,
            2 => rng.usize(2..=16),
            _ => usize::MAX,
        };
        let is_often_late = one_in(rng, 10);
        let is_slow = one_in(rng, 10);
        let goes = one_in(rng, 12) && course != Course::Visit;
        let how = [Close::GENTLY, Close::Now, Close::Reset][rng.usize(..3)];
        Self {
            // Who is not answered does not wait for it.
            ahead: if course == Course::Answered { ahead } else { usize::MAX },
            pause: is_often_late.then(|| (0.1, Duration::from_millis(rng.u64(1..500)))),
            sips: is_slow.then(|| rng.usize(1..=64)),
            leaves: match course {
                // Whoever talks without end is left in the end.
                Course::Endless => Some((messages, how)),
                _ => goes.then(|| (rng.usize(..messages), how)),
            },
            booms: one_in(rng, 3),
        }
    }
}

fn one_in(rng: &mut Rng, many: u8) -> bool {
    rng.u8(..many) == 0
}
