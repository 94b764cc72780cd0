//! The group of provided buffers: which of them the kernel fills next.
//!
//! The kernel takes a buffer only when there is something to put into it, so many idle connections
//! share few buffers. Buffers are told to it through a ring of descriptions in memory both see: we write
//! at the tail, it reads at the head. A buffer that is with the kernel has a number and lies in its slot,
//! untouched, until a completion names that number. There are as many numbers as places in the ring, so
//! the tail never catches up with the head.

use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;

use super::failure::failed;
use super::queues::Queues;
use super::refusal;
use crate::error::refused;

pub(super) struct Group {
    descriptions: Mapping,
    /// Where the next description goes, counted on and on.
    tail: u16,
    /// The buffers with the kernel, by number.
    slots: Vec<Option<Vec<u8>>>,
    /// The numbers no buffer has.
    free: Vec<u16>,
    /// Buffers for which there is no number free.
    surplus: Vec<Vec<u8>>,
    /// Whether the kernel may be told about buffers.
    attached: bool,
}

impl Group {
    /// The number of the only group.
    pub(super) const NUMBER: u16 = 0;

    /// An empty group of `capacity` places, registered with the ring.
    pub(super) fn register(queues: &Queues, capacity: u16) -> io::Result<Self> {
        if !capacity.is_power_of_two() {
            let text = format_args!(
                "cannot make a group of {capacity} buffers: it must be a power of two, at most 32768"
            );
            return Err(refused(io::ErrorKind::InvalidInput, text));
        }
        let descriptions = Mapping::new(usize::from(capacity) * size_of::<BufRingEntry>())
            .map_err(|error| failed("cannot map the group of buffers for io_uring", error))?;
        let address = descriptions.start.as_ptr() as u64;
        let submitter = queues.submitter();
        // SAFETY: the mapping is page-aligned, holds `capacity` descriptions, and is unmapped only when
        // the group is: the ring drops it after having unregistered it, or never.
        unsafe { submitter.register_buf_ring_with_flags(address, capacity, Self::NUMBER, 0) }
            .map_err(|error| refusal::explain("cannot register a group of buffers with io_uring", error))?;
        Ok(Self {
            descriptions,
            tail: 0,
            slots: vec![None; usize::from(capacity)],
            free: (0..capacity).rev().collect(),
            surplus: Vec::new(),
            attached: true,
        })
    }

    /// Takes the group away from the kernel. Whether it let it go.
    pub(super) fn unregister(&mut self, queues: &Queues) -> bool {
        self.attached = false;
        queues.submitter().unregister_buf_ring(Self::NUMBER).is_ok()
    }

    /// From now on nothing is written that the kernel sees: the group is another process's.
    pub(super) fn detach(&mut self) {
        self.attached = false;
    }

    /// How many buffers are with the kernel.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// How many descriptions were ever written.
    #[cfg(test)]
    pub(super) fn described(&self) -> u16 {
        self.tail
    }

    /// Hands a buffer to the kernel, or puts it aside until there is room. An empty one is of no use.
    #[inline]
    pub(super) fn provide(&mut self, mut buffer: Vec<u8>) {
        if buffer.is_empty() {
            return;
        }
        if !self.attached {
            self.surplus.push(buffer);
        } else if let Some(number) = self.free.pop() {
            let address = buffer.as_mut_ptr();
            let length = buffer.len();
            self.slots[usize::from(number)] = Some(buffer);
            self.describe(number, address, length);
        } else {
            self.surplus.push(buffer);
        }
    }

    /// The buffer a completion names: it is ours again.
    #[inline]
    pub(super) fn take(&mut self, number: u16) -> Vec<u8> {
        let slot = self.slots.get_mut(usize::from(number)).and_then(Option::take);
        let buffer = slot.expect("the kernel names buffers it was given, each once");
        self.free.push(number);
        if let Some(next) = self.surplus.pop() {
            self.provide(next);
        }
        buffer
    }

    /// Hands the buffer a completion names back to the kernel.
    #[cold]
    pub(super) fn restore(&mut self, number: u16) {
        let buffer = self.take(number);
        self.provide(buffer);
    }

    fn describe(&mut self, number: u16, address: *mut u8, length: usize) {
        let place = usize::from(self.tail) & (self.slots.len() - 1);
        // SAFETY: the place is masked to be among the `slots.len()` descriptions of the mapping.
        let entry = unsafe { self.descriptions.start.add(place) };
        // SAFETY: it is mapped and aligned; the kernel reads up to the tail only, which is not there yet.
        let description = unsafe { &mut *entry.as_ptr() };
        // The last field of the first description is the tail; these three leave it alone.
        description.set_addr(address as u64);
        description.set_len(u32::try_from(length).unwrap_or(u32::MAX));
        description.set_bid(number);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the start of the mapping is the first description.
        let tail = unsafe { BufRingEntry::tail(self.descriptions.start.as_ptr()) };
        // SAFETY: the tail lies in the mapping, is aligned, and is only ever accessed atomically.
        let tail = unsafe { AtomicU16::from_ptr(tail.cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }
}

/// Pages of their own, shared with forked children rather than copied, so that the kernel and we go on
/// looking at the same ones.
struct Mapping {
    start: NonNull<BufRingEntry>,
    bytes: usize,
}

impl Mapping {
    fn new(bytes: usize) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_POPULATE;
        // SAFETY: a fresh mapping, wherever the system likes.
        let start = unsafe { libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0) };
        match NonNull::new(start) {
            Some(mapped) if start != libc::MAP_FAILED => Ok(Self { start: mapped.cast(), bytes }),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, of this size, and used by nobody any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}
