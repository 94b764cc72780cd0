//! The name of a registered source: an index with a generation.
//!
//! A place in the table is used again, its generation is not: a key fetched before `unregister` never
//! opens a newcomer's door. The whole key travels through the kernel as the 64-bit token of the
//! registration. slotmap never packs a key into 0, so 0 is free to mean the bell.

use slotmap::{Key as _, KeyData};

slotmap::new_key_type! {
    /// The name of a source in a [`Selector`](crate::Selector), given by `register` and carried by
    /// events.
    ///
    /// Unique for the selector's life: it is not given again after `unregister` (until some 2³¹
    /// registrations have used the same place). It is a slotmap key, so data of your own can be kept
    /// beside the selector in a `slotmap::SecondaryMap<Key, _>`. Keys of two selectors do not mix.
    pub struct Key;
}

/// The token under which the bell is registered.
pub(crate) const BELL: u64 = 0;

impl Key {
    #[inline]
    pub(crate) fn token(self) -> u64 {
        self.data().as_ffi()
    }

    #[inline]
    pub(crate) fn from_token(token: u64) -> Self {
        Self::from(KeyData::from_ffi(token))
    }
}
