//! Who else was at work: processor time that neither we nor our servers have used.
//!
//! The kernel counts both in ticks, so a round that is too short for them to say anything is given the benefit of the doubt.

use std::time::{Duration, Instant};
use std::{fs, io};

use super::clock;

/// What the machine, and we with all whom we started and have waited for, had used at a moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    at: Instant,
    /// Ticks.
    machine: u64,
    ours: u64,
}

impl Usage {
    /// As of now.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub(super) fn read() -> io::Result<Self> {
        let wrong = || io::Error::other("/proc is not what it should be");
        let machine = machine(&fs::read_to_string("/proc/stat")?).ok_or_else(wrong)?;
        let ours = ours(&fs::read_to_string("/proc/self/stat")?).ok_or_else(wrong)?;
        Ok(Self { at: clock(), machine, ours })
    }

    /// How much of one processor others have used since, from 0 (nothing) to the number of processors.
    pub(super) fn others_since(&self, before: &Self, ticks_per_second: u64) -> f64 {
        let wall = self.at.saturating_duration_since(before.at);
        others(wall, self.machine - before.machine, self.ours - before.ours, ticks_per_second)
    }
}

/// So much, of one processor, is noise.
pub(super) const LIMIT: f64 = 0.08;

fn others(wall: Duration, machine: u64, ours: u64, ticks_per_second: u64) -> f64 {
    let ticks = machine.saturating_sub(ours).saturating_sub(UNCERTAIN);
    let seconds = ticks as f64 / ticks_per_second.max(1) as f64;
    seconds / wall.as_secs_f64().max(1e-9)
}

/// All that is not idle, nor waiting for a disk, nor taken by other machines on the same one (`proc_stat(5)`): user, nice,
/// system, irq and softirq.
fn machine(text: &str) -> Option<u64> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    Some([0, 1, 2, 5, 6].iter().filter_map(|&index| ticks.get(index)).sum())
}

/// Ours and our children's, user and system.
fn ours(text: &str) -> Option<u64> {
    let fields = text.rsplit_once(')')?.1.split_whitespace().skip(11).take(4);
    fields.map(|field| field.parse::<u64>().ok()).sum()
}

/// What rounding may have made of nothing, ticks.
const UNCERTAIN: u64 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ours_is_others() {
        let second = Duration::from_secs(1);
        assert!((others(second, 154, 100, 100) - 0.5).abs() < 1e-9);
        assert!((others(4 * second, 604, 200, 100) - 1.0).abs() < 1e-9);
        assert_eq!(others(second, 102, 100, 100), 0.0, "that is rounding");
        assert_eq!(others(second, 90, 100, 100), 0.0);
    }

    #[test]
    fn what_the_kernel_tells_is_understood() {
        let stat = "cpu  10 20 30 4000 500 6 7 800 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
        assert_eq!(machine(stat), Some(10 + 20 + 30 + 6 + 7));
        assert_eq!(machine("intr 1"), None);
        let stat = "77 (a) b) S 1 77 77 0 -1 4194304 100 0 0 0 21 43 5 6 20 0 1 0";
        assert_eq!(ours(stat), Some(21 + 43 + 5 + 6));
    }
}
