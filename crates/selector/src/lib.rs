//! Which of these descriptors may be tried now?
//!
//! A [`Selector`] watches many descriptors at once and tells which are ready: a switchboard operator's
//! lamps, instead of asking every line. It works the same on every [`Mechanism`] (epoll, kqueue, poll,
//! select; a value chosen at run time), and it owns what it watches. What the kernels do that one would
//! not expect, and what is done about it here, is told in `docs/kernel-notes.md`.
//!
//! ```
//! use std::io::{self, Read, Write};
//! use std::net::{TcpListener, TcpStream};
//! use switchboard_selector::{Events, Interest, Mode, Selector};
//!
//! # fn main() -> io::Result<()> {
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let mut peer = TcpStream::connect(listener.local_addr()?)?;
//! let (stream, _) = listener.accept()?;
//! stream.set_nonblocking(true)?;
//!
//! let mut selector = Selector::new()?; // or Selector::with(Mechanism::Poll)
//! let key = selector.register(stream, Interest::READ, Mode::Level)?; // it moves in
//! peer.write_all(b"hello")?;
//!
//! let mut events = Events::with_capacity(16);
//! selector.select(&mut events, None)?;
//! for event in &events {
//!     assert!(event.key() == key && event.readable());
//!     let mut bytes = [0; 16];
//!     assert_eq!(selector[key].read(&mut bytes)?, 5);
//! }
//! let stream = selector.unregister(key)?; // and comes back out
//! # drop(stream);
//! # Ok(())
//! # }
//! ```
//!
//! - [`Bell`] ends a `select` from another thread or a signal handler; [`Signal`] counts signals and rings it.
//! - [`ready`], [`has_data`] and [`wait_for_data`] ask about one descriptor in one call, without a selector.
//! - [`unsent`] tells how much the kernel still holds of what was written.

mod always;
mod backend;
mod bell;
mod deadline;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod epoll;
mod error;
mod event;
mod fork;
mod interest;
mod key;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "illumos", target_os = "solaris")))]
mod kqueue;
mod mechanism;
mod missing;
mod names;
mod poll;
mod ready;
mod rejected;
#[cfg(not(any(target_os = "illumos", target_os = "solaris")))]
mod select;
mod selector;
pub mod signal;

// What the system has is written in one file each.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "system/linux.rs"]
mod system;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "illumos", target_os = "solaris")))]
#[path = "system/bsd.rs"]
mod system;
#[cfg(any(target_os = "illumos", target_os = "solaris"))]
#[path = "system/solaris.rs"]
mod system;

pub use std::os::fd::{AsFd as AsDescriptor, BorrowedFd as BorrowedDescriptor, OwnedFd as Descriptor};

pub use bell::Bell;
pub use event::{Event, Events};
pub use interest::{Interest, Mode};
pub use key::Key;
pub use mechanism::Mechanism;
pub use ready::{has_data, ready, unsent, wait_for_data};
pub use rejected::Rejected;
pub use selector::Selector;
pub use signal::Signal;
