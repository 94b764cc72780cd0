//! The kernel's side: the two queues, and the one system call that moves them.
//!
//! How many requests were taken is always read from the head of the submission queue, which the kernel
//! moves, and never from what io_uring_enter(2) returned: after an error some may have been taken.
//! The call itself is made here and not by the io-uring crate, whose handle cannot keep the number of a
//! registered ring beside the queues it borrows.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;
use std::{io, ptr};

use io_uring::cqueue::CompletionQueue;
use io_uring::squeue::Entry;
use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{Builder, EnterFlags, IoUring, Submitter};

use super::deadline::Deadline;
use super::refusal;

pub(super) struct Queues {
    ring: IoUring,
    /// The ring's descriptor, or its number among this thread's registered rings.
    number: RawFd,
    /// What every entering says.
    flags: EnterFlags,
    deferred: bool,
}

impl Queues {
    /// Both queues, with all the comforts this kernel grants.
    pub(super) fn open(entries: u32) -> io::Result<Self> {
        let (ring, deferred) = build(entries)?;
        let parameters = ring.params();
        if !parameters.is_feature_ext_arg() || !parameters.is_feature_nodrop() {
            return Err(refusal::old("cannot set up io_uring"));
        }
        let mut flags = EnterFlags::GETEVENTS | EnterFlags::EXT_ARG;
        flags.set(EnterFlags::NO_IOWAIT, parameters.is_feature_no_iowait());
        let mut queues = Self { number: ring.as_raw_fd(), ring, flags, deferred };
        queues.register_itself();
        // What is woken in vain too often goes on in a thread of the kernel's, where it blocks: one is enough. It can only fail
        // where there are no such threads.
        let _ = queues.ring.submitter().register_iowq_max_workers(&mut [1, 1]);
        Ok(queues)
    }

    /// Whether completions are posted inside our own enterings only.
    pub(super) fn is_deferred(&self) -> bool {
        self.deferred
    }

    /// Whether the kernel is spared looking up the ring's descriptor.
    pub(super) fn is_registered(&self) -> bool {
        self.flags.contains(EnterFlags::REGISTERED_RING)
    }

    /// Whether accept(2) may be told to wait first: Linux 6.10, which brought bundles, too.
    pub(super) fn accept_waits_first(&self) -> bool {
        self.ring.params().is_feature_recvsend_bundle()
    }

    pub(super) fn submitter(&self) -> Submitter<'_> {
        self.ring.submitter()
    }

    /// Moves what fits from `backlog` into the submission queue. Returns how many are there that the
    /// kernel has not taken.
    ///
    /// # Safety
    ///
    /// All that the entries point to must stay as it is until their final completions are read.
    #[inline]
    pub(super) unsafe fn publish(&mut self, backlog: &mut VecDeque<Entry>) -> u32 {
        let mut queue = self.ring.submission();
        while let Some(entry) = backlog.front() {
            // SAFETY: what the entry points to stays, as our caller promises.
            if unsafe { queue.push(entry) }.is_err() {
                break;
            }
            backlog.pop_front();
        }
        queue.len() as u32
    }

    /// How many published requests the kernel has not taken.
    #[inline]
    pub(super) fn untaken(&mut self) -> u32 {
        self.ring.submission().len() as u32
    }

    /// Whether completions wait outside the completion queue, for which there was no room.
    #[inline]
    pub(super) fn overflowed(&mut self) -> bool {
        self.ring.submission().cq_overflow()
    }

    /// The completions that are there. Those taken out make room.
    #[inline]
    pub(super) fn completions(&mut self) -> CompletionQueue<'_> {
        self.ring.completion()
    }

    /// Gives the kernel up to `submit` requests, lets it post what is due, and sleeps until there is a
    /// completion or `timeout` is over: never when that is zero, for ever when there is none.
    #[inline]
    pub(super) fn enter(&mut self, submit: u32, timeout: Option<Duration>) -> io::Result<()> {
        let at_least = u32::from(timeout != Some(Duration::ZERO));
        let timespec = timeout.map(|timeout| Timespec::from(timeout.min(Deadline::SLICE)));
        let arguments = match &timespec {
            Some(timespec) if at_least > 0 => SubmitArgs::new().timespec(timespec),
            _ => SubmitArgs::new(),
        };
        // SAFETY: the ring is open (or registered) as long as `self` is, the flags say that the argument
        // is such a structure, and it and the time it points to outlive the call. What published
        // requests point to stays, as `publish` was promised.
        let taken = unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                self.number,
                submit,
                at_least,
                self.flags.bits(),
                ptr::from_ref(&arguments),
                size_of_val(&arguments),
            )
        };
        if taken < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Spares the kernel looking up the descriptor at each entering. A thread has only a few such
    /// places; without one the descriptor does.
    fn register_itself(&mut self) {
        let mut update = RingUpdate { offset: u32::MAX, reserved: 0, data: self.number as u64 };
        if self.register(REGISTER_RING_FDS, &mut update) == 1 {
            self.number = update.offset.cast_signed();
            self.flags |= EnterFlags::REGISTERED_RING;
        }
    }

    fn register(&self, what: u32, update: &mut RingUpdate) -> libc::c_long {
        // SAFETY: both calls this is for take one such structure, and write into it at most.
        unsafe {
            libc::syscall(
                libc::SYS_io_uring_register,
                self.ring.as_raw_fd(),
                what,
                ptr::from_mut(update),
                1_u32,
            )
        }
    }
}

impl Drop for Queues {
    /// A registered ring would outlive its descriptor.
    fn drop(&mut self) {
        if self.is_registered() {
            let mut update = RingUpdate { offset: self.number.cast_unsigned(), reserved: 0, data: 0 };
            self.register(UNREGISTER_RING_FDS, &mut update);
        }
    }
}

/// struct io_uring_rsrc_update.
#[repr(C)]
struct RingUpdate {
    offset: u32,
    reserved: u32,
    data: u64,
}

const REGISTER_RING_FDS: u32 = 20;
const UNREGISTER_RING_FDS: u32 = 21;

/// The fewest entries worth having.
const FEWEST: u32 = 8;

/// A ring, and whether its work is deferred to our own enterings. Comforts that the kernel does not
/// know are left out one by one, and when memory is short it gets smaller.
fn build(entries: u32) -> io::Result<(IoUring, bool)> {
    let mut entries = entries.max(1);
    let mut comforts = COMFORTS.as_slice();
    loop {
        let mut builder = IoUring::builder();
        builder.setup_clamp().setup_cqsize(entries.saturating_mul(4));
        if let Some(add) = comforts.first() {
            add(&mut builder);
        }
        match builder.build(entries) {
            Ok(ring) => return Ok((ring, comforts.len() == COMFORTS.len())),
            Err(error) => match error.raw_os_error() {
                Some(libc::EINVAL) if !comforts.is_empty() => comforts = &comforts[1..],
                Some(libc::ENOMEM) if entries > FEWEST => entries /= 2,
                _ => return Err(refusal::explain("cannot set up io_uring", error)),
            },
        }
    }
}

/// The best first. None of them has a thread of the kernel's look after the queue: such a ring would go
/// on with the rights it was made with.
const COMFORTS: [fn(&mut Builder); 4] = [
    |builder| {
        builder.setup_submit_all().setup_single_issuer().setup_defer_taskrun();
    },
    |builder| {
        builder.setup_submit_all().setup_single_issuer().setup_coop_taskrun();
    },
    |builder| {
        builder.setup_submit_all().setup_coop_taskrun();
    },
    |builder| {
        builder.setup_submit_all();
    },
];
