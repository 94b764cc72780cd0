//! The locks and atomics of what threads share. A model of it swaps this file for loom's.

pub(super) use std::sync::atomic::{AtomicBool, Ordering};
pub(super) use std::sync::{Mutex, MutexGuard, PoisonError};
