//! From made-up systems to what is said of them.

use std::io;

use serde_json::{Value, json};
use switchboard::Mechanism;

use super::facts::{Facts, Quota};
use super::finding::Finding;
use super::mechanisms::{Auto, Cause, Refusal, Trial};
use super::proc::{self, Limit};
use super::{exit_code, limits, report};

/// A system on which nothing hurts.
const FILES: [(&str, &str); 19] = [
    ("/proc/sys/kernel/osrelease", "6.1.0-13-amd64\n"),
    ("/proc/sys/kernel/io_uring_disabled", "0\n"),
    ("/proc/sys/fs/file-nr", "413\t0\t2466177\n"),
    ("/proc/sys/net/core/somaxconn", "4096\n"),
    ("/proc/sys/net/ipv4/tcp_max_syn_backlog", "512\n"),
    ("/proc/sys/net/ipv4/tcp_syncookies", "1\n"),
    ("/proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
    ("/proc/sys/net/ipv4/ip_local_reserved_ports", "8000,40000-40008,60999-61002\n"),
    ("/proc/sys/net/ipv4/tcp_tw_reuse", "2\n"),
    (
        "/proc/net/sockstat",
        "sockets: used 12\nTCP: inuse 1 orphan 0 tw 17 alloc 1 mem 16\nUDP: inuse 0 mem 0\n",
    ),
    (
        "/proc/self/limits",
        "Limit                     Soft Limit           Hard Limit           Units     \n\
         Max processes             96365                96365                processes \n\
         Max open files            1024                 1048576              files     \n\
         Max locked memory         8388608              unlimited            bytes     \n",
    ),
    (
        "/proc/self/status",
        "Name:\tdoctor\nCapEff:\t0000000000000000\nSeccomp:\t0\nCpus_allowed_list:\t0-3,7\n",
    ),
    ("/proc/self/uid_map", "         0          0 4294967295\n"),
    ("/sys/devices/system/cpu/online", "0-7\n"),
    ("/proc/self/cgroup", "0::/user.slice/shell.scope\n"),
    ("/sys/fs/cgroup/user.slice/shell.scope/cpu.max", "max 100000\n"),
    ("/sys/fs/cgroup/user.slice/pids.max", "20000\n"),
    ("/proc/sys/kernel/threads-max", "192730\n"),
    ("/proc/sys/vm/max_map_count", "65530\n"),
];

/// The facts of that system, with some files changed.
fn facts_with(changed: &[(&str, &str)]) -> Facts {
    let read = |path: &str| {
        let file = changed.iter().chain(&FILES).find(|(name, _)| *name == path)?;
        Some(file.1.to_owned())
    };
    let descriptors = Some(Limit { soft: Some(1024), hard: Some(1_048_576) });
    Facts { descriptors, ..Facts::of_files(&read) }
}

fn finding(facts: &Facts, name: &str) -> Finding {
    limits(facts).into_iter().find(|finding| finding.name == name).expect("there is such a limit")
}

fn value(facts: &Facts, name: &str) -> String {
    finding(facts, name).value.expect("it is told").text
}

/// The effect and the remedy of what is to hurt.
fn hint(facts: &Facts, name: &str) -> (String, String) {
    let hint = finding(facts, name).hint.expect("it hurts");
    (hint.effect, hint.remedy)
}

#[test]
fn facts_are_what_the_files_say() {
    let facts = facts_with(&[]);
    let expected = Facts {
        release: Some("6.1.0-13-amd64".to_owned()),
        is_filtered: Some(false),
        io_uring_disabled: Some(0),
        descriptors: Some(Limit { soft: Some(1024), hard: Some(1_048_576) }),
        files: Some((413, 2_466_177)),
        somaxconn: Some(4096),
        syn_backlog: Some(512),
        syn_cookies: Some(1),
        local_ports: Some((32768, 60999)),
        reserved_ports: Some(10),
        time_wait: Some(17),
        time_wait_reuse: Some(2),
        locked_memory: Some(Limit { soft: Some(8 << 20), hard: None }),
        may_lock_all: Some(false),
        cores: Some(5),
        online: Some(8),
        quota: None,
        threads: vec![
            ("ulimit -u", 96365),
            ("pids.max", 20000),
            ("kernel.threads-max", 192_730),
            ("vm.max_map_count", 32765),
        ],
    };
    assert_eq!(facts, expected);
    assert_eq!(facts.usable_ports(), Some(28222));
}

#[test]
fn a_system_on_which_nothing_hurts_is_given_no_hint() {
    let facts = facts_with(&[]);
    for finding in limits(&facts) {
        assert_eq!(finding.hint, None, "{}", finding.name);
        assert!(finding.value.is_some(), "{}", finding.name);
    }
    assert_eq!(value(&facts, "descriptors"), "1024, up to 1048576");
    assert_eq!(value(&facts, "local ports"), "28222 (32768 to 60999 but 10 reserved)");
    assert_eq!(value(&facts, "cores"), "5 of 8");
    assert_eq!(value(&facts, "locked memory"), "8192 KiB");
    assert_eq!(value(&facts, "threads"), "20000 (pids.max)");
    assert!(finding(&facts, "locked memory").meaning.ends_with("room for about 204 loops of this user"));
    assert_eq!(finding(&facts, "tcp max syn backlog").meaning, "of no weight: tcp_syncookies is on");
}

#[test]
fn what_a_system_does_not_tell_is_said_and_no_error() {
    let facts = Facts::of_files(&|_| None);
    assert_eq!(facts, Facts::default());
    let limits = limits(&facts);
    assert!(limits.iter().all(|limit| limit.value.is_none() && limit.hint.is_none()));
    let auto = Auto::Takes { name: "poll".to_owned(), why: "for a test".to_owned(), faults: None };
    let text = report::to_text(&facts, &[], &auto, &limits);
    assert_eq!(text.matches("  not told by this system  ").count(), limits.len(), "{text}");
    let told = report::to_json(&facts, &[], &auto, &limits);
    assert!(
        told["limits"].as_object().unwrap().values().all(|limit| limit["value"] == Value::Null),
        "{told}"
    );
}

#[test]
fn what_is_not_as_documented_is_not_told() {
    let nonsense = FILES.map(|(name, _)| (name, "no: such thing -1\n"));
    let expected = Facts {
        release: Some("no: such thing -1".to_owned()),
        descriptors: Some(Limit { soft: Some(1024), hard: Some(1_048_576) }),
        ..Facts::default()
    };
    assert_eq!(facts_with(&nonsense), expected);
    assert_eq!(proc::numbers::<2>("1"), None);
    assert_eq!(proc::limit("Max open files  1024", "Max open files"), None);
    assert_eq!(proc::time_wait("TCP: inuse 1 tw"), None);
    assert_eq!(proc::quota("100000"), None);
    assert_eq!(proc::version("unknown"), None);
}

#[test]
fn few_descriptors_hurt_by_the_upper_limit_only() {
    let mut facts = facts_with(&[]);
    facts.descriptors = Some(Limit { soft: Some(64), hard: Some(64) });
    let effect = "of more than about 48 connections at once, the others wait until one ends".to_owned();
    let remedy = "sudo prlimit --pid $$ --nofile=65536:65536".to_owned();
    assert_eq!(hint(&facts, "descriptors"), (effect, remedy));
    for hard in [Some(10_240), None] {
        facts.descriptors = Some(Limit { soft: Some(64), hard });
        assert_eq!(finding(&facts, "descriptors").hint, None);
    }
    facts.descriptors = Some(Limit { soft: None, hard: None });
    assert_eq!(value(&facts, "descriptors"), "unlimited");
}

#[test]
fn a_system_that_is_nearly_out_of_descriptors_is_told_of_with_a_limit_twice_as_high() {
    let facts = facts_with(&[("/proc/sys/fs/file-nr", "801\t0\t1000\n")]);
    let (effect, remedy) = hint(&facts, "open files");
    assert_eq!(effect, "with 199 more, no process of this system can open anything");
    assert_eq!(remedy, "sudo sysctl -w fs.file-max=2000");
    assert_eq!(finding(&facts_with(&[("/proc/sys/fs/file-nr", "800 0 1000")]), "open files").hint, None);
    let facts = facts_with(&[("/proc/sys/fs/file-nr", "1024 0 9223372036854775807")]);
    assert_eq!(value(&facts, "open files"), "1024, without a limit");
}

#[test]
fn a_short_queue_of_listeners_hurts() {
    let facts = facts_with(&[("/proc/sys/net/core/somaxconn", "128")]);
    let (effect, remedy) = hint(&facts, "somaxconn");
    assert_eq!(effect, "of more than 128 clients that come at once, the others wait a second or longer");
    assert_eq!(remedy, "sudo sysctl -w net.core.somaxconn=4096");
}

#[test]
fn few_half_open_connections_hurt_only_without_cookies() {
    let facts = facts_with(&[("/proc/sys/net/ipv4/tcp_syncookies", "0")]);
    let (effect, remedy) = hint(&facts, "tcp max syn backlog");
    assert_eq!(effect, "when about 512 connections are half open, those of strangers are dropped");
    assert_eq!(remedy, "sudo sysctl -w net.ipv4.tcp_syncookies=1");
    let facts = Facts { syn_cookies: None, ..facts };
    assert_eq!(finding(&facts, "tcp max syn backlog").hint, None);
}

#[test]
fn few_local_ports_hurt_those_reserved_left_out() {
    const RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
    let (effect, remedy) = hint(&facts_with(&[(RANGE, "39000 49007")]), "local ports");
    let expected = "beyond 9999 connections to one target, connecting fails: cannot assign requested address";
    assert_eq!(effect, expected);
    assert_eq!(remedy, "sudo sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"");
    assert_eq!(finding(&facts_with(&[(RANGE, "39000 49008")]), "local ports").hint, None);
}

#[test]
fn many_resting_ports_hurt_unless_they_are_used_again() {
    let mut facts = Facts { time_wait: Some(20_000), ..facts_with(&[]) };
    let (effect, remedy) = hint(&facts, "time wait");
    assert_eq!(
        effect,
        "if they were made from here to one target, 8222 more can be made to it within a minute"
    );
    assert_eq!(remedy, "sudo sysctl -w net.ipv4.tcp_tw_reuse=1");
    facts.time_wait_reuse = Some(1);
    assert_eq!(finding(&facts, "time wait").hint, None);
}

#[test]
fn one_core_and_a_quota_hurt_whoever_measures() {
    let mut facts = Facts { cores: Some(1), ..facts_with(&[]) };
    assert_eq!(hint(&facts, "cores").1, "sudo taskset -pc 0-7 $$");
    facts.online = Some(1);
    assert!(hint(&facts, "cores").1.starts_with("measure on a machine with more"));
    facts.quota = Some(Quota { cores: 0.5, file: "/sys/fs/cgroup/cpu.max".to_owned() });
    assert_eq!(value(&facts, "cores"), "1, time for 0.50");
    let (effect, remedy) = hint(&facts, "cores");
    assert!(effect.starts_with("when time for 0.50 cores is used up, all threads stand still"), "{effect}");
    assert_eq!(remedy, "echo max | sudo tee /sys/fs/cgroup/cpu.max");
    // More than there are is no quota.
    facts.quota = Some(Quota { cores: 1.0, file: String::new() });
    assert!(hint(&facts, "cores").1.starts_with("measure"));
}

#[test]
fn the_tightest_quota_of_all_groups_around_holds() {
    let outer = ("/sys/fs/cgroup/user.slice/cpu.max", "50000 100000\n");
    let inner = ("/sys/fs/cgroup/user.slice/shell.scope/cpu.max", "150000 100000\n");
    let quota = facts_with(&[outer, inner]).quota.unwrap();
    assert_eq!((quota.cores, quota.file.as_str()), (0.5, outer.0));
    let quota = facts_with(&[inner]).quota.unwrap();
    assert_eq!((quota.cores, quota.file.as_str()), (1.5, inner.0));
    let quota = facts_with(&[
        ("/proc/self/cgroup", "3:pids:/a\n2:cpu,cpuacct:/a/b\n1:name=systemd:/\n"),
        ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "25000\n"),
        ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
        ("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n"),
        ("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n"),
    ]);
    let quota = quota.quota.unwrap();
    assert_eq!(quota, Quota { cores: 0.25, file: "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us".to_owned() });
}

#[test]
fn little_memory_to_lock_hurts_whom_the_limit_binds() {
    let locked_memory = Some(Limit { soft: Some(64 << 10), hard: Some(64 << 10) });
    let mut facts = Facts { locked_memory, ..facts_with(&[]) };
    let (effect, remedy) = hint(&facts, "locked memory");
    assert!(
        effect.starts_with("on new kernels, a server on uring with a second loop is refused"),
        "{effect}"
    );
    assert_eq!(remedy, "sudo prlimit --pid $$ --memlock=8388608:8388608");
    facts.may_lock_all = Some(true);
    assert_eq!(finding(&facts, "locked memory").hint, None);
    let locked_memory = Some(Limit { soft: Some(4096), hard: None });
    let (effect, _) = hint(&Facts { locked_memory, ..facts_with(&[]) }, "locked memory");
    assert_eq!(effect, "on new kernels, no server on uring starts: cannot allocate memory");
}

#[test]
fn a_capability_counts_in_the_outermost_user_namespace_only() {
    let outermost = ("/proc/self/uid_map", "         0          0 4294967295\n");
    let nested = ("/proc/self/uid_map", "         0       1000          1\n");
    // CAP_IPC_LOCK is number 14, CAP_SYS_RESOURCE 24.
    let all = ("/proc/self/status", "CapEff:\t0000000001004000\n");
    let none = ("/proc/self/status", "CapEff:\t00000000feffbfff\n");
    let one_bound = |facts: &Facts| facts.threads.iter().any(|(name, _)| *name == "ulimit -u");
    for (changed, lock, processes) in [
        (vec![all, outermost], Some(true), false),
        (vec![all, nested], Some(false), true),
        (vec![none, outermost], Some(false), true),
        (vec![all, ("/proc/self/uid_map", "")], None, true),
    ] {
        let facts = facts_with(&changed);
        assert_eq!((facts.may_lock_all, one_bound(&facts)), (lock, processes), "{changed:?}");
    }
}

#[test]
fn few_threads_hurt_by_whichever_limit_is_the_tightest() {
    for (limit, remedy) in [
        ("ulimit -u", "sudo prlimit --pid $$ --nproc=65536:65536"),
        ("pids.max", "in a container, run it with --pids-limit -1"),
        ("kernel.threads-max", "sudo sysctl -w kernel.threads-max=65536"),
        ("vm.max_map_count", "sudo sysctl -w vm.max_map_count=131072"),
    ] {
        let mut facts = facts_with(&[]);
        let bound = facts.threads.iter_mut().find(|(name, _)| *name == limit).unwrap();
        bound.1 = 100;
        let told = hint(&facts, "threads");
        let effect = "with --model threads or processes, fewer than 100 connections are served at once";
        assert_eq!(told, (effect.to_owned(), remedy.to_owned()));
        assert_eq!(value(&facts, "threads"), format!("100 ({limit})"));
    }
}

#[test]
fn why_a_mechanism_does_not_work_is_told_by_all_that_is_known() {
    use io::ErrorKind::{InvalidInput, OutOfMemory, PermissionDenied, Unsupported};
    let modern = facts_with(&[]);
    let filtered = Facts { is_filtered: Some(true), ..facts_with(&[]) };
    let forbidden = Facts { io_uring_disabled: Some(2), ..facts_with(&[]) };
    let old = Facts { release: Some("5.15.0-91-generic".to_owned()), ..facts_with(&[]) };
    let foreign = Facts::default();
    for (mechanism, kind, facts, cause, verdict, hints) in [
        (Mechanism::Uring, PermissionDenied, &filtered, Cause::Seccomp, "no: refused, and a filter of", true),
        (Mechanism::Uring, Unsupported, &filtered, Cause::Seccomp, "no: refused, and a filter of", true),
        (
            Mechanism::Uring,
            PermissionDenied,
            &forbidden,
            Cause::Sysctl,
            "no: forbidden by the setting kernel.io_uring_disabled, which is 2",
            true,
        ),
        (
            Mechanism::Uring,
            PermissionDenied,
            &modern,
            Cause::Forbidden,
            "no: forbidden, as by a security",
            false,
        ),
        (
            Mechanism::Uring,
            Unsupported,
            &old,
            Cause::TooOld,
            "no: needs Linux 6.1 or later, and this is 5.15.0-91-generic",
            true,
        ),
        (
            Mechanism::Uring,
            Unsupported,
            &modern,
            Cause::NotInThisKernel,
            "no: this kernel was built without",
            false,
        ),
        (Mechanism::Uring, Unsupported, &foreign, Cause::NotOnThisSystem, "no: not on this system", false),
        (
            Mechanism::Uring,
            OutOfMemory,
            &modern,
            Cause::LockedMemory,
            "no: this process may lock too little",
            true,
        ),
        (Mechanism::Kqueue, Unsupported, &filtered, Cause::NotOnThisSystem, "no: not on this system", false),
        (Mechanism::Epoll, PermissionDenied, &forbidden, Cause::Forbidden, "no: forbidden, as by", false),
        (Mechanism::Epoll, InvalidInput, &modern, Cause::Environment, "no: for a test", true),
    ] {
        let trial = Trial::new(mechanism, Some(&io::Error::new(kind, "for a test")), facts);
        let Refusal { cause: told, why } = trial.refusal.as_ref().unwrap();
        assert_eq!((*told, why.as_str()), (cause, "for a test"));
        assert!(trial.verdict(facts).starts_with(verdict), "{}", trial.verdict(facts));
        assert_eq!(trial.hint().is_some(), hints, "{cause:?}");
    }
}

#[test]
fn to_be_out_of_descriptors_is_told_whatever_was_said_before_it() {
    let bare = io::Error::from_raw_os_error(24);
    let trial = Trial::new(Mechanism::Epoll, Some(&bare), &Facts::default());
    assert_eq!(trial.refusal.as_ref().unwrap().cause, Cause::Descriptors);
    let other = io::Error::from_raw_os_error(5);
    let trial = Trial::new(Mechanism::Epoll, Some(&other), &Facts::default());
    assert_eq!(trial.refusal.as_ref().unwrap().cause, Cause::Other);
}

#[test]
fn it_fails_only_if_no_mechanism_works() {
    let facts = Facts::default();
    let refused = io::Error::from(io::ErrorKind::Unsupported);
    let none = Mechanism::ALL.map(|mechanism| Trial::new(mechanism, Some(&refused), &facts));
    let mut one = Mechanism::ALL.map(|mechanism| Trial::new(mechanism, Some(&refused), &facts));
    one[5].refusal = None;
    assert_eq!(format!("{:?}", exit_code(&none)), format!("{:?}", std::process::ExitCode::from(1)));
    assert_eq!(format!("{:?}", exit_code(&one)), format!("{:?}", std::process::ExitCode::SUCCESS));
}

#[test]
fn the_report_is_aligned_and_counts_its_hints() {
    let facts = Facts { somaxconn: Some(128), is_filtered: Some(true), ..facts_with(&[]) };
    let forbidden = io::Error::from(io::ErrorKind::PermissionDenied);
    let trials = [
        Trial::new(Mechanism::Uring, Some(&forbidden), &facts),
        Trial::new(Mechanism::Epoll, None, &facts),
        Trial::new(Mechanism::Select, None, &facts),
    ];
    let auto = Auto::Refused { why: "SWITCHBOARD_ENGINE=\u{1b}: no such engine".to_owned() };
    let limits = limits(&facts);
    let text = report::to_text(&facts, &trials, &auto, &limits);
    assert!(text.contains("\nmechanisms\n  uring    no: refused"), "{text}");
    assert!(text.contains("\n  epoll    works\n  select   works, for descriptors below 1024\n"), "{text}");
    assert!(
        text.contains("\n  auto takes none: SWITCHBOARD_ENGINE=\\u{1b}: no such engine\n    hint: "),
        "{text}"
    );
    assert!(text.contains("      try: unset SWITCHBOARD_ENGINE SWITCHBOARD_CHAOS\n"), "{text}");
    assert!(text.ends_with("\n\n3 hints\n"), "{text}");
    let of_limits = text.split("\nlimits\n").nth(1).unwrap();
    let columns: Vec<_> = of_limits
        .lines()
        .zip(limits.iter().filter(|limit| limit.hint.is_none()))
        .filter_map(|(line, _)| {
            line.find("  how many may wait").or_else(|| line.find("  a connection takes"))
        })
        .collect();
    assert!(columns.len() == 2 && columns[0] == columns[1], "{text}");

    let told = report::to_json(&facts, &trials, &auto, &limits);
    assert_eq!(told["event"], "examined");
    assert_eq!(told["hints"], 3);
    assert_eq!(told["mechanisms"][0]["cause"], "seccomp");
    assert_eq!(
        told["mechanisms"][1],
        json!({ "name": "epoll", "works": true, "cause": null, "why": null, "hint": null })
    );
    assert_eq!(
        (&told["auto"]["mechanism"], &told["system"]["release"]),
        (&Value::Null, &"6.1.0-13-amd64".into())
    );
    assert_eq!(told["limits"]["somaxconn"]["value"], 128);
    assert_eq!(told["limits"]["somaxconn"]["hint"]["remedy"], "sudo sysctl -w net.core.somaxconn=4096");
    let keys: Vec<_> = told["limits"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "descriptors",
            "open_files",
            "somaxconn",
            "tcp_max_syn_backlog",
            "local_ports",
            "time_wait",
            "cores",
            "locked_memory",
            "threads"
        ]
    );
}
