//! One suite, every mechanism: each test's body takes a `Mechanism` and runs on all this system has.
//!
//! A mechanism the system lacks is printed as skipped; named in SWITCHBOARD_REQUIRE
//! (`epoll,poll,select`), its absence fails. No test sleeps and hopes: each waits for what it
//! expects, with a deadline.
#![expect(clippy::disallowed_methods, reason = "tests start threads and look at the clock themselves")]

mod bell;
mod common;
mod identity;
mod questions;
mod readiness;
mod registration;
mod signals;
mod special;
mod timeouts;
