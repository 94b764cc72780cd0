//! What a source is watched for, and how often it is told.
//!
//! [`Interest`] is a set of three directions, written by hand rather than with a macro: three
//! constants and two operators are easier to read than their generator. Its bits are the low bits of
//! the lamps an event carries (`event.rs`), so masking one with the other is a single `and`.

use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign, Sub};

/// A set of directions to watch: any of [`READ`](Self::READ), [`WRITE`](Self::WRITE) and
/// [`PRIORITY`](Self::PRIORITY), joined with `|`.
///
/// ```
/// use switchboard_selector::Interest;
///
/// let both = Interest::READ | Interest::WRITE;
/// assert!(both.contains(Interest::READ));
/// assert_eq!(format!("{both:?}"), "READ | WRITE");
/// assert!((both - Interest::READ - Interest::WRITE).is_empty());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Interest(pub(crate) u8);

impl Interest {
    /// Nothing. A source registered with it is kept, and never reported, not even for a hang-up.
    pub const NONE: Self = Self(0);
    /// There is something to read: bytes, a connection to accept, or the end of the stream.
    pub const READ: Self = Self(1);
    /// There is room to write, or a connection attempt has ended (well or badly).
    pub const WRITE: Self = Self(2);
    /// There is urgent data: TCP's out-of-band byte, a packet on a pseudo-terminal (POLLPRI of poll(2),
    /// the exceptional set of select(2)). kqueue does not offer it.
    pub const PRIORITY: Self = Self(4);

    /// Whether every direction of `other` is in this set. Every set contains [`NONE`](Self::NONE).
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether this is [`NONE`](Self::NONE).
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Interest {
    type Output = Self;
    /// Both sets together.
    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Interest {
    #[inline]
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for Interest {
    type Output = Self;
    /// What both sets have.
    #[inline]
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Sub for Interest {
    type Output = Self;
    /// This set without `other`.
    #[inline]
    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl fmt::Debug for Interest {
    /// The names: `NONE`, `READ`, `READ | WRITE` …
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [(Self::READ, "READ"), (Self::WRITE, "WRITE"), (Self::PRIORITY, "PRIORITY")];
        crate::names::write_names(
            f,
            names.iter().filter(|(bit, _)| self.contains(*bit)).map(|(_, name)| *name),
        )
    }
}

/// How often a source that stays ready is reported.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Mode {
    /// In every `select`, for as long as it is ready. The default, and the one every mechanism has.
    #[default]
    Level,
    /// Once for each time something new happens: read or write until `WouldBlock` before waiting
    /// again. Only where the mechanism has edges (epoll, kqueue):
    /// [`Selector::supports`](crate::Selector::supports).
    Edge,
    /// Once. Then the source is silent, even for a hang-up, until the next `modify`.
    Oneshot,
}
