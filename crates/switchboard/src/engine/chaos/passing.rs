//! What is passed on of what a kernel tells: in pieces, later, or with something added that is not so.

use std::time::Instant;
use std::{io, mem};

use rustix::io::Errno;
use switchboard_selector::{Interest, Mode};

use super::Chaos;
use super::line::Line;
use crate::engine::faults::Fault;
use crate::engine::kernel::{Arrived, Kernel, Lamp, News, What};
use crate::engine::{Lease, Pool, Socket};

impl<K: Kernel> Chaos<K> {
    /// Tells what was hidden or held back until now. Whether there was anything.
    pub(super) fn tell_what_is_due(&mut self, news: &mut News) -> bool {
        let mut is_told = !(self.held.is_empty() && self.sent.is_empty());
        for socket in mem::take(&mut self.hidden) {
            let Some(line) = self.lines.get_mut(socket) else { continue };
            let shown = mem::replace(&mut line.hidden, Interest::NONE) & line.watched;
            // A lamp that is asked for anew each time is lit by what is there; an edge went by while it was hidden.
            if line.kind.mode == Mode::Edge && !shown.is_empty() {
                news.lamps.push_back(lamp(socket, shown));
                is_told = true;
            }
        }
        for arrived in &self.held {
            if let Some(line) = self.lines.get_mut(arrived.socket) {
                line.held = 0;
            }
        }
        news.arrivals.append(&mut self.held);
        news.sent.append(&mut self.sent);
        is_told
    }

    /// The same of one socket only.
    pub(super) fn tell_all_of(&mut self, socket: Socket, news: &mut News) {
        if let Some(line) = self.lines.get_mut(socket) {
            line.held = 0;
        }
        let (ours, others) = mem::take(&mut self.held).into_iter().partition(|held| held.socket == socket);
        self.held = others;
        news.arrivals.append(&mut { ours });
        let (ours, others) = mem::take(&mut self.sent).into_iter().partition(|sent| sent.socket == socket);
        self.sent = others;
        news.sent.append(&mut { ours });
    }

    pub(super) fn forget(&mut self, socket: Socket) {
        self.lines.remove(socket);
        self.held.retain(|arrived| arrived.socket != socket);
        self.sent.retain(|sent| sent.socket != socket);
    }

    pub(super) fn held_bytes(&self, socket: Socket) -> usize {
        let ours = self.held.iter().filter(|arrived| arrived.socket == socket);
        ours.map(|arrived| if let What::Bytes(lease) = &arrived.what { lease.len() } else { 0 }).sum()
    }

    /// Whether this wait is to end for nothing. The one after it is not: clocks that move only in waits would crawl.
    pub(super) fn is_in_vain(&mut self, until: Option<Instant>) -> bool {
        let sleeps = until.is_none_or(|until| until > self.kernel.clock());
        self.in_vain = sleeps && !self.in_vain && self.dice.roll(Fault::Spurious);
        self.in_vain
    }

    /// Passes on what the kernel has told; whole, if it is of the socket that is recalled.
    pub(super) fn pass_on(&mut self, recalled: Option<Socket>, pool: &Pool, news: &mut News) {
        while let Some(arrived) = self.news.arrivals.pop_front() {
            let is_whole = recalled == Some(arrived.socket);
            self.bring(arrived, is_whole, pool, news);
        }
        for lamp in self.news.lamps.drain(..) {
            if let Some(line) = self.lines.get_mut(lamp.socket) {
                line.note_told();
            }
            news.lamps.push_back(lamp);
        }
        news.sent.append(&mut self.news.sent);
        news.signals.append(&mut self.news.signals);
        news.jobs.append(&mut self.news.jobs);
    }

    fn bring(&mut self, Arrived { socket, what }: Arrived, is_whole: bool, pool: &Pool, news: &mut News) {
        let what = match what {
            What::Connection { socket: child, kind, .. } if self.lines.contains_key(socket) => {
                if !is_whole && self.dice.roll(Fault::Aborted) {
                    self.kernel.close(child, true);
                    What::Error(Errno::CONNABORTED.into())
                } else {
                    self.lines.insert(child, Line::new(kind));
                    what
                }
            }
            what => what,
        };
        let Some(line) = self.lines.get_mut(socket) else {
            return news.arrivals.push_back(Arrived { socket, what });
        };
        line.note_told();
        match what {
            what if line.held > 0 => self.hold(socket, what),
            // What the break did to a receive that was under way is not for those who were told of it otherwise.
            What::Bytes(_) | What::Error(_) if line.is_reset => {
                news.arrivals.push_back(Arrived { socket, what: What::Bytes(Lease::empty()) });
            }
            What::Bytes(lease) if !is_whole && !lease.is_empty() => {
                let what = self.bring_some(socket, lease, pool);
                news.arrivals.push_back(Arrived { socket, what });
            }
            what => news.arrivals.push_back(Arrived { socket, what }),
        }
    }

    /// What is brought of some bytes now; the rest is held back.
    fn bring_some(&mut self, socket: Socket, mut lease: Lease, pool: &Pool) -> What {
        if self.is_interrupted() {
            self.hold(socket, What::Bytes(lease));
            return What::Error(Errno::INTR.into());
        }
        if self.is_broken_off(socket) {
            return What::Error(io::Error::from(Errno::CONNRESET));
        }
        let Some(cut) = self.shorten(lease.len()) else { return What::Bytes(lease) };
        let some = pool.copy(&lease[..cut]);
        lease.advance(cut);
        self.hold(socket, What::Bytes(lease));
        What::Bytes(some)
    }

    fn hold(&mut self, socket: Socket, what: What) {
        self.lines[socket].held += 1;
        self.held.push_back(Arrived { socket, what });
    }

    /// May light a lamp that somebody watches, with nothing to tell.
    pub(super) fn light_in_vain(&mut self, news: &mut News) {
        if self.watched.is_empty() || !self.dice.roll(Fault::Spurious) {
            return;
        }
        while !self.watched.is_empty() {
            let index = self.dice.below(self.watched.len());
            let socket = self.watched[index];
            if let Some(line) = self.lines.get_mut(socket) {
                let shown = line.watched & (Interest::READ | Interest::WRITE);
                if !shown.is_empty() {
                    line.note_told();
                    return news.lamps.push_back(lamp(socket, shown));
                }
                line.is_listed = false;
            }
            self.watched.swap_remove(index);
        }
        self.dice.take_back(Fault::Spurious);
    }
}

fn lamp(socket: Socket, shown: Interest) -> Lamp {
    let (readable, writable) = (shown.contains(Interest::READ), shown.contains(Interest::WRITE));
    Lamp { socket, readable, writable, odd: false }
}
