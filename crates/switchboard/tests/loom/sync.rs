//! In place of the product's `sync.rs`: the same names, loom's types.

pub(super) use std::sync::PoisonError;

pub(super) use loom::sync::atomic::{AtomicBool, Ordering};
pub(super) use loom::sync::{Mutex, MutexGuard};
