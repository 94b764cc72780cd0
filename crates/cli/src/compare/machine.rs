//! This machine: what it is, and which of its processors servers and generator are kept on.

use std::fs;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use time::OffsetDateTime;

use super::results::{Machine, Versions};

/// Which processors are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cores {
    /// That this process may use.
    pub(super) count: usize,
    /// `None` if there is but one.
    pub(super) apart: Option<Apart>,
}

/// Each has a processor of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Apart {
    pub(super) server: usize,
    pub(super) generator: usize,
}

impl Cores {
    /// Chooses them: as far apart as can be known.
    pub(super) fn choose() -> Self {
        let allowed = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
        let cores: Vec<_> = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core)).collect();
        Self { count: cores.len().max(1), apart: apart(&cores, siblings) }
    }

    /// Keeps this thread, and all that it starts, from the servers' processor.
    pub(super) fn keep_clear(&self) {
        if let Some(Apart { generator, .. }) = self.apart {
            let mut cores = CpuSet::new();
            cores.set(generator);
            // Where it is not allowed, it is only measured less well.
            sched_setaffinity(None, &cores).ok();
        }
    }

    pub(super) fn server(&self) -> Option<usize> {
        self.apart.map(|apart| apart.server)
    }

    pub(super) fn generator(&self) -> Option<usize> {
        self.apart.map(|apart| apart.generator)
    }
}

/// The last one for servers, since systems are busiest on the first; the generator beside it, but not on the same core's other thread
/// if there is a choice.
fn apart(cores: &[usize], siblings: impl Fn(usize) -> Vec<usize>) -> Option<Apart> {
    let (&server, others) = cores.split_last()?;
    let near = siblings(server);
    let generator = others.iter().rev().find(|core| !near.contains(core)).or(others.last())?;
    Some(Apart { server, generator: *generator })
}

/// The processors that are threads of the same core (Linux, Documentation/admin-guide/cputopology.rst).
fn siblings(core: usize) -> Vec<usize> {
    let path = format!("/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list");
    list(&fs::read_to_string(path).unwrap_or_default())
}

/// Of `0,4-6`.
fn list(text: &str) -> Vec<usize> {
    let ranges = text.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse().ok()?..=last.parse().ok()?)
    });
    ranges.flatten().collect()
}

pub(super) fn versions() -> Versions {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Versions {
        switchboard: env!("CARGO_PKG_VERSION").to_owned(),
        build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
        kernel: kernel.trim().to_owned(),
    }
}

pub(super) fn machine(cores: &Cores) -> Machine {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    Machine {
        processor: line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned())),
        cores: cores.count,
        server_core: cores.server(),
        generator_core: cores.generator(),
    }
}

/// Of now (RFC 3339).
pub(super) fn date() -> String {
    let seconds = clock_gettime(ClockId::Realtime).tv_sec;
    let date = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (month, day) = (u8::from(date.month()), date.day());
    let (hour, minute, second) = date.to_hms();
    format!("{:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z", date.year())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_and_generator_are_as_far_apart_as_they_can_be() {
        let hyper = |core: usize| vec![core % 2, core % 2 + 2];
        let pair = |cores: &[usize]| apart(cores, hyper).map(|apart| (apart.server, apart.generator));
        assert_eq!(pair(&[0, 1, 2, 3]), Some((3, 2)));
        assert_eq!(pair(&[0, 1, 3]), Some((3, 0)), "1 is the same core as 3");
        assert_eq!(pair(&[1, 3]), Some((3, 1)), "there is no choice");
        assert_eq!(pair(&[5]), None);
        assert_eq!(pair(&[]), None);
    }

    #[test]
    fn lists_of_processors_are_understood() {
        assert_eq!(list("0,4-6\n"), [0, 4, 5, 6]);
        assert!(list("").is_empty());
    }
}
