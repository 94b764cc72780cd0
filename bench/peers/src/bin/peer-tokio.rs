//! `peer-tokio [PORT]`: tokio's current-thread runtime.
//!
//! Tuned as by the documentation of `tokio::runtime`: the scheduler of one thread for what one thread can do, which spares
//! the tasks all that crosses threads; by the tutorial's chapter on I/O: a buffer on the heap, not in the task; TCP_NODELAY.
//! All drivers are on, as `#[tokio::main]` has them. The settings of its event loop are left at their defaults.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use tokio::runtime::Builder;

fn main() -> ExitCode {
    listen::run("peer-tokio", |listener| {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        listen::ready(&listener, "tokio, current thread")?;
        runtime.block_on(peers::with_tokio::serve(listener))
    })
}
