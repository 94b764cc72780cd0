//! What a call on a socket that does not block came to.

/// See the top of this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Something happened: another call may be worth it.
    Done,
    /// Something was received, and nothing is left: more would be news.
    Drained,
    /// There was nothing to call for.
    Idle,
    /// It was called in vain: nothing is there, or no room. Later.
    WouldBlock,
}
