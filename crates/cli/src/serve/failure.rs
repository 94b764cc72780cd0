//! What becomes of a failure.

use switchboard::event_loop::Failure;

use crate::error::plain;

/// What becomes of a failure: a line in the log. A client that breaks its connection is the world's doing; a panic is a
/// bug of ours.
pub(crate) fn tell_of(failure: &Failure) {
    match failure.task() {
        Some(client) if !failure.is_panic() => {
            tracing::warn!("{client} failed: {}", plain(failure.message()));
        }
        _ if !failure.is_panic() => tracing::warn!("{failure}"),
        _ => tracing::error!("{failure}"),
    }
}
