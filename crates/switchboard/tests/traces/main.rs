//! Traces: what is noted of a program, that the same program is noted the same, and what is said where it is not.

mod agreement;
mod difference;
#[path = "../rig/engines.rs"]
#[expect(dead_code, reason = "each test file uses its part")]
mod engines;
mod programs;
#[path = "../rig/reserved.rs"]
mod reserved;
mod text;
