//! What a poll waits for, and what it found: a set of poll(2)'s bits.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// A set of states of a descriptor, joined with `|`.
///
/// ```
/// use switchboard_ring::PollEvents;
///
/// let both = PollEvents::READ | PollEvents::WRITE;
/// assert!(both.contains(PollEvents::READ) && !both.contains(PollEvents::PRIORITY));
/// assert_eq!(format!("{both:?}"), "READ | WRITE");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PollEvents(u16);

impl PollEvents {
    /// Nothing asked: [`ERROR`](Self::ERROR) and [`HANG_UP`](Self::HANG_UP) are told all the same.
    pub const NONE: Self = Self(0);
    /// There is something to read: bytes, a connection to accept, or the end of the stream.
    pub const READ: Self = Self(libc::POLLIN.cast_unsigned());
    /// There is urgent data.
    pub const PRIORITY: Self = Self(libc::POLLPRI.cast_unsigned());
    /// There is room to write, or a connection attempt has ended.
    pub const WRITE: Self = Self(libc::POLLOUT.cast_unsigned());
    /// Something is wrong with it. Told unasked.
    pub const ERROR: Self = Self(libc::POLLERR.cast_unsigned());
    /// Both directions have ended. Told unasked.
    pub const HANG_UP: Self = Self(libc::POLLHUP.cast_unsigned());
    /// The peer will send no more (POLLRDHUP).
    pub const PEER_CLOSED: Self = Self(0x2000);

    /// Whether every state of `other` is in this set.
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any state of `other` is in this set.
    #[inline]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there is nothing in it.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The bits of poll(2).
    #[inline]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// From the bits of poll(2), all of them kept.
    #[inline]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }
}

impl BitOr for PollEvents {
    type Output = Self;
    /// Both sets together.
    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for PollEvents {
    #[inline]
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for PollEvents {
    /// The names: `NONE`, `READ`, `READ | WRITE` …; bits without a name as a number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut separator = "";
        for (bit, name) in NAMES {
            if self.contains(bit) {
                write!(f, "{separator}{name}")?;
                separator = " | ";
                rest &= !bit.0;
            }
        }
        match (rest, separator) {
            (0, "") => f.write_str("NONE"),
            (0, _) => Ok(()),
            _ => write!(f, "{separator}{rest:#x}"),
        }
    }
}

const NAMES: [(PollEvents, &str); 6] = [
    (PollEvents::READ, "READ"),
    (PollEvents::WRITE, "WRITE"),
    (PollEvents::PRIORITY, "PRIORITY"),
    (PollEvents::PEER_CLOSED, "PEER_CLOSED"),
    (PollEvents::HANG_UP, "HANG_UP"),
    (PollEvents::ERROR, "ERROR"),
];
