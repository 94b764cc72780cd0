//! A kernel on which things go wrong on purpose: any other kernel, with [faults](super::faults) at the engine's own calls.
//!
//! It is a kernel itself, so the engine above is the one that always runs, and without it nothing is there to be paid for.
//! Each fault is one that a real kernel may bring about, told in the form a real one has for it. What must stay true:
//!
//! * What a short transfer left behind is hidden, as if it had yet to arrive or to find room, until the next `select`: a
//!   lamp tells of it then wherever an edge is what the engine above waits for, or its bytes are brought.
//! * What was brought is held back in order: nothing of a socket overtakes what is held of it.
//! * What is hidden or held makes this kernel [behind](Kernel::is_behind), so that nobody sleeps on it.
//! * Nothing goes wrong so often in a row that nothing is ever done, however likely it is.

mod environment;
mod line;
mod passing;

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::time::Instant;

use rustix::io::Errno;
use slotmap::SecondaryMap;
use switchboard_selector::{Interest, Mode};

pub(super) use self::environment::Settings;
use self::line::Line;
use super::error::would_block;
use super::faults::{Dice, Fault};
use super::helpers::Job;
use super::kernel::{Arrived, Kernel, Kind, News, Sent};
use super::{
    Address, Bell, Descriptor, Direction, Fact, Lease, Plan, Pool, Question, Setting, Socket, Ticket,
};

/// A kernel with faults.
pub(super) struct Chaos<K> {
    kernel: K,
    dice: Dice,
    lines: SecondaryMap<Socket, Line>,
    /// Sockets of which something is hidden until the next `select`.
    hidden: Vec<Socket>,
    /// What was brought and is told in the next `select`.
    held: VecDeque<Arrived>,
    sent: VecDeque<Sent>,
    /// Sockets that are watched, each once, and some that were.
    watched: Vec<Socket>,
    /// What the kernel has told and was not passed on.
    news: News,
    /// How many calls in a row were interrupted.
    interruptions: u32,
    /// The last wait was ended for nothing.
    in_vain: bool,
}

impl<K: Kernel> Chaos<K> {
    pub(super) fn new(kernel: K, dice: Dice) -> Self {
        Self {
            kernel,
            dice,
            lines: SecondaryMap::new(),
            hidden: Vec::new(),
            held: VecDeque::new(),
            sent: VecDeque::new(),
            watched: Vec::new(),
            news: News::default(),
            interruptions: 0,
            in_vain: false,
        }
    }

    fn is_interrupted(&mut self) -> bool {
        let is_interrupted = self.interruptions < MOST_INTERRUPTIONS && self.dice.roll(Fault::Interrupted);
        self.interruptions = if is_interrupted { self.interruptions + 1 } else { 0 };
        is_interrupted
    }

    /// A signal may come before a call has done anything.
    fn interrupt(&mut self) -> io::Result<()> {
        if self.is_interrupted() { Err(Errno::INTR.into()) } else { Ok(()) }
    }

    /// What makes a socket may run out.
    fn run_out(&mut self) -> io::Result<()> {
        match () {
            () if self.dice.roll(Fault::OutOfDescriptors) => Err(Errno::MFILE.into()),
            () if self.dice.roll(Fault::OutOfBuffers) => Err(Errno::NOBUFS.into()),
            () => Ok(()),
        }
    }

    /// The connection may break.
    fn is_broken_off(&mut self, socket: Socket) -> bool {
        if !self.dice.roll(Fault::Reset) {
            return false;
        }
        // There may be none, or none that can break.
        if self.kernel.abort(socket).is_err() {
            self.dice.take_back(Fault::Reset);
            return false;
        }
        self.lines[socket].is_reset = true;
        true
    }

    /// How many of so many bytes a transfer is to move, if it is to be short.
    fn shorten(&mut self, count: usize) -> Option<usize> {
        (count > 1 && self.dice.roll(Fault::Short)).then(|| 1 + self.dice.below(count - 1))
    }

    /// How many bytes a receive with so much room is to move, if it is to be short: fewer than there are.
    fn shorten_receive(&mut self, socket: Socket, room: usize) -> Option<usize> {
        if room < 2 || !self.dice.roll(Fault::Short) {
            return None;
        }
        let there = self.kernel.unread(socket).unwrap_or(0).min(room);
        if there < 2 {
            self.dice.take_back(Fault::Short);
            return None;
        }
        Some(1 + self.dice.below(there - 1))
    }

    /// Hides what is left behind by a transfer that was cut to `cut` bytes; if it moved less, nothing was.
    fn leave_behind(&mut self, socket: Socket, interest: Interest, cut: usize, answer: &io::Result<usize>) {
        if !matches!(answer, Ok(count) if *count == cut) {
            return self.dice.take_back(Fault::Short);
        }
        let line = &mut self.lines[socket];
        if line.hidden.is_empty() {
            self.hidden.push(socket);
        }
        line.hidden |= interest;
    }

    /// A send that is to take less.
    fn send_some(&mut self, socket: Socket, parts: &[IoSlice<'_>], cut: usize) -> io::Result<usize> {
        let mut left = cut;
        let mut some = Vec::with_capacity(parts.len());
        for part in parts {
            let count = left.min(part.len());
            some.push(IoSlice::new(&part[..count]));
            left -= count;
            if left == 0 {
                break;
            }
        }
        self.kernel.send(socket, &some)
    }
}

impl<K: Kernel> Kernel for Chaos<K> {
    fn name(&self) -> &str {
        self.kernel.name()
    }

    fn clock(&self) -> Instant {
        self.kernel.clock()
    }

    fn random(&mut self) -> u64 {
        self.kernel.random()
    }

    fn bell(&self) -> Bell {
        self.kernel.bell()
    }

    fn open(&mut self, plan: Plan) -> io::Result<(Socket, Kind)> {
        // Who cannot even listen has nothing to go on with, and rightly gives up.
        if !matches!(plan, Plan::Adopt(_) | Plan::Listen(_)) {
            self.run_out()?;
        }
        let (socket, kind) = self.kernel.open(plan)?;
        self.lines.insert(socket, Line::new(kind));
        Ok((socket, kind))
    }

    fn ask(&mut self, socket: Socket, question: Question) -> io::Result<Fact> {
        self.kernel.ask(socket, question)
    }

    fn set(&mut self, socket: Socket, setting: Setting) -> io::Result<()> {
        self.kernel.set(socket, setting)
    }

    fn close(&mut self, socket: Socket, reset: bool) {
        self.forget(socket);
        self.kernel.close(socket, reset);
    }

    fn release(&mut self, socket: Socket) -> io::Result<Descriptor> {
        let descriptor = self.kernel.release(socket)?;
        self.forget(socket);
        Ok(descriptor)
    }

    fn accept(&mut self, socket: Socket, certain: bool) -> io::Result<(Socket, Kind, Address)> {
        self.interrupt()?;
        self.run_out()?;
        let (child, kind, peer) = self.kernel.accept(socket, certain)?;
        if self.dice.roll(Fault::Aborted) {
            self.kernel.close(child, true);
            return Err(Errno::CONNABORTED.into());
        }
        self.lines.insert(child, Line::new(kind));
        Ok((child, kind, peer))
    }

    /// The one call that goes on when it is interrupted.
    fn connect(&mut self, socket: Socket, to: &Address) -> io::Result<()> {
        let is_interrupted = self.is_interrupted();
        let answer = self.kernel.connect(socket, to);
        match answer {
            Err(error) if is_interrupted && !would_block(&error) => {
                self.dice.take_back(Fault::Interrupted);
                Err(error)
            }
            _ if is_interrupted => Err(Errno::INTR.into()),
            answer => answer,
        }
    }

    fn connected(&mut self, socket: Socket) -> io::Result<()> {
        self.kernel.connected(socket)
    }

    fn recv(&mut self, socket: Socket, into: &mut [u8], peek: bool) -> io::Result<usize> {
        self.interrupt()?;
        let line = &self.lines[socket];
        if line.is_reset {
            return Ok(0);
        }
        if line.hides(Interest::READ) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if peek {
            return self.kernel.recv(socket, into, true);
        }
        if self.is_broken_off(socket) {
            return Err(Errno::CONNRESET.into());
        }
        let Some(cut) = self.shorten_receive(socket, into.len()) else {
            return self.kernel.recv(socket, into, false);
        };
        let answer = self.kernel.recv(socket, &mut into[..cut], false);
        self.leave_behind(socket, Interest::READ, cut, &answer);
        answer
    }

    fn unread(&mut self, socket: Socket) -> io::Result<usize> {
        if self.lines[socket].is_reset {
            return Ok(0);
        }
        Ok(self.kernel.unread(socket)? + self.held_bytes(socket))
    }

    fn send(&mut self, socket: Socket, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.interrupt()?;
        let line = &self.lines[socket];
        if line.is_reset {
            return Err(Errno::PIPE.into());
        }
        if line.hides(Interest::WRITE) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.is_broken_off(socket) {
            return Err(Errno::CONNRESET.into());
        }
        let Some(cut) = self.shorten(parts.iter().map(|part| part.len()).sum()) else {
            return self.kernel.send(socket, parts);
        };
        let answer = self.send_some(socket, parts, cut);
        self.leave_behind(socket, Interest::WRITE, cut, &answer);
        answer
    }

    fn recv_from(&mut self, socket: Socket, into: &mut [u8]) -> io::Result<(usize, Address)> {
        self.interrupt()?;
        self.kernel.recv_from(socket, into)
    }

    fn send_to(&mut self, socket: Socket, part: &[u8], to: &Address) -> io::Result<usize> {
        self.interrupt()?;
        if self.dice.roll(Fault::OutOfBuffers) {
            return Err(Errno::NOBUFS.into());
        }
        self.kernel.send_to(socket, part, to)
    }

    fn shutdown(&mut self, socket: Socket, how: Shutdown) -> io::Result<()> {
        self.kernel.shutdown(socket, how)
    }

    fn ready(&mut self, socket: Socket, direction: Direction) -> io::Result<bool> {
        let line = &self.lines[socket];
        if line.hides(direction.interest()) && !line.is_reset {
            return Ok(false);
        }
        self.kernel.ready(socket, direction)
    }

    fn abort(&mut self, socket: Socket) -> io::Result<()> {
        self.kernel.abort(socket)
    }

    fn watch_signal(&mut self, number: i32) -> io::Result<()> {
        self.kernel.watch_signal(number)
    }

    fn start(&mut self, ticket: Ticket, job: Job) {
        self.kernel.start(ticket, job);
    }

    fn watch(&mut self, socket: Socket, interest: Interest, mode: Mode) -> io::Result<()> {
        self.kernel.watch(socket, interest, mode)?;
        let line = &mut self.lines[socket];
        line.watched = interest;
        if !line.is_listed {
            line.is_listed = true;
            self.watched.push(socket);
        }
        Ok(())
    }

    fn select(&mut self, until: Option<Instant>, pool: &Pool, news: &mut News) -> io::Result<()> {
        let is_told = self.tell_what_is_due(news);
        let ends_now = is_told || self.is_in_vain(until);
        let now = ends_now.then(|| self.kernel.clock());
        let until = [until, now].into_iter().flatten().min();
        self.kernel.select(until, pool, &mut self.news)?;
        self.pass_on(None, pool, news);
        self.light_in_vain(news);
        Ok(())
    }

    fn take_over(&mut self, socket: Socket, parts: Vec<Lease>) -> Result<(), Vec<Lease>> {
        let line = &self.lines[socket];
        if line.is_reset {
            return Err(parts);
        }
        // Who does not bring does not take over either, and what is sent at once goes wrong there.
        if !line.kind.brings {
            return self.kernel.take_over(socket, parts);
        }
        let outcome = if self.is_interrupted() {
            Err(Errno::INTR.into())
        } else if self.is_broken_off(socket) {
            Err(Errno::CONNRESET.into())
        } else if let Some(cut) = self.shorten(parts.iter().map(|part| part.len()).sum()) {
            let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
            let answer = self.send_some(socket, &slices, cut);
            if !matches!(answer, Ok(count) if count == cut) {
                self.dice.take_back(Fault::Short);
            }
            if answer.as_ref().is_err_and(would_block) {
                return self.kernel.take_over(socket, parts);
            }
            answer
        } else {
            return self.kernel.take_over(socket, parts);
        };
        self.sent.push_back(Sent { socket, parts, outcome });
        Ok(())
    }

    fn taken_over(&self, socket: Socket) -> usize {
        let ours = self.sent.iter().filter(|sent| sent.socket == socket);
        let bytes = |sent: &Sent| sent.parts.iter().map(|part| part.len()).sum::<usize>();
        self.kernel.taken_over(socket) + ours.map(bytes).sum::<usize>()
    }

    fn recall(&mut self, socket: Socket, pool: &Pool, news: &mut News) {
        self.tell_all_of(socket, news);
        self.kernel.recall(socket, pool, &mut self.news);
        self.pass_on(Some(socket), pool, news);
    }

    fn is_behind(&self) -> bool {
        !(self.hidden.is_empty() && self.held.is_empty() && self.sent.is_empty()) || self.kernel.is_behind()
    }
}

/// How many calls in a row are interrupted at most.
const MOST_INTERRUPTIONS: u32 = 3;
