//! When a client has been idle for too long, and what then: as with the library's server, which it is to be no other than.
//!
//! Idle is a connection over which no byte goes, either way. Bytes may go although nothing is done here: those that the
//! system has taken over and the client takes its time to read. Nothing more is heard from an idle client, and what it is
//! to be told is told; has it not been by then, a moment later it is cut off.

use std::time::{Duration, Instant};

use super::drain::LAST_WORDS;

/// Of one client. See the top of this file.
#[derive(Debug)]
pub(crate) struct Idle {
    timeout: Option<Duration>,
    /// When a byte last went either way.
    active: Instant,
    /// How many bytes the client had not acknowledged when that was last looked at.
    under_way: usize,
    /// It was idle for too long, and is cut off then.
    last_words: Option<Instant>,
}

/// What is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    GoOn,
    /// Nothing more is to be heard from it.
    EndReading,
    Cancel,
}

impl Idle {
    pub(crate) fn new(timeout: Option<Duration>, now: Instant) -> Self {
        Self { timeout, active: now, under_way: 0, last_words: None }
    }

    /// A byte went.
    pub(crate) fn interrupt(&mut self, now: Instant) {
        self.active = now;
    }

    /// When to look at it.
    pub(crate) fn wake(&self) -> Option<Instant> {
        self.last_words.or(self.timeout.map(|time| self.active + time))
    }

    /// Looks at it. `unsent` tells how many bytes the client has yet to acknowledge.
    pub(crate) fn look(&mut self, now: Instant, unsent: impl FnOnce() -> usize) -> Verdict {
        if self.wake().is_none_or(|wake| now < wake) {
            return Verdict::GoOn;
        }
        if self.last_words.is_some() {
            return Verdict::Cancel;
        }
        let unsent = unsent();
        if unsent > 0 && unsent != self.under_way {
            (self.under_way, self.active) = (unsent, now);
            return Verdict::GoOn;
        }
        self.last_words = Some(now + LAST_WORDS);
        Verdict::EndReading
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "there is no engine here: any time would do")]
mod tests {
    use super::*;

    #[test]
    fn who_is_idle_is_heard_no_more_and_then_cut_off() {
        let (start, time) = (Instant::now(), Duration::from_secs(1));
        let mut idle = Idle::new(Some(time), start);
        assert_eq!(idle.look(start + time / 2, || 0), Verdict::GoOn);
        idle.interrupt(start + time / 2);
        assert_eq!(idle.wake(), Some(start + time * 3 / 2));
        assert_eq!(idle.look(start + time, || 0), Verdict::GoOn);
        let end = start + time * 3 / 2;
        assert_eq!(idle.look(end, || 0), Verdict::EndReading);
        assert_eq!(idle.look(end, || 0), Verdict::GoOn, "once");
        // What goes in its last words does not make them longer.
        idle.interrupt(end + LAST_WORDS / 2);
        assert_eq!(idle.wake(), Some(end + LAST_WORDS));
        assert_eq!(idle.look(end + LAST_WORDS, || 0), Verdict::Cancel);
    }

    #[test]
    fn who_still_reads_what_the_system_has_is_not_idle() {
        let (start, time) = (Instant::now(), Duration::from_secs(1));
        let mut idle = Idle::new(Some(time), start);
        for (seconds, unsent, verdict) in
            [(1, 5000, Verdict::GoOn), (2, 3000, Verdict::GoOn), (3, 3000, Verdict::EndReading)]
        {
            assert_eq!(idle.look(start + seconds * time, || unsent), verdict, "after {seconds} s");
        }
    }

    #[test]
    fn without_a_timeout_nobody_is_idle() {
        let start = Instant::now();
        let mut idle = Idle::new(None, start);
        assert_eq!(idle.wake(), None);
        assert_eq!(idle.look(start + Duration::from_secs(1_000_000), || 0), Verdict::GoOn);
    }
}
