//! What a ring on this system comes with.

/// What [`probe`](crate::probe) found besides that a ring works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Features {
    /// Nothing completes outside of our own `enter` (Linux 6.1).
    pub is_deferred: bool,
}
