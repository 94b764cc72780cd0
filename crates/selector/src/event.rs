//! What a `select` hands over: events, and the buffer they come in.
//!
//! An event is a token and a set of lamps. The mechanisms light lamps as the kernel says; the selector
//! then keeps only those that were asked for. What must stay true: an event handed out has at least
//! one of readable, writable, priority lit, so that a loop acting on these three never spins.

use std::fmt;

use crate::interest::Interest;
use crate::key::Key;

/// One source that may be tried now. See [`Events`].
#[derive(Clone, Copy)]
pub struct Event {
    pub(crate) token: u64,
    pub(crate) lamps: Lamps,
}

impl Event {
    /// Whose event this is. The source may have been unregistered meanwhile;
    /// [`Selector::source`](crate::Selector::source) then answers `None`.
    #[inline]
    pub fn key(&self) -> Key {
        Key::from_token(self.token)
    }

    /// Reading (or accepting) will not block. A hang-up and an error make it true as well.
    #[inline]
    pub fn readable(&self) -> bool {
        self.lamps.has(Lamps::READ)
    }

    /// Writing will not block. A hang-up and an error make it true as well.
    #[inline]
    pub fn writable(&self) -> bool {
        self.lamps.has(Lamps::WRITE)
    }

    /// There is urgent data. With [`Interest::PRIORITY`] alone, a hang-up or an error makes it true
    /// as well (except on select, which does not tell such a source about either).
    #[inline]
    pub fn priority(&self) -> bool {
        self.lamps.has(Lamps::PRIORITY)
    }

    /// The peer will send no more; what it did send may still wait to be read, so read on to the end.
    ///
    /// A hint: `true` is certain, `false` says nothing (select never tells).
    #[inline]
    pub fn read_closed(&self) -> bool {
        self.lamps.has(Lamps::READ_CLOSED)
    }

    /// Nothing more can be sent. A hint: `true` is certain, `false` says nothing (select never tells).
    #[inline]
    pub fn write_closed(&self) -> bool {
        self.lamps.has(Lamps::WRITE_CLOSED)
    }

    /// Something is wrong with the descriptor: the next read or write, or SO_ERROR, tells what.
    /// Also true if it was closed behind the selector's back and the mechanism noticed (poll,
    /// select).
    ///
    /// A hint: `true` is certain, `false` says nothing.
    #[inline]
    pub fn error(&self) -> bool {
        self.lamps.has(Lamps::ERROR)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("key", &self.key()).field("lamps", &self.lamps).finish()
    }
}

/// The reusable buffer a [`select`](crate::Selector::select) fills. Allocated once.
///
/// ```
/// use switchboard_selector::Events;
///
/// let events = Events::with_capacity(64);
/// assert!(events.is_empty() && !events.rung());
/// for event in &events {
///     println!("{:?} may be tried", event.key());
/// }
/// ```
pub struct Events {
    pub(crate) list: Vec<Event>,
    capacity: usize,
    pub(crate) rung: bool,
}

impl Events {
    /// A buffer for `n` events: one `select` hands over at most so many, the next ones report the
    /// others. `n` is taken as at least 1 and at most 1,048,576.
    pub fn with_capacity(n: usize) -> Self {
        let capacity = n.clamp(1, 1 << 20);
        Self { list: Vec::with_capacity(capacity), capacity, rung: false }
    }

    /// The events of the last `select`, in no particular order; one per source.
    pub fn iter(&self) -> std::slice::Iter<'_, Event> {
        self.list.iter()
    }

    /// How many events there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none: the time was up, or only the bell was heard.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Forgets the events. `select` does so itself.
    #[inline]
    pub fn clear(&mut self) {
        self.list.clear();
        self.rung = false;
    }

    /// Whether the last `select` heard the [`Bell`](crate::Bell), however many times it was rung.
    #[inline]
    pub fn rung(&self) -> bool {
        self.rung
    }

    /// How many more events there is room for.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.capacity - self.list.len()
    }
}

impl Default for Events {
    /// A buffer for 1024 events.
    fn default() -> Self {
        Self::with_capacity(1024)
    }
}

impl<'a> IntoIterator for &'a Events {
    type Item = &'a Event;
    type IntoIter = std::slice::Iter<'a, Event>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("list", &self.list).field("rung", &self.rung).finish()
    }
}

/// What lights up for a source. The low three bits are those of [`Interest`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lamps(u8);

impl Lamps {
    pub(crate) const OFF: Self = Self(0);
    pub(crate) const READ: Self = Self(Interest::READ.0);
    pub(crate) const WRITE: Self = Self(Interest::WRITE.0);
    pub(crate) const PRIORITY: Self = Self(Interest::PRIORITY.0);
    pub(crate) const READ_CLOSED: Self = Self(8);
    pub(crate) const WRITE_CLOSED: Self = Self(16);
    pub(crate) const ERROR: Self = Self(32);
    /// Both directions closed: what a hang-up means.
    pub(crate) const HANG_UP: Self = Self(Self::READ.0 | Self::WRITE.0 | 8 | 16);
    /// An error: both directions may be tried, and will tell.
    pub(crate) const FAILED: Self = Self(Self::READ.0 | Self::WRITE.0 | 32);
    /// The peer's end of stream.
    pub(crate) const PEER_CLOSED: Self = Self(Self::READ.0 | 8);

    const ASKED: u8 = Interest::READ.0 | Interest::WRITE.0 | Interest::PRIORITY.0;

    #[inline]
    pub(crate) fn has(self, lamp: Self) -> bool {
        self.0 & lamp.0 != 0
    }

    #[inline]
    pub(crate) fn shows(self, direction: Interest) -> bool {
        self.0 & direction.0 != 0
    }

    /// Lights `lamps` if `when`. Without a branch: this runs for every event.
    #[inline]
    pub(crate) fn light(&mut self, lamps: Self, when: bool) {
        self.0 |= lamps.0 * u8::from(when);
    }

    /// Puts out what was not asked for; says whether anything asked for is lit.
    #[inline]
    pub(crate) fn keep(&mut self, interest: Interest) -> bool {
        self.0 &= interest.0 | !Self::ASKED;
        if self.0 & Self::ASKED == 0 && self.0 != 0 {
            // Nothing of what was asked, and yet the kernel speaks: a hang-up or an error, under an
            // interest in PRIORITY alone. Not telling would make a level-triggered select spin.
            self.0 |= interest.0 & Interest::PRIORITY.0;
        }
        self.0 & Self::ASKED != 0
    }
}

impl fmt::Debug for Lamps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::READ, "READ"),
            (Self::WRITE, "WRITE"),
            (Self::PRIORITY, "PRIORITY"),
            (Self::READ_CLOSED, "READ_CLOSED"),
            (Self::WRITE_CLOSED, "WRITE_CLOSED"),
            (Self::ERROR, "ERROR"),
        ];
        crate::names::write_names(f, names.iter().filter(|(lamp, _)| self.has(*lamp)).map(|(_, name)| *name))
    }
}
