//! Knowing that we are a forked child, without asking the kernel on every call.
//!
//! After fork(2) the two queues are memory that parent and child share, and the kernel works for the
//! parent: whatever a child wrote there would happen in its parent. So a ring works only in the process
//! that made it. A handler that pthread_atfork(3) runs in each child counts a process-wide generation
//! up; a [`Home`] remembers the generation it was born in, and checking it is one relaxed load.
//! A child made by a raw clone(2), behind the C library's back, is not noticed.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::failure::failed;
use crate::error::refused;

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// The process in which something was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Home(u32);

impl Home {
    /// This process. Fails only if the system cannot remember the fork handler (no memory).
    pub(super) fn here() -> io::Result<Self> {
        static WATCHED: OnceLock<i32> = OnceLock::new();
        // SAFETY: the handler is a plain function of this type that lives for ever, and it is
        // async-signal-safe: one atomic addition.
        match WATCHED.get_or_init(|| unsafe { libc::pthread_atfork(None, None, Some(in_child)) }) {
            0 => Ok(Self(GENERATION.load(Ordering::Relaxed))),
            errno => Err(failed("cannot make a ring: pthread_atfork", io::Error::from_raw_os_error(*errno))),
        }
    }

    /// Whether the running process is still the one.
    #[inline]
    pub(super) fn is_here(self) -> bool {
        self.0 == GENERATION.load(Ordering::Relaxed)
    }

    /// An error in a forked child.
    #[inline]
    pub(super) fn check(self) -> io::Result<()> {
        if self.is_here() { Ok(()) } else { Err(abroad()) }
    }
}

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

#[cold]
fn abroad() -> io::Error {
    let text = "this ring belongs to the parent process: after fork(2) its queues are shared with it; make a \
                new ring in the child";
    refused(io::ErrorKind::Unsupported, text)
}
