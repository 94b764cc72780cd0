//! Completion: do this, and tell me when it is done. io_uring(7) for safe callers.
//!
//! The tour is the crate's README, just below. How the files hang together: `request.rs` and `reply.rs`
//! are what goes in and what comes out; `ring.rs` is the whole interface; in `ring/` are the kernel's two
//! queues, one operation and all it lends to the kernel, the group of buffers, and the probe;
//! `missing.rs` is the same interface where there is no io_uring.
#![doc = include_str!("../README.md")]

mod counts;
mod error;
mod features;
mod poll_events;
mod reply;
mod request;
mod setup;
mod token;

#[cfg(all(
    target_os = "linux",
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64",
        target_arch = "loongarch64",
        target_arch = "powerpc64"
    )
))]
mod ring;
#[cfg(not(all(
    target_os = "linux",
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64",
        target_arch = "loongarch64",
        target_arch = "powerpc64"
    )
)))]
#[path = "missing.rs"]
mod ring;

pub use counts::Counts;
pub use features::Features;
pub use poll_events::PollEvents;
pub use reply::{Outcome, Reply};
pub use request::Request;
pub use ring::{Ring, probe};
pub use setup::Setup;
pub use token::Token;
