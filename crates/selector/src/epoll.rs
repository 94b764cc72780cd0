//! epoll(7), Linux.
//!
//! The one table in the kernel is keyed by the open file *and* the number, and survives a close(2) as
//! long as a duplicate is open somewhere; what follows from that is handled in `selector.rs` (owning,
//! generations, rebuilding) and told in `docs/kernel-notes.md`. Here: one system call per method.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;

use crate::backend::{Added, Backend};
use crate::deadline::timespec;
use crate::error::failed;
use crate::event::{Event, Lamps};
use crate::interest::{Interest, Mode};

struct Epoll {
    epoll: OwnedFd,
    ready: Vec<epoll::Event>,
    /// Whether epoll_pwait2(2) is there (Linux 5.11); until it says no.
    precise: bool,
}

// SAFETY: rustix's events are not Send because their data may be a pointer; ours are integers only.
unsafe impl Send for Epoll {}

pub(crate) fn open() -> io::Result<Box<dyn Backend>> {
    let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(|errno| failed("cannot open epoll", errno))?;
    Ok(Box::new(Epoll { epoll, ready: Vec::new(), precise: true }))
}

impl Backend for Epoll {
    fn edges(&self) -> bool {
        true
    }

    fn add(&mut self, fd: BorrowedFd<'_>, token: u64, interest: Interest, mode: Mode) -> io::Result<Added> {
        match epoll::add(&self.epoll, fd, EventData::new_u64(token), flags(interest, mode)) {
            Ok(()) => Ok(Added::Watched),
            Err(Errno::PERM) => Ok(Added::AlwaysReady),
            Err(errno) => Err(explain(fd, errno)),
        }
    }

    fn modify(&mut self, fd: BorrowedFd<'_>, token: u64, interest: Interest, mode: Mode) -> io::Result<()> {
        match epoll::modify(&self.epoll, fd, EventData::new_u64(token), flags(interest, mode)) {
            // The number means another file now; the kernel has never seen that one.
            Err(Errno::NOENT) => self.add(fd, token, interest, mode).map(|_| ()),
            result => result.map_err(|errno| explain(fd, errno)),
        }
    }

    fn remove(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        match epoll::delete(&self.epoll, fd) {
            Ok(()) | Err(Errno::NOENT | Errno::BADF | Errno::PERM) => Ok(()),
            Err(errno) => Err(explain(fd, errno)),
        }
    }

    fn wait(&mut self, events: &mut Vec<Event>, room: usize, timeout: Option<Duration>) -> io::Result<()> {
        if self.ready.len() < room {
            self.ready.resize(room, epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) });
        }
        let count = self.wait_for_count(room, timeout)?;
        events.extend(
            self.ready[..count]
                .iter()
                .map(|event| Event { token: event.data.u64(), lamps: lamps(event.flags) }),
        );
        Ok(())
    }
}

impl Epoll {
    /// Fills the front of `ready`. epoll_wait(2) counts in milliseconds, so a timeout with a
    /// fraction takes epoll_pwait2(2), or is rounded up where that is missing.
    #[inline]
    fn wait_for_count(&mut self, room: usize, timeout: Option<Duration>) -> io::Result<usize> {
        let timeout = timespec(timeout);
        if let Some(timeout) = &timeout
            && timeout.tv_nsec % 1_000_000 != 0
            && self.precise
        {
            match self.pwait2(room, timeout) {
                Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOSYS | Errno::PERM)) => {
                    self.precise = false;
                }
                result => return result,
            }
        }
        Ok(epoll::wait(&self.epoll, &mut self.ready[..room], timeout.as_ref())?)
    }

    fn pwait2(&mut self, room: usize, timeout: &Timespec) -> io::Result<usize> {
        let ready = &mut self.ready[..room];
        // SAFETY: rustix's Event and Timespec have the kernel's own layout; the kernel writes at most
        // `ready.len()` events there, reads one timespec, and a null signal mask is allowed.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.epoll.as_raw_fd(),
                ready.as_mut_ptr(),
                ready.len() as libc::c_int,
                std::ptr::from_ref(timeout),
                std::ptr::null::<libc::sigset_t>(),
                0_usize,
            )
        };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }
}

fn flags(interest: Interest, mode: Mode) -> EventFlags {
    let mut flags = match mode {
        Mode::Level => EventFlags::empty(),
        Mode::Edge => EventFlags::ET,
        Mode::Oneshot => EventFlags::ONESHOT,
    };
    flags.set(EventFlags::IN | EventFlags::RDHUP, interest.contains(Interest::READ));
    flags.set(EventFlags::OUT, interest.contains(Interest::WRITE));
    flags.set(EventFlags::PRI, interest.contains(Interest::PRIORITY));
    flags
}

#[inline]
fn lamps(flags: EventFlags) -> Lamps {
    let mut lamps = Lamps::OFF;
    lamps.light(Lamps::READ, flags.contains(EventFlags::IN));
    lamps.light(Lamps::WRITE, flags.contains(EventFlags::OUT));
    lamps.light(Lamps::PRIORITY, flags.contains(EventFlags::PRI));
    lamps.light(Lamps::PEER_CLOSED, flags.contains(EventFlags::RDHUP));
    lamps.light(Lamps::HANG_UP, flags.contains(EventFlags::HUP));
    lamps.light(Lamps::FAILED, flags.contains(EventFlags::ERR));
    lamps
}

#[cold]
fn explain(fd: BorrowedFd<'_>, errno: Errno) -> io::Error {
    let fd = fd.as_raw_fd();
    let hint = match errno {
        Errno::BADF => " (it was closed; the source must keep its descriptor open)",
        Errno::NOSPC => " (raise /proc/sys/fs/epoll/max_user_watches)",
        Errno::EXIST => " (another descriptor of the same number was closed while a duplicate is open)",
        _ => "",
    };
    failed(format_args!("cannot watch descriptor {fd} with epoll{hint}"), errno)
}
