//! What the selector asks of a kernel mechanism: one file each, all of this shape, in this order.
//!
//! A mechanism knows descriptors, tokens, interests and modes, nothing of sources, keys or time.
//! Each has a free function `open() -> io::Result<Box<dyn Backend>>` in front of this trait's
//! methods.
//! What the selector promises: an interest is never empty; Edge is used only where `edges`
//! says so; a descriptor is added once until it is removed. What a mechanism must keep: an Oneshot
//! descriptor, once reported, is silent until `modify`, yet still counts as added; hang-up and
//! error light the READ and WRITE lamps.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::event::Event;
use crate::interest::{Interest, Mode};

/// One kernel mechanism, opened.
pub(crate) trait Backend: Send {
    /// Whether [`Mode::Edge`] can be had.
    fn edges(&self) -> bool;

    /// Begins to watch `fd`.
    fn add(&mut self, fd: BorrowedFd<'_>, token: u64, interest: Interest, mode: Mode) -> io::Result<Added>;

    /// Watches `fd`, added before, for something else from now on. Wakes an Oneshot one up again.
    fn modify(&mut self, fd: BorrowedFd<'_>, token: u64, interest: Interest, mode: Mode) -> io::Result<()>;

    /// Watches `fd` no more. One the kernel has forgotten by itself (closed meanwhile) is no error.
    fn remove(&mut self, fd: BorrowedFd<'_>) -> io::Result<()>;

    /// Waits at most `timeout` (never above `Deadline::SLICE`; `None` is for ever) and pushes what
    /// is ready, at most `room` (≥ 1) events, one per descriptor. `Interrupted` is passed on.
    fn wait(&mut self, events: &mut Vec<Event>, room: usize, timeout: Option<Duration>) -> io::Result<()>;
}

/// What became of an `add`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Added {
    /// The mechanism watches it.
    Watched,
    /// The mechanism does not take such descriptors (files, directories); POSIX calls them always
    /// ready.
    AlwaysReady,
}
