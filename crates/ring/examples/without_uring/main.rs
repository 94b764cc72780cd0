//! Runs a command where io_uring is refused, as containers refuse it:
//!
//! ```sh
//! cargo build -p switchboard-ring --example without_uring
//! target/debug/examples/without_uring EPERM -- cargo test -p switchboard
//! ```
//!
//! The three system calls of io_uring fail with the error named, in the command and in all that it starts, for good.
//! The exit code is the command's; 2 if this was used wrongly, 1 if the filter was refused, 127 if there is no such command.

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")
))]
mod seccomp;
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")
)))]
#[path = "missing.rs"]
mod seccomp;

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    match run(env::args_os().skip(1)) {
        Ok(never) => match never {},
        Err((code, message)) => {
            eprintln!("without_uring: {message}");
            ExitCode::from(code)
        }
    }
}

/// Becomes the command, or says why not.
fn run(mut arguments: impl Iterator<Item = OsString>) -> Result<std::convert::Infallible, (u8, String)> {
    let wrong_use =
        |what: String| (2, format!("{what}; usage: without_uring ERROR [--] COMMAND [ARGUMENT]..."));
    let names = ERRORS.map(|(name, _)| name).join(", ");
    let Some(name) = arguments.next() else {
        return Err(wrong_use(format!("no error is given: one of {names}")));
    };
    let Some((_, errno)) = ERRORS.into_iter().find(|(known, _)| name == *known) else {
        return Err(wrong_use(format!("unknown error {name:?}: give one of {names}")));
    };
    let mut command = arguments.next();
    if command.as_ref().is_some_and(|word| word == "--") {
        command = arguments.next();
    }
    let Some(command) = command else { return Err(wrong_use("no command is given".to_owned())) };
    seccomp::refuse_uring(errno).map_err(|error| (1, format!("cannot refuse io_uring: {error}")))?;
    let error = Command::new(&command).args(arguments).exec();
    Err((127, format!("cannot run {}: {error}", command.display())))
}

/// What a kernel, or a filter before it, answers where there is no io_uring.
const ERRORS: [(&str, i32); 4] =
    [("EPERM", libc::EPERM), ("ENOSYS", libc::ENOSYS), ("EINVAL", libc::EINVAL), ("EACCES", libc::EACCES)];
