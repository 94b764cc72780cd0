//! Switchboard: a non-blocking network runtime in layers that can be seen through.
//!
//! A switchboard operator serves many lines alone. No line is asked "are you there?": a lamp lights
//! up when one needs attention. That is non-blocking I/O. An echo server, for any number of clients, on one thread:
//!
//! ```
//! use std::io;
//!
//! use switchboard::net::Stream;
//! use switchboard::server::{Client, Server};
//!
//! #[switchboard::main]
//! async fn main() -> io::Result<()> {
//!     let server = Server::bind("127.0.0.1:0").await?;
//!     println!("listening on {}", server.addresses()[0]);
//! #   let server = server.until(async {});
//!     let receipt = server.serve(echo).await?; // until Ctrl-C or SIGTERM
//!     println!("{receipt}");
//!     Ok(())
//! }
//!
//! async fn echo(mut stream: Stream, _client: Client) -> io::Result<()> {
//!     loop {
//!         let data = stream.recv().await?;
//!         if data.is_empty() {
//!             return Ok(()); // the client has ended; dropping the stream closes it
//!         }
//!         stream.send_all(data).await?;
//!     }
//! }
//! ```
//!
//! These are the layers, from the kernel up:
//!
//! * `switchboard-selector`, a crate of its own: which of these descriptors may be tried now?
//! * [`engine`]: "do this" and "it is done", the same on every mechanism, by six laws;
//! * [`event_loop`]: callbacks, timers, signals, and connections that call back;
//! * [`task`]: futures, with no `Send` asked of them, and no failure of theirs lost;
//! * [`net`]: the sockets of `std::net`, for tasks;
//! * [`server`]: many connections at once, and how to end well;
//! * [`sim`]: whole networks in one thread, under one clock and one seed;
//! * [`testing`]: the same test on every mechanism and in simulated networks.
//!
//! Each layer works without those above it, and nothing imports a layer above its own. What a program uses most is
//! here at the root: [`main`] or [`run`], [`spawn`], [`scope`], [`sleep`], [`timeout`], and [`test`](macro@test).
//!
//! There are no channels, locks or `select!` here: those of the ecosystem need nothing but a waker, so that
//! `async-channel` and `futures-lite`, for two, do what they do anywhere, also between threads.
#![forbid(unsafe_code)]

pub mod engine;
pub mod event_loop;
pub mod net;
pub mod server;
pub mod sim;
pub mod task;
pub mod testing;

pub use engine::{Address, Engine, Mechanism};
pub use event_loop::{EventLoop, Handle};
pub use task::{
    Interval, Outcome, Scope, Sleep, Task, TimedOut, interrupt, interval, main, run, scope, signal, sleep,
    sleep_until, spawn, spawn_blocking, spawn_named, timeout, yield_now,
};
pub use testing::test;

/// What the README shows must compile. It is not in the package of this crate, but only `cargo test` in the repository
/// ever looks for it.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
