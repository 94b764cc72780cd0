//! Whether what was measured can be believed: reasons not to.
//!
//! The rules, and the shares they state, are in `docs/measuring.md`.

use std::env;
use std::time::Duration;

use super::plan::Plan;
use super::shown;
use super::tally::Tally;

/// Why the figures cannot be trusted, each reason part of a sentence; none if they can.
pub(crate) fn doubts(plan: &Plan, tally: &Tally) -> Vec<String> {
    let mut doubts = Vec::new();
    let Tally { doubt, exchange, .. } = tally;
    let is_told = tally.window >= SHORTEST;
    for (index, share) in doubt.threads.iter().filter(|_| is_told).enumerate() {
        let waited = share.waited;
        if share.ran + waited < SATURATED && waited <= STARVED {
            continue;
        }
        let thread = if plan.threads > 1 {
            format!("thread {index} of the generator")
        } else {
            "the generator".to_owned()
        };
        doubts.push(if waited > STARVED {
            format!(
                "{thread} was starved: it ran {:.0} % of the time, and waited {:.0} % for a processor that others used",
                share.ran * 100.0,
                waited * 100.0
            )
        } else {
            format!(
                "{thread} had no time left: it ran {:.0} % of the time; give it more threads with -t, or less to do",
                share.ran * 100.0
            )
        });
    }
    if plan.pace.is_open() && !doubt.slip.is_empty() {
        let (slip, latency) = (doubt.slip.percentile(99.0), exchange.percentile(99.0));
        if slip.as_secs_f64() > latency.as_secs_f64() * SHARE {
            doubts.push(format!(
                "messages were sent late: the 99th percentile of that is {}, more than a tenth of that of the latency, {}",
                shown::time(slip),
                shown::time(latency)
            ));
        }
    }
    doubts
}

/// That engines are told to fail, the generator's as well as those of servers that are started here.
pub(crate) fn of_faults() -> Option<String> {
    let faults = env::var("SWITCHBOARD_CHAOS").ok().filter(|faults| !faults.is_empty())?;
    Some(format!("engines go wrong on purpose, by SWITCHBOARD_CHAOS={faults}; unset it"))
}

/// In less than that, what the system tells of a thread's time tells nothing: it may be as old as a tick, 10 ms (sched-stats.rst).
const SHORTEST: Duration = Duration::from_millis(100);

/// Of the time: whoever could have run for so long had nothing to spare.
const SATURATED: f64 = 0.95;

/// Of the time: whoever waited for a processor for longer was not alone, and was late.
const STARVED: f64 = 0.1;

/// How much of a latency may be the generator's own lateness.
const SHARE: f64 = 0.1;
