//! The command where io_uring is refused: under `without_uring`, an example of `switchboard-ring`.
//!
//! `cargo test` builds it; where there are no filters of system calls, nothing is refused, and that is said.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// All of these errors with which it may be refused, or none, said aloud, if nothing can be refused here.
pub(crate) fn errors<T, const N: usize>(errors: [T; N]) -> impl Iterator<Item = T> {
    let launched = Command::new(launcher()).args(["EPERM", "--", "true"]).output();
    let launched = launched.unwrap_or_else(|error| {
        let how = "build it with `cargo build -p switchboard-ring --example without_uring`";
        panic!("cannot run {}: {error}; {how}", launcher().display())
    });
    let said = String::from_utf8_lossy(&launched.stderr);
    let is_possible = launched.status.success();
    assert!(is_possible || said.contains("has no seccomp filters"), "{said}");
    if !is_possible {
        eprintln!("skipped: {said}");
    }
    errors.into_iter().filter(move |_| is_possible)
}

/// The command with these arguments, where io_uring is refused with this error.
pub(crate) fn without_uring(errno: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(launcher());
    command.args([errno, "--", env!("CARGO_BIN_EXE_switchboard")]).args(arguments);
    command.stdin(Stdio::null()).stderr(Stdio::piped()).env_remove("SWITCHBOARD_ENGINE");
    command
}

fn launcher() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(|deps| deps.parent()).expect("target/debug/deps");
    target.join("examples").join("without_uring")
}
