//! select(2), the oldest: three sets of bits, asked whole and answered whole.
//!
//! A set ends at descriptor 1023, and FD_SET beyond it is a write outside an array in C; here such
//! descriptors are refused. select tells readable, writable and exceptional, and nothing of
//! hang-ups and errors by themselves, so the hints of an event stay dark. A closed descriptor among
//! the watched spoils the whole call (EBADF): then each is asked whether it is open, and those that
//! are not are reported beside what is ready. Each scan starts after the last descriptor reported,
//! so a small `room` starves nobody.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use rustix::event::{FdSetElement, FdSetIter, fd_set_insert, fd_set_num_elements, fd_set_remove};
use rustix::io::Errno;

use crate::backend::{Added, Backend};
use crate::deadline::timespec;
use crate::error::refused;
use crate::event::{Event, Lamps};
use crate::interest::{Interest, Mode};

/// The first descriptor that does not fit: FD_SETSIZE of select(2).
const LIMIT: usize = 1024;
const DIRECTIONS: [(Interest, Lamps); 3] =
    [(Interest::READ, Lamps::READ), (Interest::WRITE, Lamps::WRITE), (Interest::PRIORITY, Lamps::PRIORITY)];

type Set = Vec<FdSetElement>;

struct Select {
    /// What is watched for reading, writing and urgent data, and room for the answer.
    asked: [Set; 3],
    answer: [Set; 3],
    /// By descriptor.
    names: Vec<(u64, Mode)>,
    lamps: Vec<Lamps>,
    /// One above the highest descriptor ever watched.
    bound: usize,
    /// Where the next scan starts.
    next: usize,
}

pub(crate) fn open() -> io::Result<Box<dyn Backend>> {
    let empty = || vec![FdSetElement::default(); fd_set_num_elements(LIMIT, LIMIT as RawFd)];
    Ok(Box::new(Select {
        asked: std::array::from_fn(|_| empty()),
        answer: std::array::from_fn(|_| empty()),
        names: vec![(0, Mode::Level); LIMIT],
        lamps: vec![Lamps::OFF; LIMIT],
        bound: 0,
        next: 0,
    }))
}

impl Backend for Select {
    fn edges(&self) -> bool {
        false
    }

    fn add(&mut self, fd: BorrowedFd<'_>, token: u64, interest: Interest, mode: Mode) -> io::Result<Added> {
        let number = fd.as_raw_fd() as usize;
        if number >= LIMIT {
            return Err(refused(
                io::ErrorKind::InvalidInput,
                format_args!(
                    "cannot watch descriptor {number} with select: it takes only those below {LIMIT}; use poll \
                     or epoll"
                ),
            ));
        }
        self.forget(fd.as_raw_fd());
        self.names[number] = (token, mode);
        self.bound = self.bound.max(number + 1);
        for (set, (direction, _)) in self.asked.iter_mut().zip(DIRECTIONS) {
            if interest.contains(direction) {
                fd_set_insert(set, fd.as_raw_fd());
            }
        }
        Ok(Added::Watched)
    }

    fn modify(&mut self, fd: BorrowedFd<'_>, token: u64, interest: Interest, mode: Mode) -> io::Result<()> {
        self.add(fd, token, interest, mode).map(|_| ())
    }

    fn remove(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.forget(fd.as_raw_fd());
        Ok(())
    }

    fn wait(&mut self, events: &mut Vec<Event>, room: usize, timeout: Option<Duration>) -> io::Result<()> {
        let found = match self.ask(&[], timeout) {
            Err(Errno::BADF) => self.ask_without_closed()?,
            result => result?,
        };
        let mut left = found.min(room);
        let mut fd = self.next;
        while left > 0 {
            fd = if fd + 1 < self.bound { fd + 1 } else { 0 };
            let lamps = std::mem::replace(&mut self.lamps[fd], Lamps::OFF);
            if lamps == Lamps::OFF {
                continue;
            }
            left -= 1;
            let (token, mode) = self.names[fd];
            events.push(Event { token, lamps });
            if mode == Mode::Oneshot {
                self.forget(fd as RawFd);
            }
        }
        self.next = fd;
        Ok(())
    }
}

impl Select {
    /// One select(2) of all but those known to be `closed`. Lights the lamps and says for how many
    /// descriptors.
    fn ask(&mut self, closed: &[RawFd], timeout: Option<Duration>) -> Result<usize, Errno> {
        self.lamps[..self.bound].fill(Lamps::OFF);
        for (answer, asked) in self.answer.iter_mut().zip(&self.asked) {
            answer.copy_from_slice(asked);
            closed.iter().for_each(|fd| fd_set_remove(answer, *fd));
        }
        let [read, write, except] = &mut self.answer;
        let (bound, timeout) = (self.bound as i32, timespec(timeout));
        // SAFETY: the descriptors in the sets belong to registered sources, which the selector
        // owns; should one be closed all the same, the kernel answers EBADF.
        unsafe { rustix::event::select(bound, Some(read), Some(write), Some(except), timeout.as_ref()) }?;
        let mut found = closed.len();
        closed.iter().for_each(|fd| self.lamps[*fd as usize] = Lamps::FAILED);
        for (answer, (_, lamp)) in self.answer.iter().zip(DIRECTIONS) {
            for fd in FdSetIter::new(answer) {
                found += usize::from(self.lamps[fd as usize] == Lamps::OFF);
                self.lamps[fd as usize].light(lamp, true);
            }
        }
        Ok(found)
    }

    /// The same without waiting, when some are closed. Asks again should more be closed meanwhile.
    #[cold]
    fn ask_without_closed(&mut self) -> Result<usize, Errno> {
        let mut known = 0;
        loop {
            let closed = self.closed();
            match self.ask(&closed, Some(Duration::ZERO)) {
                Err(Errno::BADF) if closed.len() > known => known = closed.len(),
                result => return result,
            }
        }
    }

    /// The watched descriptors that are not open.
    fn closed(&self) -> Vec<RawFd> {
        let watched: BTreeSet<RawFd> = self.asked.iter().flat_map(|set| FdSetIter::new(set)).collect();
        // SAFETY: only asked whether it is open.
        let is_closed = |fd: &RawFd| rustix::io::fcntl_getfd(unsafe { BorrowedFd::borrow_raw(*fd) }).is_err();
        watched.into_iter().filter(is_closed).collect()
    }

    fn forget(&mut self, fd: RawFd) {
        if (fd as usize) < LIMIT {
            self.asked.iter_mut().for_each(|set| fd_set_remove(set, fd));
        }
    }
}
