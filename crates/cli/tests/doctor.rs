//! `switchboard doctor` as its users meet it: on this system, where io_uring is refused, where descriptors are few, and when
//! nobody reads it.
#![allow(clippy::disallowed_methods, reason = "tests wait with a deadline")]

mod launcher;
mod server;

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use serde_json::Value;
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
