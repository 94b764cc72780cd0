//! Try it now: every operation on a socket, once, without waiting.
//!
//! This is the half of "readiness imitates completion" that does the work; [`lanes`](super)
//! does the waiting. `None` means "it would block": the operation keeps its place and is tried again when
//! the lamp lights. A send keeps what it has sent so far by advancing its own parts.

use std::io::{self, IoSlice};
use std::net::Shutdown;

use rustix::io::Errno;

use super::slot::{Slot, Slots};
use crate::engine::error::{cut_off, interrupted, stale, would_block};
use crate::engine::kernel::{Kernel, Role};
use crate::engine::lane::Arrival;
use crate::engine::{Address, Direction, Done, Lease, Op, Pool, Socket};

/// The sockets of an engine, and what trying them takes.
pub(super) struct Sockets<K> {
    pub(super) kernel: K,
    pub(super) slots: Slots,
    pub(super) pool: Pool,
}

/// How an attempt ended; `None` if it would have blocked.
type Attempt = Option<io::Result<Done>>;

impl<K: Kernel> Sockets<K> {
    /// The socket of that name, if it is still anybody's to use.
    pub(super) fn open(&mut self, socket: Socket) -> io::Result<&mut Slot> {
        self.slots.get_mut(socket).filter(|slot| slot.closing.is_none()).ok_or_else(stale)
    }

    /// The same, if it is a stream: nothing else is received from or sent to without saying more, and a
    /// foreign descriptor might even block.
    pub(super) fn open_stream(&mut self, socket: Socket, to_do: &str) -> io::Result<&mut Slot> {
        let slot = self.open(socket)?;
        if slot.kind.role == Role::Stream {
            return Ok(slot);
        }
        let message = format!("cannot {to_do} on a {}", slot.kind.role.name());
        Err(io::Error::new(io::ErrorKind::InvalidInput, message))
    }

    /// Tries an operation on a socket, which must be the front of its lane or alone.
    pub(super) fn attempt(&mut self, op: &mut Op) -> Attempt {
        let direction = op.direction();
        let socket = op.socket()?;
        if let Op::Recv { max, peek: true, .. } = *op {
            self.gather(socket, max);
        }
        let slot = self.slots.get_mut(socket)?;
        if let Some(outcome) = slot.lane(direction).serve(op, &self.pool) {
            return Some(outcome);
        }
        // A full socket can be shut down or released all the same, and who will not wait wants to know for certain.
        let needs_lamp =
            !matches!(op, Op::Accept { wait: false, .. } | Op::Shutdown { .. } | Op::Release { .. });
        if needs_lamp && *slot.dry(direction) {
            return None;
        }
        match op {
            Op::Accept { wait, .. } => self.accept(socket, *wait),
            Op::Connect { to, .. } => self.connect(socket, to),
            Op::Recv { max, peek, .. } => self.recv(socket, *max, *peek),
            Op::Send { parts, .. } => self.send(socket, parts),
            Op::RecvFrom { max, .. } => self.recv_from(socket, *max),
            Op::SendTo { to, part, .. } => self.send_to(socket, to, part),
            Op::Shutdown { how, .. } => Some(self.shutdown(socket, *how).map(|()| Done::Shutdown)),
            Op::Ready { direction, .. } => self.ready(socket, *direction),
            // Whoever takes the outcome takes the descriptor; until then the socket is whole.
            Op::Release { .. } => Some(Ok(Done::Ready)),
            Op::Resolve { .. } | Op::Signal { .. } | Op::Call { .. } => None,
        }
    }

    fn accept(&mut self, socket: Socket, wait: bool) -> Attempt {
        let certain = !wait || std::mem::take(&mut self.slots[socket].look_again);
        match insist(|| self.kernel.accept(socket, certain)) {
            Ok((child, kind, peer)) => {
                self.slots.insert(child, Slot::new(kind, true));
                Some(Ok(Done::Accepted { socket: child, peer }))
            }
            Err(error) if would_block(&error) => {
                self.slots[socket].note_dry(Direction::Read);
                if wait { None } else { Some(Err(error)) }
            }
            Err(error) => Some(Err(error)),
        }
    }

    fn connect(&mut self, socket: Socket, to: &Address) -> Attempt {
        let slot = &mut self.slots[socket];
        let answer = if slot.connecting {
            // Whoever tried or asked meanwhile was told the error, and the kernel tells it once.
            match slot.broken.take() {
                Some(code) => {
                    // The kernel is still to be told that the attempt is over.
                    self.kernel.connected(socket).ok();
                    Err(io::Error::from_raw_os_error(code))
                }
                None => self.kernel.connected(socket),
            }
        } else if slot.connected {
            return Some(Err(Errno::ISCONN.into()));
        } else {
            slot.connecting = true;
            self.kernel.connect(socket, to)
        };
        match answer {
            Err(error) if would_block(&error) => {
                slot.note_dry(Direction::Write);
                None
            }
            // It goes on, or is done already: to be asked, as no edge need follow.
            Err(error) if interrupted(&error) => None,
            answer => {
                slot.connecting = false;
                slot.connected = answer.is_ok();
                Some(answer.map(|()| Done::Connected))
            }
        }
    }

    fn recv(&mut self, socket: Socket, max: usize, peek: bool) -> Attempt {
        if self.slots[socket].is_brought() {
            return None;
        }
        let mut lease = self.pool.lend();
        let max = max.min(lease.spare().len());
        match self.receive(socket, &mut lease.spare()[..max], peek) {
            Ok(0) => Some(Ok(Done::Received { lease: Lease::empty() })),
            Ok(count) => {
                lease.fill(count);
                Some(Ok(Done::Received { lease }))
            }
            Err(error) if would_block(&error) => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// Adds what the kernel has to bytes that arrived before, so that whoever looks at them again sees more of them, as on a
    /// socket where none are parked: somebody may look until there are enough.
    fn gather(&mut self, socket: Socket, max: usize) {
        let Some(slot) = self.slots.get_mut(socket) else { return };
        let Some(Arrival::Bytes(_)) = slot.read.arrived.back() else { return };
        if slot.read_dry || slot.read.bytes() >= max {
            return;
        }
        let Some(Arrival::Bytes(mut lease)) = slot.read.arrived.pop_back() else { return };
        let received =
            if lease.spare().is_empty() { Ok(0) } else { self.receive(socket, lease.spare(), false) };
        let lane = &mut self.slots[socket].read;
        let ended = lane.arrived.pop_back_if(|last| matches!(last, Arrival::End));
        if let Ok(count) = received {
            lease.fill(count);
        }
        let is_full = lease.spare().is_empty();
        lane.arrived.push_back(Arrival::Bytes(lease));
        match received {
            Ok(0) if !is_full => lane.arrived.push_back(Arrival::End),
            Err(error) if !would_block(&error) => lane.arrived.push_back(Arrival::Error(error)),
            _ => lane.arrived.extend(ended),
        }
    }

    /// Receives what is left of a read side that was ended, so that its end is known to whoever has the descriptor next:
    /// the system was not told of it.
    pub(super) fn gather_last(&mut self, socket: Socket) {
        while self.slots.get(socket).is_some_and(|slot| slot.last > 0) {
            let mut lease = self.pool.lend();
            let Ok(count @ 1..) = self.receive(socket, lease.spare(), false) else { return };
            lease.fill(count);
            let lane = &mut self.slots[socket].read;
            let ended = lane.arrived.pop_back_if(|last| matches!(last, Arrival::End));
            lane.arrived.push_back(Arrival::Bytes(lease));
            lane.arrived.extend(ended);
        }
    }

    /// One receive from the kernel.
    pub(super) fn receive(&mut self, socket: Socket, into: &mut [u8], peek: bool) -> io::Result<usize> {
        let slot = &mut self.slots[socket];
        let most = if slot.last > 0 { into.len().min(slot.last) } else { into.len() };
        match insist(|| self.kernel.recv(socket, &mut into[..most], peek)) {
            Ok(0) => slot.note_end(),
            Ok(count) => {
                if !peek {
                    slot.note_moved(Direction::Read, count, most);
                    slot.note_last(count);
                }
                Ok(count)
            }
            Err(error) if would_block(&error) => {
                slot.note_dry(Direction::Read);
                Err(error)
            }
            Err(error) => Err(slot.note_error(error)),
        }
    }

    fn send(&mut self, socket: Socket, parts: &mut Vec<Lease>) -> Attempt {
        if self.slots[socket].sending {
            return None;
        }
        if !self.slots[socket].cut && parts.iter().any(|part| !part.is_empty()) {
            match self.kernel.take_over(socket, std::mem::take(parts)) {
                Ok(()) => {
                    self.slots[socket].sending = true;
                    return None;
                }
                Err(back) => *parts = back,
            }
        }
        let mut budget = SEND_BUDGET;
        loop {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut filled = 0;
            for part in parts.iter().filter(|part| !part.is_empty()).take(SLICES) {
                slices[filled] = IoSlice::new(part);
                filled += 1;
            }
            if filled == 0 {
                let bytes = std::mem::take(&mut self.slots[socket].sent);
                return Some(Ok(Done::Sent { bytes, parts: std::mem::take(parts) }));
            }
            if budget == 0 {
                return None;
            }
            match self.transmit(socket, &slices[..filled]) {
                Ok(count) => {
                    advance(parts, count);
                    self.slots[socket].sent += count;
                    budget = budget.saturating_sub(count);
                }
                Err(error) if would_block(&error) => return None,
                Err(error) => {
                    let slot = &mut self.slots[socket];
                    slot.cut |= std::mem::take(&mut slot.sent) > 0;
                    return Some(Err(error));
                }
            }
        }
    }

    /// One send to the kernel, of as many slices as one may have.
    pub(super) fn transmit(&mut self, socket: Socket, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let parts = &parts[..parts.len().min(MOST_SLICES)];
        let wanted = parts.iter().map(|part| part.len()).sum();
        let slot = &mut self.slots[socket];
        if slot.cut {
            return Err(cut_off());
        }
        match insist(|| self.kernel.send(socket, parts)) {
            Ok(count) => {
                slot.note_moved(Direction::Write, count, wanted);
                Ok(count)
            }
            Err(error) if would_block(&error) => {
                slot.note_dry(Direction::Write);
                Err(error)
            }
            Err(error) => Err(slot.note_error(error)),
        }
    }

    fn recv_from(&mut self, socket: Socket, max: usize) -> Attempt {
        let max = max.min(LARGEST_DATAGRAM);
        let mut lease = self.pool.lend_at_least(max);
        match insist(|| self.kernel.recv_from(socket, &mut lease.spare()[..max])) {
            Ok((length, from)) => {
                lease.fill(length.min(max));
                Some(Ok(Done::Datagram { lease, from, truncated: length > max }))
            }
            Err(error) if would_block(&error) => {
                self.slots[socket].note_dry(Direction::Read);
                None
            }
            Err(error) => Some(Err(error)),
        }
    }

    fn send_to(&mut self, socket: Socket, to: &Address, part: &mut Lease) -> Attempt {
        match insist(|| self.kernel.send_to(socket, part, to)) {
            Ok(bytes) => {
                part.advance(bytes);
                let part = std::mem::replace(part, Lease::empty());
                Some(Ok(Done::Sent { bytes, parts: vec![part] }))
            }
            Err(error) if would_block(&error) => {
                self.slots[socket].note_dry(Direction::Write);
                None
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// Ends a direction. A connection that is gone has no direction left to end, on any system.
    ///
    /// The read side is ended here and the system is not told: the peer would not hear of it, and we could not tell
    /// the peer's own end any more, which a gentle close waits for. What has arrived by now is received all the same.
    pub(super) fn shutdown(&mut self, socket: Socket, how: Shutdown) -> io::Result<()> {
        let slot = &mut self.slots[socket];
        let has_ended = slot.last > 0 || matches!(slot.read.arrived.back(), Some(Arrival::End));
        if how != Shutdown::Write && slot.connected && !has_ended {
            slot.last = self.kernel.unread(socket).unwrap_or(0);
            if slot.last == 0 {
                slot.read.end();
            }
        }
        if how == Shutdown::Read && slot.connected {
            return Ok(());
        }
        let how = if slot.connected { Shutdown::Write } else { how };
        match self.kernel.shutdown(socket, how) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected && self.slots[socket].connected => {
                Ok(())
            }
            answer => answer,
        }
    }

    fn ready(&mut self, socket: Socket, direction: Direction) -> Attempt {
        if direction == Direction::Read && self.slots[socket].is_brought() {
            return None;
        }
        match self.kernel.ready(socket, direction) {
            Ok(true) => Some(Ok(Done::Ready)),
            Ok(false) => {
                self.slots[socket].note_dry(direction);
                None
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// Closes a socket for good, with all that arrived on it for nobody.
    pub(super) fn end(&mut self, socket: Socket, reset: bool) {
        let Some(mut slot) = self.slots.remove(socket) else { return };
        self.kernel.close(socket, reset);
        for arrival in slot.read.arrived.drain(..) {
            if let Arrival::Connection { socket, .. } = arrival {
                self.end(socket, false);
            }
        }
    }
}

/// Makes a call that a signal may interrupt, until it is answered.
pub(super) fn insist<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if interrupted(&error) => {}
            answer => return answer,
        }
    }
}

/// Drops `count` bytes from the front of some parts.
pub(super) fn advance(parts: &mut [Lease], mut count: usize) {
    for part in parts {
        let here = count.min(part.len());
        part.advance(here);
        count -= here;
        if count == 0 {
            break;
        }
    }
}

/// How many parts of a send go into one system call: past a few the copying is what costs.
const SLICES: usize = 16;

/// How many a system takes at most: `IOV_MAX` of the systems there are.
const MOST_SLICES: usize = 1024;

/// More than any datagram has: 64 KiB over IP; on a Unix socket what fits its send buffer (`net.core.wmem_max`).
const LARGEST_DATAGRAM: usize = 1 << 18;

/// How many bytes one send may hand over before others get their turn.
const SEND_BUDGET: usize = 1 << 20;
