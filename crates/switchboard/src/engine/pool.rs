//! Buffers that are lent: what is received lies in a [`Lease`], and dropping it gives the buffer back.
//!
//! The last buffer given back is the first to be lent again, while it is warm in the cache. A pool never
//! runs out: past what it keeps, buffers come from the allocator and go back to it, so that a socket that
//! holds no lease can always get one and no two of them can block each other.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, mem};

/// Lends buffers of one size.
pub struct Pool {
    home: Arc<Home>,
}

/// A buffer somebody holds, and the part of it that is filled. Dereferences to the filled bytes.
///
/// `Vec<u8>` and `&[u8]` convert into leases that belong to no pool.
pub struct Lease {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    home: Option<Arc<Home>>,
}

struct Home {
    size: usize,
    keep: usize,
    free: Mutex<Vec<Vec<u8>>>,
}

impl Pool {
    /// A pool that lends buffers of `size` bytes and keeps at most `keep` of them when nobody holds them.
    #[must_use]
    pub fn new(size: usize, keep: usize) -> Self {
        assert!(size > 0, "a pool of empty buffers lends nothing");
        Self { home: Arc::new(Home { size, keep, free: Mutex::new(Vec::new()) }) }
    }

    /// The size of a buffer, bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.home.size
    }

    /// How many buffers are lent.
    #[must_use]
    pub fn lent(&self) -> usize {
        Arc::strong_count(&self.home) - 1
    }

    /// Lends a buffer, empty; [`Lease::fill`] fills it.
    #[must_use]
    pub fn lend(&self) -> Lease {
        let warm = self.home.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let buffer = warm.unwrap_or_else(|| vec![0; self.home.size]);
        Lease { buffer, start: 0, end: 0, home: Some(Arc::clone(&self.home)) }
    }

    /// A buffer that came back from where [`into_buffer`](Lease::into_buffer) put it, with so many bytes in it: of this
    /// pool again.
    pub(super) fn adopt(&self, buffer: Vec<u8>, count: usize) -> Lease {
        let mut lease = Lease { buffer, start: 0, end: 0, home: Some(Arc::clone(&self.home)) };
        lease.fill(count);
        lease
    }

    /// Lends a buffer of at least `size` bytes, from the allocator if the pool's are smaller.
    #[must_use]
    pub(super) fn lend_at_least(&self, size: usize) -> Lease {
        if size <= self.home.size {
            return self.lend();
        }
        Lease { buffer: vec![0; size], start: 0, end: 0, home: None }
    }

    /// A copy of some bytes, in a buffer of the pool if they fit one.
    #[must_use]
    pub fn copy(&self, bytes: &[u8]) -> Lease {
        let mut lease = self.lend_at_least(bytes.len());
        lease.spare()[..bytes.len()].copy_from_slice(bytes);
        lease.fill(bytes.len());
        lease
    }
}

impl Default for Pool {
    /// Buffers of 16 KiB, at most 64 of them kept.
    fn default() -> Self {
        Self::new(16 << 10, 64)
    }
}

impl Lease {
    /// A lease of nothing, which needs no buffer.
    #[must_use]
    pub fn empty() -> Self {
        Vec::new().into()
    }

    /// The buffer itself, which its pool does not count as lent any more.
    pub(super) fn into_buffer(mut self) -> Vec<u8> {
        self.home = None;
        mem::take(&mut self.buffer)
    }

    /// Whether there is room left in the buffer.
    pub(super) fn is_short(&self) -> bool {
        self.end < self.buffer.len()
    }

    /// The part of the buffer behind the filled one.
    pub fn spare(&mut self) -> &mut [u8] {
        &mut self.buffer[self.end..]
    }

    /// Counts the first `count` bytes of [`spare`](Self::spare) as filled.
    ///
    /// # Panics
    ///
    /// When there are fewer.
    pub fn fill(&mut self, count: usize) {
        assert!(count <= self.buffer.len() - self.end, "more filled than there was room for");
        self.end += count;
    }

    /// Drops bytes at the front.
    ///
    /// # Panics
    ///
    /// When there are fewer.
    pub fn advance(&mut self, count: usize) {
        assert!(count <= self.len(), "more dropped than there was");
        self.start += count;
    }

    /// Keeps the first `length` bytes.
    pub fn truncate(&mut self, length: usize) {
        self.end = self.end.min(self.start + length);
    }

    /// Empties it, so that the whole buffer is spare again.
    pub fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }
}

impl From<Vec<u8>> for Lease {
    fn from(buffer: Vec<u8>) -> Self {
        let end = buffer.len();
        Self { buffer, start: 0, end, home: None }
    }
}

impl From<String> for Lease {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<&str> for Lease {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl From<&[u8]> for Lease {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl<const N: usize> From<&[u8; N]> for Lease {
    fn from(bytes: &[u8; N]) -> Self {
        bytes[..].into()
    }
}

impl Deref for Lease {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..self.end]
    }
}

impl AsRef<[u8]> for Lease {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            let buffer = mem::take(&mut self.buffer);
            if buffer.len() != home.size {
                return;
            }
            let mut free = home.free.lock().unwrap_or_else(PoisonError::into_inner);
            if free.len() < home.keep {
                free.push(buffer);
            }
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({} bytes)", self.len())
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("size", &self.size()).field("lent", &self.lent()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_buffer_back_is_lent_first() {
        let pool = Pool::new(8, 4);
        let (first, second) = (pool.lend(), pool.lend());
        let (at_first, at_second) = (first.buffer.as_ptr(), second.buffer.as_ptr());
        drop(first);
        drop(second);
        assert_eq!(pool.lend().buffer.as_ptr(), at_second);
        let again = pool.lend();
        let other = pool.lend();
        assert_eq!((again.buffer.as_ptr(), other.buffer.as_ptr()), (at_second, at_first));
        assert_eq!(pool.lent(), 2);
    }

    #[test]
    fn a_pool_keeps_no_more_than_it_was_told_and_never_runs_out() {
        let pool = Pool::new(8, 2);
        let leases: Vec<_> = (0..100).map(|_| pool.lend()).collect();
        assert_eq!(pool.lent(), 100);
        drop(leases);
        assert_eq!(pool.home.free.lock().unwrap().len(), 2);
    }

    #[test]
    fn a_lease_outlives_its_pool() {
        let lease = Pool::new(8, 2).copy(b"still");
        assert_eq!(&*lease, b"still");
    }

    #[test]
    fn a_lease_is_filled_at_the_back_and_emptied_at_the_front() {
        let pool = Pool::new(8, 2);
        let mut lease = pool.copy(b"abcdef");
        lease.advance(2);
        assert_eq!(lease.spare().len(), 2);
        lease.truncate(3);
        assert_eq!(&*lease, b"cde");
        lease.clear();
        assert_eq!((lease.len(), lease.spare().len()), (0, 8));
        assert_eq!(pool.copy(&[7; 9]).len(), 9);
    }
}
