//! A socket as the engine keeps it: its two lanes and what is known of its lamps.

use std::collections::VecDeque;
use std::time::Instant;
use std::{io, mem};

use slotmap::SecondaryMap;
use switchboard_selector::{Interest, Mode};

use crate::engine::kernel::Kind;
use crate::engine::lane::Lane;
use crate::engine::{Direction, Socket, Ticket};

pub(super) type Slots = SecondaryMap<Socket, Slot>;

/// One socket.
pub(super) struct Slot {
    pub(super) kind: Kind,
    pub(super) read: Lane,
    pub(super) write: Lane,
    /// Known to be answered by `WouldBlock` until the next lamp. Only ever true on an edge that is watched.
    pub(super) read_dry: bool,
    pub(super) write_dry: bool,
    /// The next attempt is to find out for certain.
    pub(super) look_again: bool,
    /// What the kernel was asked to tell; nothing until an operation has to wait.
    pub(super) armed: Interest,
    /// In the list of those to be armed before the next sleep.
    pub(super) to_arm: bool,
    /// A short receive is no sign of emptiness any more: the peer's end or urgent data may be behind it.
    pub(super) odd: bool,
    /// `connect` was called and has not been answered.
    pub(super) connecting: bool,
    /// It has had a peer, even if the connection is gone by now.
    pub(super) connected: bool,
    /// Bytes sent so far of the send at the front of the write lane.
    pub(super) sent: usize,
    /// The parts of that send are with the kernel.
    pub(super) sending: bool,
    /// A send failed half-way: nothing can follow what was sent of it (law 4).
    pub(super) cut: bool,
    /// The peer ended its side, and all it sent was received.
    pub(super) ended: bool,
    /// The read side was ended when so many bytes had arrived that are yet to be received. After them comes the end.
    pub(super) last: usize,
    /// The error that broke the connection. The kernel tells it to one caller; all others would see a clean end.
    pub(super) broken: Option<i32>,
    /// It is about to be closed or released: nothing more is begun on it.
    pub(super) leaving: bool,
    /// Set once the name is stale.
    pub(super) closing: Option<Closing>,
}

/// A gentle close in progress.
pub(super) struct Closing {
    pub(super) until: Instant,
    /// How many bytes may still be read away.
    pub(super) bytes: usize,
    /// Our side was shut down.
    pub(super) fin: bool,
}

impl Slot {
    pub(super) fn new(kind: Kind, connected: bool) -> Self {
        Self {
            kind,
            read: Lane::default(),
            write: Lane::default(),
            read_dry: false,
            write_dry: false,
            look_again: false,
            armed: Interest::NONE,
            to_arm: false,
            odd: false,
            connecting: false,
            connected,
            sent: 0,
            sending: false,
            cut: false,
            ended: false,
            last: 0,
            broken: None,
            leaving: false,
            closing: None,
        }
    }

    /// Whether what arrives is brought by the kernel, once it was asked for, so that trying would be in vain.
    pub(super) fn is_brought(&self) -> bool {
        self.kind.brings && self.connected && self.last == 0
    }

    /// Counts bytes received against those that are left of an ended read side.
    pub(super) fn note_last(&mut self, count: usize) {
        if self.last > 0 {
            self.last = self.last.saturating_sub(count);
            if self.last == 0 {
                self.read.end();
            }
        }
    }

    pub(super) fn lane(&mut self, direction: Direction) -> &mut Lane {
        match direction {
            Direction::Read => &mut self.read,
            Direction::Write => &mut self.write,
        }
    }

    pub(super) fn dry(&mut self, direction: Direction) -> &mut bool {
        match direction {
            Direction::Read => &mut self.read_dry,
            Direction::Write => &mut self.write_dry,
        }
    }

    /// Notes that the kernel has told what it was asked for: where lamps are lit once, it is to be asked anew.
    pub(super) fn note_told(&mut self) {
        if self.kind.mode == Mode::Oneshot {
            self.armed = Interest::NONE;
        }
    }

    /// Notes that the socket would have blocked, where lamps are edges: only a new edge changes that.
    pub(super) fn note_dry(&mut self, direction: Direction) {
        if self.kind.mode == Mode::Edge && self.armed.contains(direction.interest()) {
            *self.dry(direction) = true;
        }
    }

    /// Notes a transfer that moved `moved` of `wanted` bytes.
    pub(super) fn note_moved(&mut self, direction: Direction, moved: usize, wanted: usize) {
        if moved < wanted && self.kind.short_is_dry && !(self.odd && direction == Direction::Read) {
            self.note_dry(direction);
        }
    }

    /// Notes an error that the kernel has told and will not tell again, and gives it back.
    pub(super) fn note_error(&mut self, error: io::Error) -> io::Error {
        let of_the_connection = match error.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown => true,
            // These two are about the one who asked.
            io::ErrorKind::NotConnected | io::ErrorKind::BrokenPipe => false,
            _ => self.connecting,
        };
        if of_the_connection {
            self.broken = error.raw_os_error();
        }
        error
    }

    /// The end of the stream as a receiver sees it: an error if the connection broke, zero if it ended.
    pub(super) fn note_end(&mut self) -> io::Result<usize> {
        self.ended = true;
        match self.broken {
            Some(code) => Err(io::Error::from_raw_os_error(code)),
            None => Ok(0),
        }
    }

    /// What the lanes need a lamp for.
    pub(super) fn wanted(&self) -> Interest {
        let mut wanted = Interest::NONE;
        if !self.read.waiting.is_empty() || self.closing.as_ref().is_some_and(|closing| closing.fin) {
            wanted |= Interest::READ;
        }
        if !self.write.waiting.is_empty() {
            wanted |= Interest::WRITE;
        }
        wanted
    }

    /// Every ticket that waits, read side first; none waits any more.
    pub(super) fn strand(&mut self) -> VecDeque<Ticket> {
        self.cut |= mem::take(&mut self.sent) > 0;
        let mut all = mem::take(&mut self.read.waiting);
        all.append(&mut self.write.waiting);
        all
    }
}
