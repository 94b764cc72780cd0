//! How large a ring is to be.

/// The sizes of a ring. Not limits on what may be in flight: see the fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Setup {
    /// How many requests go to the kernel in one system call; more go in several. The completion queue
    /// holds four times as many. The kernel rounds up to a power of two, and clamps to 1..=32768.
    pub entries: u32,
    /// How many buffers the kernel can hold in the group: a power of two, at most 32768.
    pub buffers: u16,
}

impl Default for Setup {
    /// 256 entries, 256 buffers.
    fn default() -> Self {
        Self { entries: 256, buffers: 256 }
    }
}
