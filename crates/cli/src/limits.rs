//! What the system lets one process have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit on descriptors to the hard one, as far as that works.
///
/// The soft limit is low by default for the sake of programs that use select(2) without looking; ours looks.
pub(crate) fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        Ok(()) => tracing::debug!("descriptors: {:?} raised to {:?}", limit.current, limit.maximum),
        // Fewer clients fit, which is told when it comes to that.
        Err(error) => tracing::debug!("descriptors: {:?} could not be raised: {error}", limit.current),
    }
}
