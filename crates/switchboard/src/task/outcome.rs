//! What a task's output says of its success.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::convert::Infallible;
use std::ffi::OsString;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::{Address, Lease};

/// An output of a task: a value, or a failure that somebody has to hear of.
///
/// A `Result` is a failure when it is an `Err`; other values never are. For a type of your own, the `impl` may be empty:
///
/// ```
/// struct Mine;
/// impl switchboard::Outcome for Mine {}
///
/// switchboard::run(async {
///     let Mine = switchboard::spawn(async { Mine }).await;
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait Outcome {
    /// The failure, if it is one.
    fn failure(&self) -> Option<&dyn Display> {
        None
    }
}

impl<T, E: Display> Outcome for Result<T, E> {
    fn failure(&self) -> Option<&dyn Display> {
        self.as_ref().err().map(|error| error as &dyn Display)
    }
}

/// Values that are never a failure.
macro_rules! plain {
    ($($value:ty),* $(,)?) => { $(impl Outcome for $value {})* };
}

plain! {
    (), Infallible, bool, char, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64,
    String, &'static str, PathBuf, OsString, Duration, Instant, IpAddr, SocketAddr, Address, Lease,
}

impl<T> Outcome for Option<T> {}
impl<T> Outcome for Vec<T> {}
impl<T> Outcome for VecDeque<T> {}
impl<T, const N: usize> Outcome for [T; N] {}
impl<T: ?Sized> Outcome for Box<T> {}
impl<T: ?Sized> Outcome for Rc<T> {}
impl<T: ?Sized> Outcome for Arc<T> {}
impl<K, V> Outcome for BTreeMap<K, V> {}
impl<K, V, S> Outcome for HashMap<K, V, S> {}
impl<A> Outcome for (A,) {}
impl<A, B> Outcome for (A, B) {}
impl<A, B, C> Outcome for (A, B, C) {}
impl<A, B, C, D> Outcome for (A, B, C, D) {}
