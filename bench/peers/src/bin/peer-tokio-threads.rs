//! `peer-tokio-threads [PORT]`: tokio's multi-thread runtime, which steals work.
//!
//! Tuned as by the documentation of `tokio::runtime`: as many workers as there are cores for this process, the default; the
//! accepting loop is spawned, too, because what `block_on` is given does not run on a worker, and what it spawns would
//! have to cross to one. The rest is as in `peer-tokio`.

#![forbid(unsafe_code)]

use std::io;
use std::process::ExitCode;

use tokio::runtime::Builder;

fn main() -> ExitCode {
    listen::run("peer-tokio-threads", |listener| {
        let runtime = Builder::new_multi_thread().enable_all().build()?;
        let workers = runtime.metrics().num_workers();
        listen::ready(&listener, &format!("tokio, workers: {workers}"))?;
        runtime.block_on(async {
            tokio::spawn(peers::with_tokio::serve(listener)).await.map_err(io::Error::other)?
        })
    })
}
