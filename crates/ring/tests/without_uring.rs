//! The example `without_uring`, on which other tests rely: it refuses what it says, to the command and its children, and
//! says what is wrong with how it is used.
//!
//! `cargo test` builds it; `cargo test --test without_uring` alone does not, and runs what was built before.

use std::path::PathBuf;
use std::process::{Command, Output};

#[test]
fn the_command_and_its_children_find_io_uring_refused_as_was_asked() {
    const ROLE: &str = "SWITCHBOARD_TEST_WITHOUT_URING";
    let name = "the_command_and_its_children_find_io_uring_refused_as_was_asked";
    if std::env::var_os(ROLE).is_some() {
        eprintln!("{}", switchboard_ring::probe().unwrap_err());
        return;
    }
    for (errno, number) in
        [("EPERM", libc::EPERM), ("ENOSYS", libc::ENOSYS), ("EINVAL", libc::EINVAL), ("EACCES", libc::EACCES)]
    {
        // A shell between, so that it is a child which is refused.
        let script = "\"$0\" --exact \"$1\" --nocapture; exit $?";
        let this = std::env::current_exe().unwrap();
        let output =
            launcher().args([errno, "--", "sh", "-c", script]).arg(this).arg(name).env(ROLE, "1").output();
        let (code, said) = told(output.unwrap());
        if said.contains("has no seccomp filters") {
            return println!("skipped: {said}");
        }
        let reason = std::io::Error::from_raw_os_error(number).to_string();
        assert_eq!(code, Some(0), "{errno}: {said}");
        assert!(said.contains(&reason), "{errno}: {said}");
    }
}

#[test]
fn the_exit_code_is_the_commands() {
    let (code, said) = told(launcher().args(["EPERM", "sh", "-c", "exit 7"]).output().unwrap());
    assert!(code == Some(7) || said.contains("has no seccomp filters"), "{code:?}: {said}");
}

#[test]
fn wrong_use_is_said_with_the_usage() {
    for (arguments, what) in [
        (&[][..], "no error is given"),
        (&["EBADF", "true"], "unknown error \"EBADF\": give one of EPERM, "),
        (&["eperm", "true"], "unknown error \"eperm\""),
        (&["EPERM"], "no command is given"),
        (&["EPERM", "--"], "no command is given"),
    ] {
        let (code, said) = told(launcher().args(arguments).output().unwrap());
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        assert!(said.contains(what) && said.contains("usage: "), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    }
}

#[test]
fn a_command_that_there_is_not_is_named() {
    let (code, said) = told(launcher().args(["EPERM", "--", "/no/such/command"]).output().unwrap());
    let is_named = code == Some(127) && said.contains("cannot run /no/such/command: ");
    assert!(is_named || said.contains("has no seccomp filters"), "{code:?}: {said}");
}

fn told(output: Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn launcher() -> Command {
    let test = std::env::current_exe().unwrap();
    let target: PathBuf = test.parent().and_then(|deps| deps.parent()).expect("target/debug/deps").into();
    Command::new(target.join("examples/without_uring"))
}
