//! Signals, counted exactly and heard at once.
//!
//! The handler does the least there is: add one to an atomic, ring a bell. No pipe of signal
//! numbers that could fill up, no thread. The kernel itself may merge two deliveries of one
//! standard signal that are pending at the same time (signal(7)); every handler run is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fmt, io};

use signal_hook_registry::{FORBIDDEN, SigId};

use crate::bell::Bell;
use crate::error::{failed, refused};
use crate::fork::Home;

/// One signal, watched. Dropping it ends that.
///
/// While (and, until the process ends, after) a signal is watched, its default action does not
/// happen: after the last `Signal` for SIGTERM was dropped, SIGTERM is ignored. Several may watch
/// the same number; each counts for itself. A handler some other code installed earlier is still
/// run.
pub struct Signal {
    number: i32,
    count: Arc<AtomicU64>,
    id: SigId,
    home: Home,
}

impl Signal {
    /// Counts deliveries of signal `number` (signal(7)) from now on, and rings `bell` for each.
    ///
    /// # Errors
    /// `InvalidInput` for numbers that are no signals, for those that cannot be caught (SIGKILL,
    /// SIGSTOP) and for those that tell of a fault in the program itself (SIGSEGV, SIGBUS, SIGILL,
    /// SIGFPE, SIGTRAP, SIGABRT, SIGSYS).
    pub fn watch(number: i32, bell: Bell) -> io::Result<Self> {
        let home = Home::here()?;
        check(number)?;
        let count = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&count);
        let action = move || {
            counter.fetch_add(1, Ordering::Release);
            bell.ring();
        };
        // SAFETY: the action is async-signal-safe: an atomic addition, then `Bell::ring`, which is
        // by its contract. It neither allocates, locks nor panics; what it captured is dropped by
        // `unregister`, outside any handler.
        let id = unsafe { signal_hook_registry::register(number, action) };
        let id =
            id.map_err(|cause| failed(format_args!("cannot watch signal {number}: sigaction"), cause))?;
        Ok(Self { number, count, id, home })
    }

    /// Which signal.
    pub fn number(&self) -> i32 {
        self.number
    }

    /// How often it was delivered since the last call. In a child after fork(2) always 0: the count
    /// is the parent's; a child watches anew.
    pub fn take(&self) -> u64 {
        if self.home.is_here() { self.count.swap(0, Ordering::Acquire) } else { 0 }
    }

    /// Adds `n` to the count again, for somebody else to take.
    pub fn put_back(&self, n: u64) {
        self.count.fetch_add(n, Ordering::Release);
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        signal_hook_registry::unregister(self.id);
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").field("number", &self.number).field("count", &self.count).finish()
    }
}

fn check(number: i32) -> io::Result<()> {
    // No system has signals above 128; the C library's own (32 and 33 with glibc) are refused by
    // sigaction(2).
    if !(1..=128).contains(&number) {
        let text = format_args!("cannot watch signal {number}: there is no such signal");
        return Err(refused(io::ErrorKind::InvalidInput, text));
    }
    let of_faults = [libc::SIGBUS, libc::SIGTRAP, libc::SIGABRT, libc::SIGSYS];
    if FORBIDDEN.contains(&number) || of_faults.contains(&number) {
        let text = format_args!(
            "cannot watch signal {number}: it cannot be caught, or tells of a fault in the program itself"
        );
        return Err(refused(io::ErrorKind::InvalidInput, text));
    }
    Ok(())
}
