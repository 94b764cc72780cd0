//! Switchboard: a non-blocking network runtime in layers that can be seen through.
//!
//! A switchboard operator serves many lines alone. No line is asked "are you there?": a lamp lights
//! up when one needs attention. That is non-blocking I/O, and these are its layers, from the kernel up:
//!
//! * `switchboard-selector`, a crate of its own: which of these descriptors may be tried now?
//! * [`engine`]: "do this" and "it is done", the same on every mechanism, by six laws;
//! * [`event_loop`]: callbacks, timers, signals, and connections that call back;
//! * [`task`]: futures, with no `Send` asked of them, and no failure of theirs lost;
//! * [`net`]: the sockets of `std::net`, for tasks;
//! * [`server`]: many connections at once, and how to end well.
//!
//! Each layer works without those above it, and nothing imports a layer above its own.
#![forbid(unsafe_code)]

pub mod engine;
pub mod event_loop;
pub mod net;
pub mod server;
pub mod task;

pub use engine::{Address, Engine, Mechanism};
pub use event_loop::{EventLoop, Handle};
pub use task::{
    Interval, Outcome, Scope, Sleep, Task, TimedOut, interrupt, interval, main, run, scope, signal, sleep,
    sleep_until, spawn, spawn_blocking, spawn_named, timeout, yield_now,
};
