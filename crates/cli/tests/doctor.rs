//! `switchboard doctor` as its users meet it: on this system, where io_uring is refused, where descriptors are few, and when
//! nobody reads it.
#![allow(clippy::disallowed_methods, reason = "tests wait with a deadline")]

mod launcher;
mod server;

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::process::geteuid;
use serde_json::{Value, json};
use server::{Ended, Server, run_to_end, switchboard};
use switchboard::Mechanism;

#[test]
fn each_mechanism_is_told_as_it_is_here_and_auto_takes_the_first_that_works() {
    let told = json(switchboard(&["doctor", "--json"]));
    let mechanisms = told["mechanisms"].as_array().unwrap();
    assert_eq!(mechanisms.len(), Mechanism::ALL.len());
    for (one, mechanism) in mechanisms.iter().zip(Mechanism::ALL) {
        assert_eq!(one["name"], mechanism.name());
        assert_eq!(one["works"], mechanism.is_available(), "{one}");
        assert_eq!(one["cause"].is_null(), mechanism.is_available(), "{one}");
        assert_eq!(one["why"].is_null(), mechanism.is_available(), "{one}");
    }
    assert_eq!(told["auto"]["mechanism"], Mechanism::available().next().unwrap().name());
    assert!(!told["auto"]["why"].as_str().unwrap().is_empty(), "{told}");
}

#[test]
fn the_limits_are_those_of_this_process_and_system() {
    let told = json(switchboard(&["doctor", "--json"]));
    let limits = &told["limits"];
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let number = |limit: Option<u64>| limit.map_or(Value::from("unlimited"), Value::from);
    assert_eq!(limits["descriptors"]["value"]["soft"], number(limit.current));
    assert_eq!(limits["descriptors"]["value"]["hard"], number(limit.maximum));
    let Ok(somaxconn) = fs::read_to_string("/proc/sys/net/core/somaxconn") else {
        return eprintln!("skipped: this system does not tell its limits in /proc/sys");
    };
    assert_eq!(limits["somaxconn"]["value"], somaxconn.trim().parse::<u64>().unwrap());
    let ports = &limits["local_ports"]["value"];
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    assert_eq!(format!("{}\t{}\n", ports["first"], ports["last"]), range);
    let cores = limits["cores"]["value"]["usable"].as_u64().unwrap();
    // A quota makes the latter less.
    assert!(cores >= std::thread::available_parallelism().unwrap().get() as u64);
    for name in ["open_files", "tcp_max_syn_backlog", "time_wait", "locked_memory", "threads"] {
        assert!(!limits[name]["value"].is_null(), "{name}: {told}");
    }
}

#[test]
fn the_report_has_a_line_for_each() {
    let mut command = switchboard(&["doctor"]);
    command.env_remove("SWITCHBOARD_ENGINE");
    let ended = run_to_end(command);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    for mechanism in Mechanism::ALL {
        let verdict = if mechanism.is_available() { "works" } else { "no: " };
        let line = format!("\n  {:<8} {verdict}", mechanism.name());
        assert!(ended.stdout.contains(&line), "{line:?}: {}", ended.stdout);
    }
    let auto = format!("\n  auto takes {}: ", Mechanism::available().next().unwrap());
    assert!(ended.stdout.contains(&auto), "{}", ended.stdout);
    for limit in ["descriptors", "somaxconn", "local ports", "time wait", "cores", "locked memory"] {
        assert!(ended.stdout.contains(&format!("\n  {limit}  ")), "{limit}: {}", ended.stdout);
    }
}

#[test]
fn where_io_uring_is_refused_the_cause_and_what_auto_takes_instead_are_told() {
    for errno in launcher::errors(["EPERM", "EACCES", "ENOSYS", "EINVAL"]) {
        let told = json(launcher::without_uring(errno, &["doctor", "--json"]));
        let uring = &told["mechanisms"][0];
        assert_eq!(
            (&uring["works"], &uring["cause"]),
            (&false.into(), &cause_here(errno).into()),
            "{errno}: {uring}"
        );
        assert!(!uring["hint"]["remedy"].as_str().unwrap().is_empty(), "{errno}: {uring}");
        let next = Mechanism::available().find(|&mechanism| mechanism != Mechanism::Uring).unwrap();
        assert_eq!(told["auto"]["mechanism"], next.name(), "{errno}");
        assert_eq!(
            told["auto"]["why"].as_str().map(|why| why.contains("io_uring")),
            Some(true),
            "{errno}: {told}"
        );
        let ended = run_to_end(launcher::without_uring(errno, &["doctor"]));
        assert_eq!(ended.code, Some(0), "{errno}: {ended:?}");
        assert!(ended.stdout.contains(&format!("\n  auto takes {next}: ")), "{errno}: {ended:?}");
    }
}

/// What refuses io_uring here, besides the filter: a setting and the kernel's age go before it.
fn cause_here(errno: &str) -> &'static str {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let version: Vec<u64> = release.split(['.', '-']).take(2).map(|part| part.parse().unwrap()).collect();
    let setting = fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    match errno {
        "EPERM" | "EACCES" if ["1", "2"].contains(&setting.trim()) => "sysctl",
        "ENOSYS" | "EINVAL" if version < vec![6, 1] => "too_old",
        _ => "seccomp",
    }
}

#[test]
fn few_descriptors_are_told_with_what_will_happen_and_what_to_do() {
    let ended = run_to_end(in_shell("ulimit -n 64 && exec \"$0\" doctor"));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    let mut lines = ended.stdout.lines().skip_while(|line| !line.starts_with("  descriptors"));
    assert!(lines.next().unwrap().split_whitespace().nth(1) == Some("64"), "{}", ended.stdout);
    let hint = "    hint: of more than about 48 connections at once, the others wait until one ends";
    assert_eq!(lines.next(), Some(hint));
    assert_eq!(lines.next(), Some("      try: sudo prlimit --pid $$ --nofile=65536:65536"));
    // What a server raises by itself is no reason to worry.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    if limit.is_none_or(|hard| hard >= 10_240) {
        let told = json(in_shell("ulimit -Sn 64 && exec \"$0\" doctor --json"));
        let descriptors = &told["limits"]["descriptors"];
        assert_eq!((&descriptors["value"]["soft"], &descriptors["hint"]), (&64.into(), &Value::Null));
    }
}

#[test]
fn to_have_hardly_a_descriptor_is_told_and_no_error() {
    let told = json(in_shell("ulimit -n 4 && exec \"$0\" doctor --json"));
    let epoll = told["mechanisms"].as_array().unwrap().iter().find(|one| one["name"] == "epoll").unwrap();
    if Mechanism::Epoll.is_available() {
        assert_eq!((&epoll["works"], &epoll["cause"]), (&false.into(), &"descriptors".into()), "{epoll}");
        assert!(epoll["hint"]["remedy"].as_str().unwrap().contains("--nofile="), "{epoll}");
    }
    assert_eq!(told["limits"]["descriptors"]["value"]["hard"], 4);
}

#[test]
fn an_engine_of_the_environment_is_what_auto_takes_or_why_it_takes_none() {
    let mut command = switchboard(&["doctor", "--json"]);
    command.env("SWITCHBOARD_ENGINE", "poll");
    let told = json(command);
    assert_eq!(told["auto"]["mechanism"], "poll");
    assert_eq!(told["auto"]["why"], "named by SWITCHBOARD_ENGINE");
    for (name, why) in [("tea", "SWITCHBOARD_ENGINE=tea: no such engine"), ("devpoll", "cannot open devpoll")]
    {
        let mut command = switchboard(&["doctor", "--json"]);
        command.env("SWITCHBOARD_ENGINE", name);
        let told = json(command);
        assert_eq!(told["auto"]["mechanism"], Value::Null);
        assert!(told["auto"]["why"].as_str().unwrap().starts_with(why), "{told}");
        assert!(told["auto"]["hint"]["remedy"].as_str().unwrap().starts_with("unset "), "{told}");
    }
}

#[test]
fn faults_that_cannot_be_understood_leave_no_engine_and_exit_code_1() {
    let mut command = switchboard(&["doctor", "--json"]);
    command.env("SWITCHBOARD_CHAOS", "short=2");
    let ended = run_to_end(command);
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""));
    assert!(told["mechanisms"].as_array().unwrap().iter().all(|one| one["cause"] == "environment"), "{told}");
    assert_eq!(told["mechanisms"][0]["hint"]["remedy"], "unset SWITCHBOARD_CHAOS");
}

#[test]
fn a_report_that_cannot_be_written_is_one_line_and_a_reader_that_has_gone_none() {
    for arguments in [&["doctor"][..], &["doctor", "--json"]] {
        let Ok(full) = File::options().write(true).open("/dev/full") else {
            return eprintln!("skipped: this system has no /dev/full");
        };
        let mut command = switchboard(arguments);
        command.stdout(full);
        let said = "error: cannot write the report on stdout: no space left on device\n";
        assert_eq!(told(command), (Some(1), said.to_owned()));

        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut command = switchboard(arguments);
        command.stdout(writer);
        assert_eq!(told(command), (Some(0), String::new()));
    }
    let mut shell = in_shell("exec \"$0\" doctor >&-");
    shell.stdout(Stdio::null());
    assert_eq!(told(shell), (Some(0), String::new()));
}

#[test]
fn faults_that_the_environment_asks_for_are_told() {
    let mut command = switchboard(&["doctor", "--json"]);
    command.env("SWITCHBOARD_CHAOS", "seed=7,short=0.2");
    let told = json(command);
    let hint = &told["auto"]["hint"];
    assert_eq!(hint["effect"], "all engines go wrong on purpose, by SWITCHBOARD_CHAOS=seed=7,short=0.2");
    assert_eq!(hint["remedy"], "unset SWITCHBOARD_CHAOS");
}

#[test]
fn the_settings_of_a_network_are_those_that_hurt_in_it() {
    // A network of its own, whose settings are of no weight to others.
    const SETTINGS: &str = "cd /proc/sys/net && echo 128 >core/somaxconn && echo 100 >ipv4/tcp_max_syn_backlog && \
                            echo 0 >ipv4/tcp_syncookies && echo 50000 50100 >ipv4/ip_local_port_range && \
                            echo 50001,50010-50019 >ipv4/ip_local_reserved_ports";
    let mut probe = Command::new("unshare");
    let probed = probe.args(["-rn", "sh", "-c", SETTINGS]).stderr(Stdio::null()).status();
    if !probed.is_ok_and(|status| status.success()) {
        return eprintln!("skipped: no network of one's own with settings can be had here");
    }
    let script = format!("exec unshare -rn sh -c '{SETTINGS} && exec \"$0\" doctor --json' \"$0\"");
    let told = json(in_shell(&script));
    let limits = &told["limits"];
    assert_eq!(limits["somaxconn"]["value"], 128);
    assert_eq!(
        limits["local_ports"]["value"],
        json!({ "first": 50000, "last": 50100, "reserved": 11, "count": 90 })
    );
    assert_eq!(limits["tcp_max_syn_backlog"]["value"], json!({ "most": 100, "cookies": 0 }));
    for (name, setting) in [
        ("somaxconn", "net.core.somaxconn=4096"),
        ("tcp_max_syn_backlog", "net.ipv4.tcp_syncookies=1"),
        ("local_ports", "net.ipv4.ip_local_port_range=\"1024 65535\""),
    ] {
        assert_eq!(limits[name]["hint"]["remedy"], format!("sudo sysctl -w {setting}"), "{told}");
    }
    assert_eq!(limits["time_wait"]["value"]["count"], 0);
}

#[test]
fn connections_that_were_ended_here_are_counted() {
    let Some(_) = time_wait() else {
        return eprintln!("skipped: this system does not tell how many connections are in TIME_WAIT");
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ended = 20;
    for _ in 0..ended {
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut served, _) = listener.accept().unwrap();
        // Who ends first keeps the port; it has done so when the other has ended, too, and was heard.
        client.shutdown(Shutdown::Write).unwrap();
        served.read_to_end(&mut Vec::new()).unwrap();
        drop(served);
        (&client).read_to_end(&mut Vec::new()).unwrap();
    }
    // Others end connections, too: it counts right if it says what was so before it and after it.
    let deadline = Instant::now() + server::DEADLINE;
    loop {
        let before = time_wait().unwrap();
        let told = json(switchboard(&["doctor", "--json"]));
        let counted = told["limits"]["time_wait"]["value"]["count"].as_u64().unwrap();
        if time_wait().unwrap() == before {
            assert!(before >= ended, "{before} of {ended}");
            return assert_eq!(counted, before);
        }
        assert!(Instant::now() < deadline, "others make and end connections all the time");
    }
}

/// The word after `tw`, in the line of TCP.
fn time_wait() -> Option<u64> {
    let text = fs::read_to_string("/proc/net/sockstat").ok()?;
    let words: Vec<_> = text.lines().find(|line| line.starts_with("TCP:"))?.split(' ').collect();
    words[words.iter().position(|&word| word == "tw")? + 1].parse().ok()
}

#[test]
fn one_core_of_several_is_told_with_how_to_have_them_all() {
    let probed = Command::new("taskset").args(["-c", "0", "true"]).stderr(Stdio::null()).status();
    let told = json(switchboard(&["doctor", "--json"]));
    let online = told["limits"]["cores"]["value"]["online"].as_u64().unwrap_or(1);
    if !probed.is_ok_and(|status| status.success()) || online < 2 {
        return eprintln!("skipped: no core of several can be chosen here");
    }
    let told = json(in_shell("exec taskset -c 0 \"$0\" doctor --json"));
    let cores = &told["limits"]["cores"];
    assert_eq!(cores["value"]["usable"], 1);
    if cores["value"]["quota"].is_null() {
        assert_eq!(cores["hint"]["remedy"], format!("sudo taskset -pc 0-{} $$", online - 1));
    }
}

#[test]
fn no_memory_to_lock_is_the_cause_where_io_uring_needs_some() {
    // Root is not bound by the limit.
    const SCRIPT: &str = "ulimit -l 0; exec setpriv --reuid 65533 --regid 65533 --clear-groups --inh-caps=-all \
                          --bounding-set=-all \"$0\" doctor --json";
    let script = if geteuid().is_root() { SCRIPT } else { "ulimit -l 0; exec \"$0\" doctor --json" };
    let probed = in_shell(&script.replace(" doctor --json", " --version")).stdout(Stdio::null()).status();
    if !probed.is_ok_and(|status| status.success()) {
        return eprintln!("skipped: another user cannot run the command");
    }
    let told = json(in_shell(script));
    let (uring, memory) = (&told["mechanisms"][0], &told["limits"]["locked_memory"]);
    assert_eq!((&memory["value"]["soft"], &memory["value"]["unbound"]), (&0.into(), &false.into()), "{told}");
    let effect = "on new kernels, no server on uring starts: cannot allocate memory";
    assert_eq!(memory["hint"]["effect"], effect);
    // Older kernels do not count it.
    let is_refused = uring["cause"] == "locked_memory";
    assert_eq!(is_refused, Mechanism::Uring.is_available() && uring["works"] == false, "{told}");
    assert_eq!(told["auto"]["mechanism"] == "uring", uring["works"] == true, "{told}");
}

/// A script of the shell, in which the command is `$0`.
fn in_shell(script: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_switchboard")]);
    shell.stdin(Stdio::null()).stderr(Stdio::piped()).env_remove("SWITCHBOARD_ENGINE");
    shell
}

fn json(mut command: Command) -> Value {
    if !command.get_envs().any(|(name, _)| name == "SWITCHBOARD_ENGINE") {
        command.env_remove("SWITCHBOARD_ENGINE");
    }
    let ended = run_to_end(command);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.stdout);
    serde_json::from_str(&ended.stdout).unwrap()
}

/// The exit code and stderr of a command with a stdout of its own.
fn told(command: Command) -> (Option<i32>, String) {
    let Ended { code, stderr, .. } = Server::spawn(command, SocketAddr::from(([127, 0, 0, 1], 0))).end();
    (code, stderr)
}
