//! What serving has cost, besides what was sent: calls that found nothing, and processor time.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use super::step::Step;

/// Counted by a model that asks its sockets in turn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Calls of accept, receive and send.
    pub(crate) calls: u64,
    /// Of those, the ones that found nothing to do.
    pub(crate) in_vain: u64,
}

impl Cost {
    /// A call was made.
    pub(crate) fn call(&mut self, in_vain: bool) {
        self.calls += 1;
        self.in_vain += u64::from(in_vain);
    }

    /// So were these, but for those there was nothing to call for.
    pub(crate) fn steps(&mut self, steps: impl IntoIterator<Item = Step>) {
        for step in steps {
            match step {
                Step::Done | Step::Drained => self.call(false),
                Step::WouldBlock => self.call(true),
                Step::Idle => {}
            }
        }
    }

    /// `1200 calls, 1188 of them (99.0 %) in vain; 1.2 s of processor time`.
    pub(crate) fn to_line(self) -> String {
        let Self { calls, in_vain } = self;
        let share = if calls == 0 { 0.0 } else { in_vain as f64 * 100.0 / calls as f64 };
        let time = processor_time().as_secs_f64();
        format!("{calls} calls, {in_vain} of them ({share:.1} %) in vain; {time:.2} s of processor time")
    }

    pub(crate) fn to_json(self) -> Value {
        let Self { calls, in_vain } = self;
        json!({ "calls": calls, "in_vain": in_vain, "processor_seconds": processor_time().as_secs_f64() })
    }
}

/// Of this process, user and system (clock_gettime(2)).
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
