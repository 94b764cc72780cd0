//! Readiness: the counterpart of Python's `selectors`, on whatever mechanism the system has.
//!
//! The tour is the crate's README, just below. How the files hang together: `selector.rs` is all that
//! is the same everywhere; `backend.rs` says what it asks of a mechanism; `epoll.rs`, `kqueue.rs`,
//! `poll.rs` and `select.rs` are the mechanisms; `system/` says which of them a system has.
#![doc = include_str!("../README.md")]

mod always;
mod backend;
mod bell;
mod deadline;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod epoll;
mod error;
mod event;
mod fork;
mod interest;
mod key;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "illumos", target_os = "solaris")))]
mod kqueue;
mod mechanism;
mod missing;
mod names;
mod poll;
mod ready;
mod rejected;
#[cfg(not(any(target_os = "illumos", target_os = "solaris")))]
mod select;
mod selector;
pub mod signal;

// What the system has is written in one file each.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "system/linux.rs"]
mod system;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "illumos", target_os = "solaris")))]
#[path = "system/bsd.rs"]
mod system;
#[cfg(any(target_os = "illumos", target_os = "solaris"))]
#[path = "system/solaris.rs"]
mod system;

pub use std::os::fd::{AsFd as AsDescriptor, BorrowedFd as BorrowedDescriptor, OwnedFd as Descriptor};

pub use bell::Bell;
pub use event::{Event, Events};
pub use interest::{Interest, Mode};
pub use key::Key;
pub use mechanism::Mechanism;
pub use ready::{has_data, ready, unsent, wait_for_data};
pub use rejected::Rejected;
pub use selector::Selector;
pub use signal::Signal;
