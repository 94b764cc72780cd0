//! A test in a process of its own: this same program, asked for that one test, perhaps under a tracer.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::SOON;

/// Runs `body` in a process of its own. `name` is the test's full name; `tracer` goes before the program.
pub(crate) fn alone(name: &str, tracer: &[&str], body: impl FnOnce()) {
    // A leak sanitizer needs ptrace(2) for itself.
    run(name, tracer, tracer.is_empty(), body);
}

/// Runs a `body` that leaks on purpose, in a process of its own, where a leak sanitizer does not look.
pub(crate) fn alone_and_leaking(name: &str, body: impl FnOnce()) {
    run(name, &[], false, body);
}

fn run(name: &str, tracer: &[&str], looks_for_leaks: bool, body: impl FnOnce()) {
    if is_alone() {
        body();
        println!("{DONE}");
        return;
    }
    let program = std::env::current_exe().unwrap();
    let mut command = match tracer {
        [] => Command::new(program),
        [tracer, options @ ..] => {
            let mut command = Command::new(tracer);
            command.args(options).arg(program);
            command
        }
    };
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(ALONE, name);
    if !looks_for_leaks {
        command.env("ASAN_OPTIONS", "detect_leaks=0");
    }
    let mut child = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let errors = thread::spawn(move || text(&mut stderr));
    let output = thread::spawn(move || text(&mut stdout));
    let deadline = Instant::now() + SOON;
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if Instant::now() < deadline => thread::sleep(Duration::from_millis(1)),
            None => {
                let group = rustix::process::Pid::from_child(&child);
                rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
                child.wait().unwrap();
                break None;
            }
        }
    };
    let (output, errors) = (output.join().unwrap(), errors.join().unwrap());
    println!("{output}{errors}");
    assert!(status.expect("the process hangs").success(), "the test failed in its own process");
    assert!(output.contains(DONE), "there is no test {name}");
}

/// Whether this process was started for one test.
pub(crate) fn is_alone() -> bool {
    std::env::var_os(ALONE).is_some()
}

/// strace(1) that makes system calls fail: a strace expression, as `io_uring_enter:error=EINTR:when=1`.
/// `None`, and said, where it is not installed or may not trace.
pub(crate) fn failing(what: &str) -> Option<[String; 6]> {
    let works = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    if !works.is_ok_and(|output| output.status.success()) {
        println!("skipped: strace is not here, or may not trace");
        return None;
    }
    let traced = what.split(':').next().unwrap();
    let words =
        ["strace", "-fqq", "-o/dev/null", "-e", &format!("trace={traced}"), &format!("-einject={what}")];
    Some(words.map(String::from))
}

fn text(from: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

const ALONE: &str = "SWITCHBOARD_RING_ALONE";
const DONE: &str = "the body of the test is done";
