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

/// Lets the process have no descriptor of this number or a higher one, for a mechanism that could not watch it: so there
/// is none too many to be accepted and then left unwatched.
pub(crate) fn cap_descriptors(first_too_high: u64) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current <= first_too_high) {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(first_too_high), ..limit }) {
        tracing::debug!("descriptors: {:?} could not be lowered: {error}", limit.current);
    }
}
