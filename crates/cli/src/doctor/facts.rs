//! What the system tells about itself and this process, each as far as it does.

use rustix::process::{Resource, getrlimit};

use super::proc::{self, Limit};

/// All that findings are made from. `None` is what was not told.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Facts {
    /// The kernel's release.
    pub(super) release: Option<String>,
    /// Whether a filter of system calls is at work on this process (seccomp(2)).
    pub(super) is_filtered: Option<bool>,
    /// `kernel.io_uring_disabled`: 0, 1 for all but some, 2 for all.
    pub(super) io_uring_disabled: Option<u64>,
    /// Of this process.
    pub(super) descriptors: Option<Limit>,
    /// Open in the whole system, and how many may be.
    pub(super) files: Option<(u64, u64)>,
    pub(super) somaxconn: Option<u64>,
    pub(super) syn_backlog: Option<u64>,
    /// `net.ipv4.tcp_syncookies`: 0 never, 1 when the queue is full, 2 always.
    pub(super) syn_cookies: Option<u64>,
    /// The first and the last that are given to who asks for none.
    pub(super) local_ports: Option<(u64, u64)>,
    /// Those among them that are not given.
    pub(super) reserved_ports: Option<u64>,
    /// Connections in TIME_WAIT.
    pub(super) time_wait: Option<u64>,
    /// `net.ipv4.tcp_tw_reuse`: 0 never, 1 for all that connect, 2 over loopback.
    pub(super) time_wait_reuse: Option<u64>,
    /// Bytes of memory that may be locked.
    pub(super) locked_memory: Option<Limit>,
    /// Whether that limit is not for this process (CAP_IPC_LOCK).
    pub(super) may_lock_all: Option<bool>,
    /// Cores that this process may run on.
    pub(super) cores: Option<u64>,
    /// Cores that there are.
    pub(super) online: Option<u64>,
    /// The tightest quota of processor time.
    pub(super) quota: Option<Quota>,
    /// What bounds the number of threads, by the names of the limits.
    pub(super) threads: Vec<(&'static str, u64)>,
}

/// A share of processor time that a group of processes may use.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Quota {
    /// Cores' worth of it.
    pub(super) cores: f64,
    /// The file that says so.
    pub(super) file: String,
}

impl Facts {
    /// Gathers them from the files that `read` reads, and from getrlimit(2).
    pub(super) fn gather(read: &dyn Fn(&str) -> Option<String>) -> Self {
        let nofile = getrlimit(Resource::Nofile);
        Self {
            descriptors: Some(Limit { soft: nofile.current, hard: nofile.maximum }),
            ..Self::of_files(read)
        }
    }

    /// Those that files tell.
    pub(super) fn of_files(read: &dyn Fn(&str) -> Option<String>) -> Self {
        let setting = |name: &str| read(&format!("/proc/sys/{name}")).as_deref().and_then(proc::number);
        let status = read("/proc/self/status").unwrap_or_default();
        let limits = read("/proc/self/limits").unwrap_or_default();
        let groups = read("/proc/self/cgroup").unwrap_or_default();
        let is_outermost = read("/proc/self/uid_map").as_deref().and_then(proc::is_outermost);
        // In a namespace of users, a capability is none over what the system has.
        let may = |capability| {
            let has = proc::has_capability(proc::field(&status, "CapEff")?, capability)?;
            is_outermost.map(|is_outermost| is_outermost && has)
        };
        let ports = read("/proc/sys/net/ipv4/ip_local_port_range");
        let local_ports = ports.as_deref().and_then(proc::numbers).map(|[first, last]| (first, last));
        let reserved = read("/proc/sys/net/ipv4/ip_local_reserved_ports");
        let processes = proc::limit(&limits, "Max processes").filter(|_| may(SYS_RESOURCE) != Some(true));
        Self {
            release: read("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned()),
            is_filtered: proc::field(&status, "Seccomp").and_then(proc::number).map(|mode| mode != 0),
            io_uring_disabled: setting("kernel/io_uring_disabled"),
            descriptors: None,
            files: read("/proc/sys/fs/file-nr")
                .as_deref()
                .and_then(proc::numbers)
                .map(|[open, _, most]| (open, most)),
            somaxconn: setting("net/core/somaxconn"),
            syn_backlog: setting("net/ipv4/tcp_max_syn_backlog"),
            syn_cookies: setting("net/ipv4/tcp_syncookies"),
            local_ports,
            reserved_ports: local_ports
                .zip(reserved)
                .and_then(|((first, last), list)| proc::count_in_list(&list, first..=last)),
            time_wait: read("/proc/net/sockstat").as_deref().and_then(proc::time_wait),
            time_wait_reuse: setting("net/ipv4/tcp_tw_reuse"),
            locked_memory: proc::limit(&limits, "Max locked memory"),
            may_lock_all: may(IPC_LOCK),
            cores: proc::field(&status, "Cpus_allowed_list").and_then(count_cores),
            online: read("/sys/devices/system/cpu/online").as_deref().and_then(count_cores),
            quota: quota(&groups, read),
            threads: threads(processes.and_then(|limit| limit.soft), &groups, read),
        }
    }

    /// How many ports are given to who asks for none.
    pub(super) fn usable_ports(&self) -> Option<u64> {
        let (first, last) = self.local_ports?;
        Some(last.saturating_add(1).saturating_sub(first).saturating_sub(self.reserved_ports.unwrap_or(0)))
    }
}

fn count_cores(list: &str) -> Option<u64> {
    // An empty list is not one that a process could run on.
    proc::count_in_list(list, 0..=u64::from(u32::MAX)).filter(|&count| count > 0)
}

fn quota(groups: &str, read: &dyn Fn(&str) -> Option<String>) -> Option<Quota> {
    let quotas = proc::groups(groups, "cpu").into_iter().filter_map(|folder| {
        let number = |name| read(&format!("{folder}/{name}")).and_then(|text| text.trim().parse().ok());
        let file = format!("{folder}/cpu.max");
        if let Some(text) = read(&file) {
            return proc::quota(&text).map(|cores| Quota { cores, file });
        }
        let cores = proc::share(number("cpu.cfs_quota_us")?, number("cpu.cfs_period_us")?)?;
        Some(Quota { cores, file: format!("{folder}/cpu.cfs_quota_us") })
    });
    quotas.min_by(|one, other| one.cores.total_cmp(&other.cores))
}

fn threads(
    processes: Option<u64>,
    groups: &str,
    read: &dyn Fn(&str) -> Option<String>,
) -> Vec<(&'static str, u64)> {
    let setting = |name: &str| read(&format!("/proc/sys/{name}")).as_deref().and_then(proc::number);
    let of_groups = proc::groups(groups, "pids")
        .into_iter()
        .filter_map(|folder| proc::number(&read(&format!("{folder}/pids.max"))?))
        .min();
    let bounds = [
        ("ulimit -u", processes),
        ("pids.max", of_groups),
        ("kernel.threads-max", setting("kernel/threads-max")),
        ("kernel.pid_max", setting("kernel/pid_max")),
        // A stack and the guard below it are one each.
        ("vm.max_map_count", setting("vm/max_map_count").map(|maps| maps / 2)),
    ];
    bounds.into_iter().filter_map(|(name, bound)| Some((name, bound?))).collect()
}

/// The number of CAP_IPC_LOCK (capabilities(7), `linux/capability.h`).
const IPC_LOCK: u32 = 14;

/// The number of CAP_SYS_RESOURCE.
const SYS_RESOURCE: u32 = 24;
