//! Switchboard: a non-blocking network runtime in layers that can be seen through.
//!
//! A switchboard operator serves many lines alone. No line is asked "are you there?": a lamp lights
//! up when one needs attention. That is non-blocking I/O, and these are its layers, from the kernel up:
//!
//! * `switchboard-selector`, a crate of its own: which of these descriptors may be tried now?
//! * [`engine`]: "do this" and "it is done", the same on every mechanism, by six laws;
//! * [`event_loop`]: callbacks, timers, signals, and connections that call back.
//!
//! Each layer works without those above it, and nothing imports a layer above its own.
#![forbid(unsafe_code)]

pub mod engine;
pub mod event_loop;

pub use engine::{Address, Engine, Mechanism};
pub use event_loop::EventLoop;
