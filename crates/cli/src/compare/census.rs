//! What a server and all its descendants have used so far, as the kernel counts it, and what they spent between two such counts.
//!
//! Of each thread `/proc/PID/task/TID/schedstat` has nanoseconds, where `stat` has hundredths of a second; so the former is the sum, and
//! the latter says how it divides into user and system. Whoever has ended meanwhile is in the ticks of his process, or of the parent who
//! waited for him. Switches are those of `status`: schedstat leaves out (since Linux 6.12) who was woken before he had really gone to sleep.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

/// What a process and its descendants have used since they began.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Census {
    processes: BTreeMap<u32, Process>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Process {
    threads: BTreeMap<u32, Thread>,
    /// Of all its threads, those that have ended too, in ticks.
    user: u64,
    system: u64,
    /// Of its children that it has waited for, and theirs.
    children_user: u64,
    children_system: u64,
}

/// Since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Thread {
    /// Nanoseconds.
    ran: u64,
    /// How often others were switched to instead, by its own will or not.
    switches: u64,
}

/// What was spent between two counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spent {
    /// Processor time.
    pub(super) cpu: Duration,
    /// How it divides, to the hundredth of a second for each process.
    pub(super) user: Duration,
    pub(super) system: Duration,
    /// How often a thread gave way to another, by its own will or not.
    pub(super) switches: u64,
}

impl Census {
    /// Counts. Whoever ends meanwhile is left out.
    ///
    /// # Errors
    ///
    /// When the first process has ended, or the system has no such counts.
    pub(super) fn take(root: u32) -> io::Result<Self> {
        let mut census = Self::default();
        let (process, mut waiting) = Process::read(root)?;
        census.processes.insert(root, process);
        while let Some(id) = waiting.pop() {
            if let Ok((process, children)) = Process::read(id) {
                census.processes.insert(id, process);
                waiting.extend(children);
            }
        }
        Ok(census)
    }

    /// The processes.
    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        self.processes.keys().copied()
    }

    /// How many threads they have.
    pub(super) fn threads(&self) -> usize {
        self.processes.values().map(|process| process.threads.len()).sum()
    }

    /// What was spent since an earlier count.
    pub(super) fn since(&self, before: &Self, ticks_per_second: u64) -> Spent {
        let none = Process::default();
        let (mut nanoseconds, mut user, mut system, mut switches) = (0, 0, 0, 0);
        let nanoseconds_of = |ticks: u64| ticks * 1_000_000_000 / ticks_per_second.max(1);
        for (id, now) in &self.processes {
            let then = before.processes.get(id).unwrap_or(&none);
            let (of_threads, of_switches) = now.threads_since(then);
            let ticks = (now.user - then.user.min(now.user)) + (now.system - then.system.min(now.system));
            let has_lost_some = then.threads.keys().any(|thread| !now.threads.contains_key(thread));
            nanoseconds += if has_lost_some { of_threads.max(nanoseconds_of(ticks)) } else { of_threads };
            switches += of_switches;
            user += now.user.saturating_sub(then.user) + now.children_user.saturating_sub(then.children_user);
            system += now.system.saturating_sub(then.system)
                + now.children_system.saturating_sub(then.children_system);
            // All that those spent who have ended and been waited for.
            nanoseconds += nanoseconds_of(now.children().saturating_sub(then.children()));
        }
        // Who has ended had spent some of that before.
        for (_, gone) in before.processes.iter().filter(|(id, _)| !self.processes.contains_key(id)) {
            let ran: u64 = gone.threads.values().map(|thread| thread.ran).sum();
            nanoseconds = nanoseconds.saturating_sub(ran);
            user = user.saturating_sub(gone.user);
            system = system.saturating_sub(gone.system);
        }
        let [cpu, user, system] =
            [nanoseconds, nanoseconds_of(user), nanoseconds_of(system)].map(Duration::from_nanos);
        Spent { cpu, user, system, switches }
    }
}

impl Process {
    /// What it has used, and its children.
    fn read(id: u32) -> io::Result<(Self, Vec<u32>)> {
        let folder = format!("/proc/{id}");
        let mut process = Self::parse(&fs::read_to_string(format!("{folder}/stat"))?)
            .ok_or_else(|| io::Error::other("/proc/PID/stat is not what it should be"))?;
        let mut children = Vec::new();
        for entry in fs::read_dir(format!("{folder}/task"))?.flatten() {
            let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let read = |name| fs::read_to_string(entry.path().join(name));
            let (Ok(times), Ok(status)) = (read("schedstat"), read("status")) else { continue };
            process.threads.extend(Thread::parse(&times, &status).map(|thread| (number, thread)));
            children.extend(children_of_thread(&entry.path()));
        }
        if process.threads.values().all(|thread| thread.ran == 0) {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "the kernel keeps no schedstat"));
        }
        Ok((process, children))
    }

    /// Fields 14 to 17 (`proc_pid_stat(5)`), counted from behind the name, which may hold anything.
    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11).map(str::parse);
        let mut next = || fields.next()?.ok();
        let (user, system, children_user, children_system) = (next()?, next()?, next()?, next()?);
        Some(Self { threads: BTreeMap::new(), user, system, children_user, children_system })
    }

    fn children(&self) -> u64 {
        self.children_user + self.children_system
    }

    /// Nanoseconds and switches of the threads that are still there.
    fn threads_since(&self, then: &Self) -> (u64, u64) {
        let differences = self.threads.iter().map(|(id, now)| {
            let then = then.threads.get(id).copied().unwrap_or_default();
            (now.ran.saturating_sub(then.ran), now.switches.saturating_sub(then.switches))
        });
        differences.fold((0, 0), |sum, difference| (sum.0 + difference.0, sum.1 + difference.1))
    }
}

impl Thread {
    /// Of `ran waited timeslices` (Linux, Documentation/scheduler/sched-stats.rst), and two lines of the status (`proc_pid_status(5)`).
    fn parse(times: &str, status: &str) -> Option<Self> {
        let switches = status.lines().filter_map(|line| line.split_once("voluntary_ctxt_switches:"));
        let switches = switches.map(|(_, count)| count.trim().parse::<u64>().ok()).sum::<Option<_>>()?;
        Some(Self { ran: times.split_whitespace().next()?.parse().ok()?, switches })
    }
}

/// The children of one process, whichever of its threads started them.
pub(super) fn children(id: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    threads.flat_map(|thread| children_of_thread(&thread.path())).collect()
}

/// Memory of a process and its descendants, bytes; what is shared counts for each in part (PSS, `proc_pid_smaps(5)`).
pub(super) fn memory(root: u32) -> io::Result<u64> {
    let census = Census::take(root)?;
    let mut sum = 0;
    for id in census.ids() {
        let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        sum += kibibytes.ok_or_else(|| io::Error::other("/proc/PID/smaps_rollup has no Pss"))? << 10;
    }
    Ok(sum)
}

fn children_of_thread(folder: &Path) -> Vec<u32> {
    let text = fs::read_to_string(folder.join("children")).unwrap_or_default();
    text.split_whitespace().filter_map(|id| id.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(threads: &[(u32, u64, u64)], ticks: [u64; 4]) -> Process {
        let [user, system, children_user, children_system] = ticks;
        let threads = threads.iter().map(|&(id, ran, switches)| (id, Thread { ran, switches })).collect();
        Process { threads, user, system, children_user, children_system }
    }

    fn census(processes: impl IntoIterator<Item = (u32, Process)>) -> Census {
        Census { processes: processes.into_iter().collect() }
    }

    #[test]
    fn what_is_spent_is_the_difference_of_all_threads_of_all_processes() {
        let before =
            census([(1, process(&[(1, 5_000, 3)], [4, 6, 0, 0])), (2, process(&[(2, 70, 1)], [0; 4]))]);
        let after = census([
            (1, process(&[(1, 9_000, 10), (7, 500, 2)], [19, 11, 0, 0])),
            (2, process(&[(2, 170, 4)], [0; 4])),
        ]);
        let spent = after.since(&before, 100);
        assert_eq!(spent.cpu, Duration::from_nanos(4_000 + 500 + 100));
        assert_eq!((spent.user, spent.system), (Duration::from_millis(150), Duration::from_millis(50)));
        assert_eq!(spent.switches, 7 + 2 + 3);
    }

    #[test]
    fn threads_that_ended_are_in_the_ticks_of_their_process() {
        let before = census([(1, process(&[(1, 1_000, 0), (2, 1_000, 0)], [10, 10, 0, 0]))]);
        let after = census([(1, process(&[(1, 2_000, 0)], [15, 25, 0, 0]))]);
        assert_eq!(after.since(&before, 100).cpu, Duration::from_millis(200));
    }

    #[test]
    fn children_that_ended_are_in_their_parents_count_but_for_what_they_had_spent_before() {
        let child = process(&[(2, 50_000_000, 0)], [3, 2, 0, 0]);
        let before = census([(1, process(&[(1, 0, 0)], [0; 4])), (2, child)]);
        let after = census([(1, process(&[(1, 1_000_000, 0)], [0, 0, 13, 12]))]);
        let spent = after.since(&before, 100);
        assert_eq!(spent.cpu, Duration::from_millis(1 + 250 - 50));
        assert_eq!((spent.user, spent.system), (Duration::from_millis(100), Duration::from_millis(100)));
    }

    #[test]
    fn what_the_kernel_tells_is_understood() {
        let stat = "77 (a (b) c d) S 1 77 77 0 -1 4194304 100 0 0 0 21 43 5 6 20 0 1 0 12345 1 2 3";
        assert_eq!(Process::parse(stat), Some(process(&[], [21, 43, 5, 6])));
        assert_eq!(Process::parse("77 (name"), None);
        let status = "Name:\ta\nvoluntary_ctxt_switches:\t30\nnonvoluntary_ctxt_switches:\t4\n";
        assert_eq!(Thread::parse("546809 66335 2\n", status), Some(Thread { ran: 546_809, switches: 34 }));
        assert_eq!(Thread::parse("", status), None);
    }

    #[test]
    fn this_very_process_has_used_something() {
        let census = Census::take(std::process::id()).expect("this system counts");
        assert!(census.ids().any(|id| id == std::process::id()));
        assert!(memory(std::process::id()).unwrap() > 100_000);
        assert!(Census::take(u32::MAX >> 1).is_err(), "nobody has this id");
    }
}
