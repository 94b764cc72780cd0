//! The selector: whatever is the same on every mechanism is written here, once.
//!
//! It owns the sources, so a number cannot be closed or used again behind its back by accident;
//! names them with generations, so late events hit nobody; keeps what is watched for nothing out of
//! the kernel; waits in slices until a deadline; and hears the bell.
//! What must stay true: `Place::Kernel` means the mechanism has it (perhaps silent, after Oneshot),
//! any other place means it has not. `by_fd` names exactly the registered descriptors. The hot
//! path, `select` and `settle`, allocates nothing.

use std::ops::{Index, IndexMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;
use std::{fmt, io};

use slotmap::SlotMap;

use crate::always::AlwaysReady;
use crate::backend::{Added, Backend};
use crate::bell::Bell;
use crate::deadline::Deadline;
use crate::error::refused;
use crate::event::Events;
use crate::fork::Home;
use crate::interest::{Interest, Mode};
use crate::key::{BELL, Key};
use crate::mechanism::Mechanism;
use crate::rejected::Rejected;

/// Tells which of its sources may be tried now.
///
/// It owns them: [`register`](Self::register) moves a source in, [`unregister`](Self::unregister)
/// moves it out again, and dropping the selector drops those left. `S` may be a socket, or a struct
/// of yours that has one beside whatever belongs to it; implement [`AsFd`] on it. Each `S` must
/// answer `as_fd` with the same descriptor, and keep it open, from `register` until `unregister`;
/// one that does not gets clear errors.
///
/// A selector belongs to the process that made it: after fork(2), the child gets an error from
/// every call that returns one, and may drop it without harm to the parent. It may move between
/// threads if `S` may.
pub struct Selector<S> {
    mechanism: Mechanism,
    // Above `entries`: dropped before the sources, so that the kernel watches nothing that is gone.
    backend: Box<dyn Backend>,
    entries: SlotMap<Key, Entry<S>>,
    /// The key of each registered descriptor, by its number.
    by_fd: Vec<Option<Key>>,
    always: AlwaysReady,
    bell: Bell,
    home: Home,
}

struct Entry<S> {
    source: S,
    fd: RawFd,
    interest: Interest,
    mode: Mode,
    place: Place,
    /// Oneshot, and reported.
    spent: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Watched for nothing.
    Nowhere,
    Kernel,
    AlwaysReady,
}

impl<S: AsFd> Selector<S> {
    /// A selector on the best mechanism this system has; see [`Mechanism::ALL`].
    ///
    /// # Errors
    /// Out of descriptors or memory.
    pub fn new() -> io::Result<Self> {
        let mut last = None;
        for mechanism in Mechanism::ALL {
            match Self::with(mechanism) {
                Err(error) if is_lacking(&error) => last = Some(error),
                result => return result,
            }
        }
        Err(last.unwrap_or_else(|| refused(io::ErrorKind::Unsupported, "this system has no known mechanism")))
    }

    /// A selector on this mechanism.
    ///
    /// # Errors
    /// `Unsupported` where the system lacks it; out of descriptors or memory.
    pub fn with(mechanism: Mechanism) -> io::Result<Self> {
        let home = Home::here()?;
        let bell = Bell::at(home)?;
        Ok(Self {
            backend: open(mechanism, &bell)?,
            mechanism,
            entries: SlotMap::with_key(),
            by_fd: Vec::new(),
            always: AlwaysReady::default(),
            bell,
            home,
        })
    }

    /// The mechanism in use.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Whether sources can be registered in this mode; only [`Mode::Edge`] is ever missing.
    pub fn supports(&self, mode: Mode) -> bool {
        mode != Mode::Edge || self.backend.edges()
    }

    /// Takes `source` in and watches it for `interest`. With [`Interest::NONE`] it is only kept,
    /// without a system call, until `modify` asks for something.
    ///
    /// # Errors
    /// The source comes back with each: `AlreadyExists` if its descriptor is registered,
    /// `Unsupported` for an edge where there are none, `InvalidInput` for a descriptor ≥ 1024 on
    /// select or one that is obviously not open, and what the system says.
    pub fn register(&mut self, source: S, interest: Interest, mode: Mode) -> Result<Key, Rejected<S>> {
        if let Err(error) = self.home.check().and_then(|()| self.check_mode(mode)) {
            return Err(Rejected { error, source });
        }
        let fd = source.as_fd().as_raw_fd();
        if let Err(error) = self.check_fd(source.as_fd()) {
            return Err(Rejected { error, source });
        }
        let (backend, always) = (&mut *self.backend, &mut self.always);
        let key = self.entries.try_insert_with_key(|key| {
            let entry =
                Entry { source, fd, interest: Interest::NONE, mode, place: Place::Nowhere, spent: false };
            match entry.changed(key, backend, always, interest, mode) {
                Ok(place) => Ok(Entry { interest, place, ..entry }),
                Err(error) => Err(Rejected { error, source: entry.source }),
            }
        })?;
        if self.by_fd.len() <= fd as usize {
            self.by_fd.resize(fd as usize + 1, None);
        }
        self.by_fd[fd as usize] = Some(key);
        Ok(key)
    }

    /// Watches a source for something else from now on. Wakes an Oneshot source up again, and lets
    /// an Edge one be reported again if it is ready.
    ///
    /// # Errors
    /// `NotFound` for an unknown key, `InvalidInput` if the source's descriptor is another one than
    /// at `register` (put it right through [`source_mut`](Self::source_mut) and call again),
    /// `Unsupported` for an edge where there are none, and what the system says. Nothing has
    /// changed then.
    pub fn modify(&mut self, key: Key, interest: Interest, mode: Mode) -> io::Result<()> {
        self.home.check()?;
        self.check_mode(mode)?;
        let entry = self.entries.get_mut(key).ok_or_else(|| unknown(key))?;
        entry.place = entry.changed(key, &mut *self.backend, &mut self.always, interest, mode)?;
        entry.interest = interest;
        entry.mode = mode;
        entry.spent = false;
        Ok(())
    }

    /// Gives a source back, unwatched. Events already fetched keep its key, which names nothing any
    /// more.
    ///
    /// # Errors
    /// `NotFound` for an unknown key, `InvalidInput` if the source's descriptor is another one than
    /// at `register` (put it right through [`source_mut`](Self::source_mut) and call again).
    /// Nothing has changed then.
    pub fn unregister(&mut self, key: Key) -> io::Result<S> {
        self.home.check()?;
        let entry = self.entries.get(key).ok_or_else(|| unknown(key))?;
        entry.changed(key, &mut *self.backend, &mut self.always, Interest::NONE, entry.mode)?;
        let entry = self.entries.remove(key).ok_or_else(|| unknown(key))?;
        self.by_fd[entry.fd as usize] = None;
        Ok(entry.source)
    }

    /// Waits until a source is ready, the bell is rung, or `timeout` is over, and fills `events`.
    ///
    /// `None` waits for ever, zero never sleeps. A timeout is never cut short, however long; it is
    /// rounded up to what the mechanism can (epoll and poll on Linux: nanoseconds). A signal does
    /// not end the wait: its handler rings the bell if it wants to. Returns with no events only
    /// when the time is over or the bell was heard.
    ///
    /// # Errors
    /// Called in a forked child; out of kernel memory. One that passes (no memory for the moment)
    /// does not harm the selector: call again.
    pub fn select(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        self.home.check()?;
        events.clear();
        if !self.always.is_empty() {
            return self.select_beside_always_ready(events);
        }
        let deadline = Deadline::start(timeout);
        let mut left = timeout;
        loop {
            let looked = self.collect(events, left)?;
            if !events.is_empty() || events.rung() {
                return Ok(());
            }
            left = deadline.left();
            // Interrupted as the time ended, it has not looked at all: once more, without sleeping.
            if looked && left.is_some_and(|left| left.is_zero()) {
                return Ok(());
            }
        }
    }

    /// The source of this key, unless it was unregistered.
    pub fn source(&self, key: Key) -> Option<&S> {
        self.entries.get(key).map(|entry| &entry.source)
    }

    /// The source of this key, unless it was unregistered. Its descriptor must stay the same one.
    pub fn source_mut(&mut self, key: Key) -> Option<&mut S> {
        self.entries.get_mut(key).map(|entry| &mut entry.source)
    }

    /// All sources with their keys, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &S)> {
        self.entries.iter().map(|(key, entry)| (key, &entry.source))
    }

    /// The same, to be changed. Their descriptors must stay the same ones.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut S)> {
        self.entries.iter_mut().map(|(key, entry)| (key, &mut entry.source))
    }

    /// How many sources are registered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no source is registered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bell that ends a `select` of this selector; all clones are one bell.
    pub fn bell(&self) -> Bell {
        self.bell.clone()
    }

    fn check_mode(&self, mode: Mode) -> io::Result<()> {
        if self.supports(mode) { Ok(()) } else { Err(no_edges(self.mechanism)) }
    }

    /// Whether a descriptor can be a newcomer's.
    fn check_fd(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let number = fd.as_raw_fd();
        let known = self.by_fd.len();
        let Ok(place) = usize::try_from(number) else { return Err(not_open(number)) };
        if let Some(Some(key)) = self.by_fd.get(place) {
            return Err(already(number, *key));
        }
        // Numbers are given out from below. One far above all others is looked at before a table is
        // made for it.
        if place > 2 * known + 4096 && rustix::io::fcntl_getfd(fd).is_err() {
            return Err(not_open(number));
        }
        Ok(())
    }

    /// One wait of the mechanism, at most `left` long, and what came of it. Whether it came to look: interrupted by
    /// a signal, it has not. (epoll_wait(2) is, even by SIGCONT and a debugger, where no handler runs: signal(7).)
    #[inline]
    fn collect(&mut self, events: &mut Events, left: Option<Duration>) -> io::Result<bool> {
        let room = events.room();
        match self.backend.wait(&mut events.list, room, left.map(|left| left.min(Deadline::SLICE))) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(error),
            Ok(()) => self.settle(events).map(|()| true),
        }
    }

    /// Makes of what the mechanism said what is told: only lamps asked for, and the bell by itself.
    #[inline]
    fn settle(&mut self, events: &mut Events) -> io::Result<()> {
        let mut ghosts = false;
        let rung = &mut events.rung;
        events.list.retain_mut(|event| {
            if event.token == BELL {
                *rung = true;
                return false;
            }
            let Some(entry) = self.entries.get_mut(event.key()) else {
                ghosts = true;
                return false;
            };
            entry.spent = entry.mode == Mode::Oneshot;
            event.lamps.keep(entry.interest)
        });
        if *rung {
            self.bell.hear();
        }
        match if ghosts { self.exorcise() } else { Ok(()) } {
            // What is ready goes first; the ghost will come again.
            Err(error) if events.is_empty() && !events.rung => Err(error),
            _ => Ok(()),
        }
    }

    #[cold]
    fn select_beside_always_ready(&mut self, events: &mut Events) -> io::Result<()> {
        if self.always.go_first() {
            self.always.report(events);
            if events.room() > 0 {
                self.collect(events, Some(Duration::ZERO))?;
            }
        } else {
            self.collect(events, Some(Duration::ZERO))?;
            self.always.report(events);
        }
        Ok(())
    }

    /// The kernel reported something that is registered no more: its source was closed before it
    /// was unregistered, and a duplicate keeps it alive in the kernel, out of reach. Only a new
    /// kernel selector is free of it.
    #[cold]
    fn exorcise(&mut self) -> io::Result<()> {
        let mut backend = open(self.mechanism, &self.bell)?;
        let mut lost = Vec::new();
        for (key, entry) in self.entries.iter().filter(|(_, entry)| entry.place == Place::Kernel) {
            match entry.borrow() {
                Ok(fd) if !entry.spent && rustix::io::fcntl_getfd(fd).is_ok() => {
                    backend.add(fd, key.token(), entry.interest, entry.mode)?;
                }
                // Silent as it was before: reported already, or closed.
                _ => lost.push(key),
            }
        }
        for key in lost {
            self.entries[key].place = Place::Nowhere;
        }
        self.backend = backend;
        Ok(())
    }
}

impl<S: AsFd> Entry<S> {
    /// Tells the kernel of a new interest and mode, and says where the entry now is.
    fn changed(
        &self,
        key: Key,
        backend: &mut dyn Backend,
        always: &mut AlwaysReady,
        interest: Interest,
        mode: Mode,
    ) -> io::Result<Place> {
        let fd = self.borrow()?;
        let place = match (self.place, interest.is_empty()) {
            (Place::Kernel, true) => backend.remove(fd).map(|()| Place::Nowhere)?,
            (Place::Kernel, false) => {
                backend.modify(fd, key.token(), interest, mode).map(|()| Place::Kernel)?
            }
            (Place::Nowhere | Place::AlwaysReady, true) => Place::Nowhere,
            (Place::Nowhere | Place::AlwaysReady, false) => {
                match backend.add(fd, key.token(), interest, mode)? {
                    Added::Watched => Place::Kernel,
                    Added::AlwaysReady => Place::AlwaysReady,
                }
            }
        };
        match place {
            Place::AlwaysReady => always.arm(key.token(), interest, mode),
            Place::Kernel | Place::Nowhere if self.place == Place::AlwaysReady => always.disarm(key.token()),
            Place::Kernel | Place::Nowhere => {}
        }
        Ok(place)
    }

    /// The source's descriptor, asked afresh: the one it was registered with, or an error.
    fn borrow(&self) -> io::Result<BorrowedFd<'_>> {
        let fd = self.source.as_fd();
        if fd.as_raw_fd() == self.fd { Ok(fd) } else { Err(another(self.fd, fd.as_raw_fd())) }
    }
}

impl<S> Index<Key> for Selector<S> {
    type Output = S;

    /// # Panics
    /// If no source has this key, as a `Vec` does. [`Selector::source`] answers `None` instead.
    fn index(&self, key: Key) -> &S {
        &self.entries[key].source
    }
}

impl<S> IndexMut<Key> for Selector<S> {
    /// # Panics
    /// If no source has this key, as a `Vec` does. [`Selector::source_mut`] answers `None` instead.
    fn index_mut(&mut self, key: Key) -> &mut S {
        &mut self.entries[key].source
    }
}

impl<S> fmt::Debug for Selector<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selector")
            .field("mechanism", &self.mechanism)
            .field("len", &self.entries.len())
            .finish()
    }
}

/// The mechanism, with the bell in it.
fn open(mechanism: Mechanism, bell: &Bell) -> io::Result<Box<dyn Backend>> {
    let mut backend = mechanism.open()?;
    match backend.add(bell.as_fd(), BELL, Interest::READ, Mode::Level)? {
        Added::Watched => Ok(backend),
        Added::AlwaysReady => {
            let text = format_args!("cannot use {mechanism}: the system does not let it watch the bell");
            Err(refused(io::ErrorKind::Unsupported, text))
        }
    }
}

/// Whether a mechanism could not be opened because the system has or allows no such thing.
fn is_lacking(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied)
}

#[cold]
fn already(fd: RawFd, key: Key) -> io::Error {
    let text = format_args!(
        "cannot register descriptor {fd}: it is registered as {key:?}; modify that, or register a duplicate"
    );
    refused(io::ErrorKind::AlreadyExists, text)
}

#[cold]
fn not_open(fd: RawFd) -> io::Error {
    refused(io::ErrorKind::InvalidInput, format_args!("cannot register descriptor {fd}: it is not open"))
}

#[cold]
fn unknown(key: Key) -> io::Error {
    let text =
        format_args!("no source is registered as {key:?}; was it unregistered, or is it another selector's?");
    refused(io::ErrorKind::NotFound, text)
}

#[cold]
fn no_edges(mechanism: Mechanism) -> io::Error {
    let text = format_args!("{mechanism} has no edges; use Mode::Level or Mode::Oneshot, or epoll or kqueue");
    refused(io::ErrorKind::Unsupported, text)
}

#[cold]
fn another(registered: RawFd, now: RawFd) -> io::Error {
    let text = format_args!(
        "the source was registered as descriptor {registered} and is {now} now; put the old one back \
         (source_mut), and unregister it before it changes"
    );
    refused(io::ErrorKind::InvalidInput, text)
}

#[cfg(test)]
#[path = "selector_tests.rs"]
mod tests;
