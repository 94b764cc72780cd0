//! What a thread has had of its processor, as the system tells it (Linux: `/proc/thread-self/schedstat`).

use std::fs;
use std::time::Duration;

use super::tally::Share;

/// What the calling thread has had, up to a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Processor {
    ran: Duration,
    /// Able to run, and others did.
    waited: Duration,
}

impl Processor {
    /// Up to now; `None` where the system does not tell.
    pub(super) fn now() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/thread-self/schedstat").ok()?)
    }

    /// What it has had since, of a time.
    pub(super) fn share(self, of: Duration) -> Option<Share> {
        let now = Self::now()?;
        let part = |is: Duration, was: Duration| {
            let seconds = of.as_secs_f64();
            if seconds > 0.0 { is.saturating_sub(was).as_secs_f64() / seconds } else { 0.0 }
        };
        Some(Share { ran: part(now.ran, self.ran), waited: part(now.waited, self.waited) })
    }

    /// Nanoseconds that it ran, and that it waited, and how often (Documentation/scheduler/sched-stats.rst).
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split_ascii_whitespace().map(str::parse);
        let mut next = || numbers.next()?.ok().map(Duration::from_nanos);
        Some(Self { ran: next()?, waited: next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_tells_is_read() {
        let (ran, waited) = (Duration::from_nanos(1500), Duration::from_nanos(20));
        assert_eq!(Processor::parse("1500 20 3\n"), Some(Processor { ran, waited }));
        assert_eq!(Processor::parse(""), None);
        assert_eq!(Processor::parse("x y"), None);
    }
}
