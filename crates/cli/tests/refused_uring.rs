//! Where io_uring is refused, as in containers: `auto` serves on the next best and says why, and whoever insists on
//! io_uring is told that it is not to be had.
//!
//! How it is refused is in `launcher`; where it cannot be, these tests are skipped.
#![allow(clippy::disallowed_methods, reason = "tests wait with a deadline")]

mod launcher;
mod server;

use std::process::Command;

use launcher::without_uring;
use server::{Ended, Server, assert_echoes, run_to_end};
use switchboard::Mechanism;

/// How it is refused, and what is said of that.
const REFUSALS: [(&str, &str); 4] = [
    ("EPERM", "seccomp filter, as containers have, forbids it"),
    ("EACCES", "seccomp filter, as containers have, forbids it"),
    ("ENOSYS", "seccomp filter, as containers have, hides io_uring"),
    ("EINVAL", "kernel is too old"),
];

#[test]
fn auto_serves_on_the_next_best_engine_and_says_once_why() {
    for (errno, why) in refusals() {
        for arguments in [["-v", "--threads", "1"], ["-v", "--threads", "3"]] {
            let server = Server::start_as(serve_without_uring(errno, &arguments));
            assert!(server.ready.contains(&format!(" on {}", next_best())), "{errno}: {}", server.ready);
            assert_echoes(&server.connect(), b"all the same");
            let ended = server.stop();
            assert_eq!(ended.code, Some(0), "{errno}: {}", ended.stderr);
            let said: Vec<_> = ended.stderr.lines().filter(|line| line.contains("uring")).collect();
            assert_eq!(said.len(), 1, "{errno}: {}", ended.stderr);
            assert!(said[0].contains(&format!("engine {}: ", next_best())), "{errno}: {}", said[0]);
            assert!(said[0].contains(why), "{errno}: {}", said[0]);
        }
    }
}

#[test]
fn auto_warns_of_nothing_as_it_is_no_fault() {
    for (errno, _) in refusals() {
        let server = Server::start_as(serve_without_uring(errno, &[]));
        assert_echoes(&server.connect(), b"all the same");
        let ended = server.stop();
        assert!(!ended.stderr.contains("uring"), "{errno}: {}", ended.stderr);
    }
}

#[test]
fn the_engine_named_is_refused_in_one_line_with_those_there_are() {
    for (errno, why) in refusals() {
        let command = serve_without_uring(errno, &["--engine", "uring"]);
        assert_refused(errno, &run_to_end(command), "--engine uring: ", why);
    }
}

#[test]
fn the_engine_named_by_the_environment_is_refused_in_one_line_with_those_there_are() {
    for (errno, why) in refusals() {
        let mut command = serve_without_uring(errno, &[]);
        command.env("SWITCHBOARD_ENGINE", "uring");
        assert_refused(errno, &run_to_end(command), "SWITCHBOARD_ENGINE=uring: ", why);
    }
}

#[test]
fn a_client_connects_all_the_same() {
    let server = Server::on("poll");
    for (errno, _) in refusals() {
        let ended = run_to_end(without_uring(errno, &["connect", &server.address.to_string()]));
        assert_eq!(ended.code, Some(0), "{errno}: {}", ended.stderr);
        let named = ["connect", "--engine", "uring", &server.address.to_string()];
        let ended = run_to_end(without_uring(errno, &named));
        assert_eq!(ended.code, Some(2), "{errno}: {}", ended.stderr);
    }
}

fn assert_refused(errno: &str, ended: &Ended, who: &str, why: &str) {
    let said = &ended.stderr;
    assert_eq!(ended.code, Some(2), "{errno}: {said}");
    assert_eq!(ended.stdout, "", "{errno}");
    assert_eq!(said.lines().count(), 1, "{errno}: {said}");
    assert!(said.starts_with(&format!("error: {who}")) && said.contains(why), "{errno}: {said}");
    let others = Mechanism::available().filter(|&mechanism| mechanism != Mechanism::Uring);
    let names: Vec<_> = others.map(Mechanism::name).collect();
    assert!(said.ends_with(&format!("; give one of auto, {}\n", names.join(", "))), "{errno}: {said}");
}

fn refusals() -> impl Iterator<Item = (&'static str, &'static str)> {
    launcher::errors(REFUSALS)
}

fn serve_without_uring(errno: &str, arguments: &[&str]) -> Command {
    without_uring(errno, &[&["serve", "--listen", "127.0.0.1:0"], arguments].concat())
}

fn next_best() -> &'static str {
    let mut others = Mechanism::available().filter(|&mechanism| mechanism != Mechanism::Uring);
    others.next().expect("poll(2) is everywhere").name()
}
