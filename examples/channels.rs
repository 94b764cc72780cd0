//! Channels, and waiting for whatever comes first: those of the ecosystem, on our loop.
//!
//! `async-channel` and `futures-lite` know nothing of Switchboard. All they need is a waker, which wakes the loop from
//! any thread. `cargo run --example channels`.

use std::time::Duration;

use async_channel::{Receiver, Sender};
use futures_lite::FutureExt;
use switchboard::{sleep, spawn, spawn_blocking};

#[switchboard::main]
async fn main() {
    let (jobs, to_do) = async_channel::bounded(2); // whoever sends a third job waits
    let (results, done) = async_channel::unbounded();

    // Two workers share the end of a channel: each job goes to one of them.
    for name in ["Ann", "Bob"] {
        spawn(work(name, to_do.clone(), results.clone())).detach();
    }
    drop((to_do, results)); // the workers hold the rest; when they are done, so is the channel

    // The jobs come from a thread beside the loop, where sending may block.
    let thread = spawn_blocking(move || (1..=6).try_for_each(|job| jobs.send_blocking(job)));

    while let Some(line) = next(&done).await {
        println!("{line}");
    }
    match thread.await {
        Ok(()) => println!("all is done"),
        Err(error) => println!("nobody took the job: {error}"),
    }
}

async fn work(name: &str, to_do: Receiver<u64>, results: Sender<String>) {
    while let Ok(job) = to_do.recv().await {
        sleep(Duration::from_millis(10 * job)).await; // hard work
        if results.send(format!("{name} did job {job}")).await.is_err() {
            return; // nobody wants to know
        }
    }
}

/// A result, or a word about there being none for a while. `or` prefers what is written first, where `race` draws lots.
async fn next(done: &Receiver<String>) -> Option<String> {
    let result = async { done.recv().await.ok() };
    let silence = async {
        sleep(Duration::from_secs(2)).await;
        Some("still at work".to_owned())
    };
    result.or(silence).await
}
