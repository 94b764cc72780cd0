//! kqueue(2): the BSDs and Apple's systems.
//!
//! Reading and writing are two filters here, each with a registration and events of its own; so the
//! two events of one descriptor are merged, and an Oneshot that fired in one direction is taken out
//! of the other. Filters are changed with EV_RECEIPT, which answers for each change: if the second
//! fails, the first is undone. EV_EOF is an end, not an error: the error is in `fflags`. Whatever
//! is closed leaves the kqueue by itself, so ENOENT on the way out is no error. Only on 64-bit
//! systems: the token travels in a pointer.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::event::kqueue::{self, EventFilter, EventFlags};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;

use crate::backend::{Added, Backend};
use crate::deadline::timespec;
use crate::error::{failed, refused};
use crate::event::{Event, Lamps};
use crate::interest::{Interest, Mode};

const _: () = assert!(size_of::<usize>() == size_of::<u64>(), "kqueue is supported on 64-bit systems only");

struct Kqueue {
    kqueue: OwnedFd,
    ready: Vec<MaybeUninit<kqueue::Event>>,
    /// What is watched, by descriptor.
    rows: Vec<Row>,
    /// Counts the waits, so that a row knows whether its event is of this one.
    batch: u64,
}

#[derive(Clone, Copy, Default)]
struct Row {
    token: u64,
    interest: Interest,
    mode: Mode,
    batch: u64,
    /// Where in the events of `batch` the descriptor's is.
    place: usize,
}

// SAFETY: kevents are not Send because their data may be a pointer; ours are integers only.
unsafe impl Send for Kqueue {}

pub(crate) fn open() -> io::Result<Box<dyn Backend>> {
    let kqueue = kqueue::kqueue().and_then(|kqueue| {
        rustix::io::fcntl_setfd(&kqueue, rustix::io::FdFlags::CLOEXEC)?;
        Ok(kqueue)
    });
    let kqueue = kqueue.map_err(|errno| failed("cannot open kqueue", errno))?;
    Ok(Box::new(Kqueue { kqueue, ready: Vec::new(), rows: Vec::new(), batch: 0 }))
}

impl Backend for Kqueue {
    fn edges(&self) -> bool {
        true
    }

    fn add(&mut self, fd: BorrowedFd<'_>, token: u64, interest: Interest, mode: Mode) -> io::Result<Added> {
        refuse_priority(interest)?;
        let stat = fstat(fd).map_err(|errno| explain(fd, errno))?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        // kqueue has a meaning of its own for files: readable while not at the end.
        if matches!(kind, FileType::RegularFile | FileType::Directory) {
            return Ok(Added::AlwaysReady);
        }
        match self.put(fd, Row { token, interest, mode, ..Row::default() }) {
            Ok(()) => Ok(Added::Watched),
            // Some devices, /dev/null on some systems among them, have no filters.
            Err(_) if kind == FileType::CharacterDevice => Ok(Added::AlwaysReady),
            Err(errno) => Err(explain(fd, errno)),
        }
    }

    fn modify(&mut self, fd: BorrowedFd<'_>, token: u64, interest: Interest, mode: Mode) -> io::Result<()> {
        refuse_priority(interest)?;
        let before = self.rows[fd.as_raw_fd() as usize];
        // A filter that is there keeps its EV_CLEAR or EV_ONESHOT, so both go before they come again.
        self.take(fd.as_raw_fd());
        self.put(fd, Row { token, interest, mode, ..Row::default() }).map_err(|errno| {
            let _ = self.put(fd, before);
            explain(fd, errno)
        })
    }

    fn remove(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.take(fd.as_raw_fd());
        Ok(())
    }

    fn wait(&mut self, events: &mut Vec<Event>, room: usize, timeout: Option<Duration>) -> io::Result<()> {
        if self.ready.len() < room {
            self.ready.resize_with(room, MaybeUninit::uninit);
        }
        let (ready, timeout) = (&mut self.ready[..room], timespec(timeout));
        // SAFETY: the descriptors watched belong to registered sources; one closed early leaves the
        // kqueue.
        let (ready, _) = unsafe { kqueue::kevent_timespec(&self.kqueue, &[], ready, timeout.as_ref()) }?;
        self.batch += 1;
        let mut halves = Vec::new();
        for kevent in ready {
            let (EventFilter::Read(fd) | EventFilter::Write(fd)) = kevent.filter() else { continue };
            let row = &mut self.rows[fd as usize];
            if row.batch != self.batch {
                (row.batch, row.place) = (self.batch, events.len());
                events.push(Event { token: kevent.udata() as u64, lamps: Lamps::OFF });
                if row.mode == Mode::Oneshot && row.interest == Interest::READ | Interest::WRITE {
                    halves.push(fd);
                }
            }
            light(&mut events[row.place].lamps, kevent);
        }
        halves.into_iter().for_each(|fd| self.take(fd));
        Ok(())
    }
}

impl Kqueue {
    /// Adds the filters of a row, all or none.
    fn put(&mut self, fd: BorrowedFd<'_>, row: Row) -> Result<(), Errno> {
        let number = fd.as_raw_fd();
        let flags = EventFlags::ADD
            | match row.mode {
                Mode::Level => EventFlags::empty(),
                Mode::Edge => EventFlags::CLEAR,
                Mode::Oneshot => EventFlags::ONESHOT,
            };
        if self.rows.len() <= number as usize {
            self.rows.resize(number as usize + 1, Row::default());
        }
        for (direction, filter) in directions(number) {
            if row.interest.contains(direction)
                && let Err(errno) = self.change(filter, flags, row.token)
            {
                self.take(number);
                return Err(errno);
            }
        }
        self.rows[number as usize] = row;
        Ok(())
    }

    /// Takes both filters out, as far as they are there.
    fn take(&mut self, fd: RawFd) {
        for (_, filter) in directions(fd) {
            let _ = self.change(filter, EventFlags::DELETE, 0);
        }
    }

    /// One change, answered at once.
    fn change(&mut self, filter: EventFilter, flags: EventFlags, token: u64) -> Result<(), Errno> {
        let token = std::ptr::without_provenance_mut(token as usize);
        let change = [kqueue::Event::new(filter, flags | EventFlags::RECEIPT, token)];
        let mut answer = [MaybeUninit::uninit()];
        // SAFETY: as in `wait`.
        let (answer, _) = unsafe { kqueue::kevent_timespec(&self.kqueue, &change, &mut answer[..], None) }?;
        match answer.first() {
            Some(receipt) if receipt.flags().contains(EventFlags::ERROR) && receipt.data() != 0 => {
                Err(Errno::from_raw_os_error(receipt.data() as i32))
            }
            _ => Ok(()),
        }
    }
}

fn directions(fd: RawFd) -> [(Interest, EventFilter); 2] {
    [(Interest::READ, EventFilter::Read(fd)), (Interest::WRITE, EventFilter::Write(fd))]
}

fn light(lamps: &mut Lamps, kevent: &kqueue::Event) {
    // SAFETY: rustix's Event is a transparent wrapper of libc's kevent, whose `fflags` it does not
    // offer.
    let raw = unsafe { &*std::ptr::from_ref(kevent).cast::<libc::kevent>() };
    let end = kevent.flags().contains(EventFlags::EOF);
    let reading = matches!(kevent.filter(), EventFilter::Read(_));
    lamps.light(Lamps::READ, reading);
    lamps.light(Lamps::WRITE, !reading);
    lamps.light(Lamps::READ_CLOSED, reading && end);
    lamps.light(Lamps::WRITE_CLOSED, !reading && end);
    lamps.light(Lamps::FAILED, end && raw.fflags != 0);
}

fn refuse_priority(interest: Interest) -> io::Result<()> {
    if interest.contains(Interest::PRIORITY) {
        let text = "kqueue does not tell of urgent data (Interest::PRIORITY); use poll or select";
        return Err(refused(io::ErrorKind::Unsupported, text));
    }
    Ok(())
}

#[cold]
fn explain(fd: BorrowedFd<'_>, errno: Errno) -> io::Error {
    failed(format_args!("cannot watch descriptor {} with kqueue", fd.as_raw_fd()), errno)
}
