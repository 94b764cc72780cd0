//! The ring as its callers see it, on the kernel this runs on.
//!
//! Where io_uring is refused, every test is printed as skipped; with `uring` in SWITCHBOARD_REQUIRE,
//! that fails. No test sleeps and hopes: each waits for what it expects, with a deadline. Tests that
//! concern the whole process (fork, filters, faults, descriptors) run in a process of their own.
#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "tests start threads and look at the clock themselves")]

mod alone;
mod cancelling;
mod common;
mod dropping;
mod entering;
mod faults;
mod filter;
mod group;
mod operations;
mod overflow;
mod process;
#[path = "../../../switchboard/tests/rig/reserved.rs"]
mod reserved;
mod zero_copy;
