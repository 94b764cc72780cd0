//! poll(2), everywhere.
//!
//! The whole list goes to the kernel on each wait, so it costs time in proportion to what is
//! watched. A descriptor is in the list only while something may be reported for it: an Oneshot one
//! leaves it when it was reported, since poll reports hang-ups even for an empty interest. Each
//! scan starts after the last one that was reported, so a small `room` starves nobody.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::backend::{Added, Backend};
use crate::deadline::timespec;
use crate::event::{Event, Lamps};
use crate::interest::{Interest, Mode};
use crate::system::READ_HANG_UP;

#[derive(Default)]
struct Poll {
    list: Vec<PollFd<'static>>,
    /// Token and mode of each in `list`.
    names: Vec<(u64, Mode)>,
    /// Where in `list` a descriptor is, by its number; `ABSENT` if it is not.
    places: Vec<usize>,
    /// Where the next scan starts.
    next: usize,
}

const ABSENT: usize = usize::MAX;

pub(crate) fn open() -> io::Result<Box<dyn Backend>> {
    Ok(Box::new(Poll::default()))
}

impl Backend for Poll {
    fn edges(&self) -> bool {
        false
    }

    fn add(&mut self, fd: BorrowedFd<'_>, token: u64, interest: Interest, mode: Mode) -> io::Result<Added> {
        // SAFETY: only the number is used. The selector owns what it belongs to until `remove`; if that
        // closes it early all the same, poll(2) answers POLLNVAL.
        let fd = unsafe { BorrowedFd::borrow_raw(fd.as_raw_fd()) };
        let number = fd.as_raw_fd() as usize;
        if self.places.len() <= number {
            self.places.resize(number + 1, ABSENT);
        }
        self.places[number] = self.list.len();
        self.list.push(PollFd::from_borrowed_fd(fd, flags(interest)));
        self.names.push((token, mode));
        Ok(Added::Watched)
    }

    fn modify(&mut self, fd: BorrowedFd<'_>, token: u64, interest: Interest, mode: Mode) -> io::Result<()> {
        self.forget(fd.as_raw_fd());
        self.add(fd, token, interest, mode).map(|_| ())
    }

    fn remove(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.forget(fd.as_raw_fd());
        Ok(())
    }

    fn wait(&mut self, events: &mut Vec<Event>, room: usize, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = timespec(timeout);
        let mut left = ask(&mut self.list, timeout.as_ref())?.min(room);
        let mut place = self.next;
        while left > 0 {
            // Round and round: what moved into a place already passed is met in the next round.
            place =
                place.checked_sub(1).filter(|place| *place < self.list.len()).unwrap_or(self.list.len() - 1);
            let revents = self.list[place].revents();
            if revents.is_empty() {
                continue;
            }
            left -= 1;
            self.list[place].clear_revents();
            let (token, mode) = self.names[place];
            events.push(Event { token, lamps: lamps(revents) });
            if mode == Mode::Oneshot {
                self.forget(self.list[place].as_fd().as_raw_fd());
            }
        }
        self.next = place;
        Ok(())
    }
}

impl Poll {
    /// Takes a descriptor off the list; the last one moves into its place.
    fn forget(&mut self, fd: RawFd) {
        let Some(place) = self.places.get_mut(fd as usize) else { return };
        let place = std::mem::replace(place, ABSENT);
        if place == ABSENT {
            return;
        }
        self.list.swap_remove(place);
        self.names.swap_remove(place);
        if let Some(moved) = self.list.get(place) {
            self.places[moved.as_fd().as_raw_fd() as usize] = place;
        }
    }
}

/// Asks about all. poll(2) refuses (EINVAL) to be asked about more descriptors than the process may open, even if
/// they were opened when it was allowed more.
fn ask(list: &mut [PollFd<'_>], timeout: Option<&Timespec>) -> io::Result<usize> {
    match poll(list, timeout) {
        Err(Errno::INVAL) => ask_in_parts(list, timeout),
        answer => Ok(answer?),
    }
}

/// Asks about as many at a time as is allowed. If none is ready it naps on the first part, which has the bell.
#[cold]
fn ask_in_parts(list: &mut [PollFd<'_>], timeout: Option<&Timespec>) -> io::Result<usize> {
    let allowed = getrlimit(Resource::Nofile).current.map_or(usize::MAX, |most| most.max(1) as usize);
    let mut count = 0;
    for part in list.chunks_mut(allowed) {
        count += poll(part, Some(&Timespec::default()))?;
    }
    if count == 0
        && let Some(first) = list.chunks_mut(allowed).next()
    {
        let nap = timeout.map_or(NAP, |timeout| NAP.min(*timeout));
        count = poll(first, Some(&nap))?;
    }
    Ok(count)
}

/// A fiftieth of a second: seldom enough to cost little, often enough to be hardly noticed.
const NAP: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// poll's flags for an interest; READ comes with the peer's end of stream where the system tells it.
pub(crate) fn flags(interest: Interest) -> PollFlags {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN | READ_HANG_UP, interest.contains(Interest::READ));
    flags.set(PollFlags::OUT, interest.contains(Interest::WRITE));
    flags.set(PollFlags::PRI, interest.contains(Interest::PRIORITY));
    flags
}

/// What poll's answer lights.
pub(crate) fn lamps(flags: PollFlags) -> Lamps {
    let mut lamps = Lamps::OFF;
    lamps.light(Lamps::READ, flags.contains(PollFlags::IN));
    lamps.light(Lamps::WRITE, flags.contains(PollFlags::OUT));
    lamps.light(Lamps::PRIORITY, flags.contains(PollFlags::PRI));
    lamps.light(Lamps::PEER_CLOSED, flags.intersects(READ_HANG_UP));
    lamps.light(Lamps::HANG_UP, flags.contains(PollFlags::HUP));
    lamps.light(Lamps::FAILED, flags.intersects(PollFlags::ERR | PollFlags::NVAL));
    lamps
}
