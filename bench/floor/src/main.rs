//! `floor [PORT]`: the bare epoll loop as a command.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    listen::run("floor", floor::serve)
}
