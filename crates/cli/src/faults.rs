//! What a server does wrong on purpose, so that clients can be tested: it is late, slow, cut short, or deaf.
//!
//! Faults are a matter of when bytes go out and how the connection ends, so they fit every service and every model: a
//! [`Session`](crate::session::Session) heeds them, and who carries its bytes notices nothing.

use std::time::{Duration, Instant};

/// Which faults. None of them, by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// Each answer comes so much later.
    pub(crate) delay: Duration,
    /// And by a random time up to this later still.
    pub(crate) jitter: Duration,
    /// No more than so many bytes in so much time.
    pub(crate) drip: Option<Drip>,
    /// The end, after so many bytes were sent.
    pub(crate) cut: Option<Cut>,
    /// Nothing is ever received.
    pub(crate) never_read: bool,
    /// Sent in pieces of a random few bytes.
    pub(crate) chop: bool,
}

impl Faults {
    /// What one of them is asked for by, if there are any.
    pub(crate) fn name(&self) -> Option<&'static str> {
        let Self { delay, jitter, drip, cut, never_read, chop } = *self;
        let all = [
            (!delay.is_zero(), "delay"),
            (!jitter.is_zero(), "jitter"),
            (drip.is_some(), "drip"),
            (cut.is_some_and(|cut| !cut.reset), "close-after"),
            (cut.is_some(), "reset-after"),
            (never_read, "never-read"),
            (chop, "chop"),
        ];
        all.into_iter().find_map(|(is_there, name)| is_there.then_some(name))
    }
}

/// How slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Drip {
    pub(crate) bytes: usize,
    pub(crate) time: Duration,
}

/// A premature end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// After so many bytes have gone to the client; of a service that says nothing, come from it.
    pub(crate) after: u64,
    /// By RST, rather than in what looks like good order.
    pub(crate) reset: bool,
}

/// How the faults of one connection stand.
#[derive(Debug)]
pub(crate) struct Pace {
    faults: Faults,
    /// When the last answer is due: none overtakes it.
    due: Option<Instant>,
    /// What may still go before the drip's next time, which begins when the first of it goes.
    allowance: usize,
    refill: Option<Instant>,
    asked: Option<Instant>,
    /// How large the next piece is; it stays so until something of it has gone.
    piece: usize,
}

impl Pace {
    pub(crate) fn new(faults: Faults) -> Self {
        Self { faults, due: None, allowance: 0, refill: None, asked: None, piece: chopped() }
    }

    /// Whether answers are late, and not only slow.
    pub(crate) fn is_late(&self) -> bool {
        let Faults { delay, jitter, .. } = self.faults;
        !(delay.is_zero() && jitter.is_zero())
    }

    /// When an answer is due that is ready now.
    pub(crate) fn due(&mut self, now: Instant) -> Instant {
        let late = self.faults.delay + self.faults.jitter.mul_f64(fastrand::f64());
        let due = now + late;
        *self.due.insert(self.due.map_or(due, |last| last.max(due)))
    }

    /// How many bytes may go now, of many.
    pub(crate) fn room(&mut self, now: Instant) -> usize {
        let chopped = if self.faults.chop { self.piece } else { usize::MAX };
        let Some(Drip { bytes, .. }) = self.faults.drip else { return chopped };
        if self.refill.is_none_or(|refill| refill <= now) {
            self.allowance = bytes;
            self.refill = None;
        }
        self.asked = Some(now);
        self.allowance.min(chopped)
    }

    pub(crate) fn sent(&mut self, count: usize) {
        self.allowance = self.allowance.saturating_sub(count);
        if let (Some(Drip { time, .. }), None) = (self.faults.drip, self.refill) {
            self.refill = self.asked.map(|asked| asked + time);
        }
        self.piece = chopped();
    }

    /// When bytes may go again that may not go now.
    pub(crate) fn wake(&self) -> Option<Instant> {
        self.refill.filter(|_| self.allowance == 0)
    }
}

/// A few bytes, seven at most: less than any protocol's message.
fn chopped() -> usize {
    fastrand::usize(1..=7)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "there is no engine here: any time would do")]
mod tests {
    use super::*;

    #[test]
    fn a_drip_is_refilled_when_its_time_is_over_and_not_before() {
        let (start, time) = (Instant::now(), Duration::from_secs(1));
        let drip = Some(Drip { bytes: 3, time });
        let mut pace = Pace::new(Faults { drip, ..Faults::default() });
        assert_eq!((pace.room(start), pace.wake()), (3, None));
        pace.sent(2);
        assert_eq!((pace.room(start), pace.wake()), (1, None));
        pace.sent(1);
        assert_eq!((pace.room(start), pace.wake()), (0, Some(start + time)));
        assert_eq!(pace.room(start + time), 3);
    }

    #[test]
    fn the_time_of_a_drip_runs_while_bytes_go_and_not_before() {
        let (start, time) = (Instant::now(), Duration::from_secs(10));
        let mut pace = Pace::new(Faults { drip: Some(Drip { bytes: 3, time }), ..Faults::default() });
        // Asked for when there is nothing to send yet.
        pace.room(start);
        let later = start + time * 9 / 10;
        assert_eq!(pace.room(later), 3);
        pace.sent(3);
        assert_eq!((pace.room(start + time), pace.wake()), (0, Some(later + time)));
        assert_eq!(pace.room(later + time), 3);
    }

    #[test]
    fn answers_keep_their_order_however_random_their_delays() {
        let (start, delay, jitter) = (Instant::now(), Duration::from_secs(1), Duration::from_secs(9));
        let mut pace = Pace::new(Faults { delay, jitter, ..Faults::default() });
        let dues: Vec<_> = (0..100).map(|_| pace.due(start)).collect();
        assert!(dues.is_sorted() && dues[0] >= start + delay && dues[99] <= start + delay + jitter);
        let firsts: Vec<_> =
            (0..100).map(|_| Pace::new(Faults { delay, jitter, ..Faults::default() }).due(start)).collect();
        assert!(firsts.iter().any(|first| *first != firsts[0]), "at random");
    }

    #[test]
    fn a_chopped_piece_keeps_its_size_until_some_of_it_has_gone() {
        let now = Instant::now();
        let mut pace = Pace::new(Faults { chop: true, ..Faults::default() });
        let mut seen = [false; 8];
        for _ in 0..1000 {
            let room = pace.room(now);
            assert_eq!(room, pace.room(now));
            seen[room] = true;
            pace.sent(1);
        }
        assert_eq!(seen, [false, true, true, true, true, true, true, true]);
    }
}
