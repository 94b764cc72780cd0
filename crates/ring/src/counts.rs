//! What a ring has done so far, for those who watch it.

/// How often things happened since the ring was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// System calls of `enter`, and of `reply` when it flushed an overflow.
    pub enters: u64,
    /// Requests and cancellations that went into the submission queue.
    pub submitted: u64,
    /// Completions that came out of the completion queue, also those that are no reply.
    pub completed: u64,
    /// Times the completion queue was found too small, and was flushed. Nothing is lost by it, but
    /// multishot requests end early.
    pub overflows: u64,
    /// Times the kernel would not take requests (EAGAIN, EBUSY) and was asked again.
    pub refusals: u64,
}
