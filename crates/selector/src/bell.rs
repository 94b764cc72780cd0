//! The bell: ends a `select` from another thread or from a signal handler.
//!
//! A flag in front of a descriptor. Who finds the flag down raises it and strikes the chime; who finds
//! it up does nothing, since a strike nobody has heard yet is under way. So a burst of rings costs one
//! system call, and the chime never fills up.
//! What must stay true (or rings are lost): the selector silences the chime FIRST and lowers the flag
//! AFTER, and reports the ring after that. A ring that found the flag up happened before it was
//! lowered, so it is covered by that report; both sides swap, so what the ringer wrote is visible.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fmt, io};

use crate::fork::Home;
use crate::system::Chime;

/// Ends a [`Selector::select`](crate::Selector::select) from elsewhere; given by
/// [`Selector::bell`](crate::Selector::bell).
///
/// Cheap to clone, and it may outlive its selector: ringing then does nothing. In a child after fork(2)
/// ringing does nothing either: the selector is the parent's.
#[derive(Clone)]
pub struct Bell(Arc<Inner>);

struct Inner {
    chime: Chime,
    up: AtomicBool,
    home: Home,
}

impl Bell {
    /// A bell of its own, for who waits without a selector: its descriptor is readable once it was rung, until it is
    /// [heard](Self::hear).
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub fn new() -> io::Result<Self> {
        Self::at(Home::here()?)
    }

    pub(crate) fn at(home: Home) -> io::Result<Self> {
        Ok(Self(Arc::new(Inner { chime: Chime::new()?, up: AtomicBool::new(false), home })))
    }

    /// Ends the `select` in progress, or the next one if none is; it then says so in
    /// [`Events::rung`](crate::Events::rung). Ringing many times before it is heard is ringing once.
    ///
    /// Never blocks, never fails, and is async-signal-safe (signal-safety(7)): an atomic swap, and
    /// at most one write(2) that leaves errno alone on Linux.
    pub fn ring(&self) {
        if self.0.home.is_here() && !self.0.up.swap(true, Ordering::AcqRel) {
            self.0.chime.strike();
        }
    }

    /// Takes note of all rings up to now. Whoever calls it looks for what it was rung for after that.
    pub fn hear(&self) {
        // The order matters: see the top of this file.
        self.0.chime.silence();
        self.lower();
    }

    /// The same for who is told at each edge (`EPOLLET`, a multishot poll of io_uring(7)): the descriptor stays readable,
    /// the next ring is an edge all the same, and no system call is made. Linux only: elsewhere edges run out.
    pub fn lower(&self) {
        self.0.up.swap(false, Ordering::AcqRel);
    }
}

/// What a mechanism watches for READ.
impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.chime.fd()
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell").field("rung", &self.0.up).finish()
    }
}
