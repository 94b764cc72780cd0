//! Closing gently: what was submitted is sent, then FIN, then the peer's input is read away, then close.
//!
//! Without the reading away, unread input makes `close(2)` send RST, and the peer's kernel throws away
//! whatever of our reply its program has not read yet. It goes on in the background of `wait`, bounded in
//! bytes and in time; see [`Close::Gently`](super::Close::Gently).

use std::mem;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use super::Lanes;
use super::slot::Closing;
use crate::engine::error::{closed, would_block};
use crate::engine::kernel::{Kernel, Role};
use crate::engine::{Direction, Op, Socket};

impl<K: Kernel> Lanes<K> {
    /// Whether there is something to be gentle with: sends, or a connection that has not ended both ways.
    pub(super) fn needs_time(&mut self, socket: Socket) -> bool {
        let slot = &self.sockets.slots[socket];
        let sends = slot.write.waiting.iter().any(|&ticket| {
            let row = self.operations.row(ticket);
            row.is_some_and(|row| matches!(row.op, Op::Send { .. }))
        });
        slot.kind.role == Role::Stream
            && slot.broken.is_none()
            && (slot.connected || slot.connecting)
            && (sends || slot.connected && !slot.ended)
    }

    /// How many bytes wait here to be sent.
    pub(super) fn queued(&mut self, socket: Socket) -> usize {
        let mut queued = self.sockets.kernel.taken_over(socket);
        for &ticket in &self.sockets.slots[socket].write.waiting {
            if let Some(row) = self.operations.row(ticket)
                && let Op::Send { parts, .. } = &row.op
            {
                queued += parts.iter().map(|part| part.len()).sum::<usize>();
            }
        }
        queued
    }

    /// Begins to close a stream. Its name is stale from here on, but its sends go on, and what they wait for.
    pub(super) fn close_gently(&mut self, socket: Socket, bytes: usize, time: Duration) {
        let now = self.sockets.kernel.clock();
        let until = now.checked_add(time).unwrap_or(now + Duration::from_secs(86_400));
        let slot = &mut self.sockets.slots[socket];
        slot.closing = Some(Closing { until, bytes, fin: false });
        self.closing.insert((until, socket));
        for direction in [Direction::Read, Direction::Write] {
            let lane = slot.lane(direction);
            for ticket in mem::take(&mut lane.waiting) {
                match self.operations.row(ticket) {
                    Some(row) if row.op.outlives_its_caller() => lane.waiting.push_back(ticket),
                    _ => drop(self.operations.finish(ticket, Err(closed()), lane)),
                }
            }
        }
        self.progress(socket, Direction::Write);
        self.go_on_closing(socket);
    }

    /// Takes the next steps of a gentle close, if that is what the socket is in.
    pub(super) fn go_on_closing(&mut self, socket: Socket) {
        let Some(slot) = self.sockets.slots.get_mut(socket) else { return };
        if !slot.write.waiting.is_empty() {
            return;
        }
        let Some(closing) = &mut slot.closing else { return };
        if !closing.fin {
            closing.fin = true;
            if self.sockets.shutdown(socket, Shutdown::Write).is_err() {
                return self.finish_closing(socket);
            }
        }
        self.read_away(socket);
    }

    fn read_away(&mut self, socket: Socket) {
        let mut lease = self.sockets.pool.lend();
        for _ in 0..READS_PER_TURN {
            let slot = &mut self.sockets.slots[socket];
            let Some(closing) = &mut slot.closing else { return };
            if slot.ended || slot.broken.is_some() || closing.bytes == 0 {
                return self.finish_closing(socket);
            }
            if slot.read_dry {
                return;
            }
            if slot.kind.brings {
                return self.put_off(socket, Direction::Read);
            }
            let room = lease.spare().len().min(closing.bytes);
            match self.sockets.receive(socket, &mut lease.spare()[..room], false) {
                Ok(0) => return self.finish_closing(socket),
                Ok(count) => {
                    if let Some(closing) = &mut self.sockets.slots[socket].closing {
                        closing.bytes -= count;
                    }
                }
                Err(error) if would_block(&error) => return self.put_off(socket, Direction::Read),
                Err(_) => return self.finish_closing(socket),
            }
        }
        self.again.push_back(socket);
    }

    fn finish_closing(&mut self, socket: Socket) {
        if let Some(slot) = self.sockets.slots.get_mut(socket)
            && let Some(closing) = &slot.closing
        {
            self.closing.remove(&(closing.until, socket));
        }
        self.recall(socket);
        // What was to be sent and was not must not look like all there was.
        let cut =
            self.sockets.slots.get(socket).is_some_and(|slot| slot.cut || !slot.write.waiting.is_empty());
        self.strand(socket, &closed());
        self.sockets.end(socket, cut);
    }

    /// Bounds a close that is under way.
    pub(super) fn end_by(&mut self, socket: Socket, until: Instant) {
        let closing = self.sockets.slots.get_mut(socket).and_then(|slot| slot.closing.as_mut());
        if let Some(closing) = closing.filter(|closing| until < closing.until) {
            self.closing.remove(&(closing.until, socket));
            closing.until = until;
            self.closing.insert((until, socket));
        }
    }

    /// Ends those whose time is over.
    pub(super) fn end_overdue(&mut self) {
        while let Some(&(until, socket)) = self.closing.first()
            && until <= self.now
        {
            self.finish_closing(socket);
            self.closing.remove(&(until, socket));
        }
    }
}

/// How many buffers are read away before others get their turn.
const READS_PER_TURN: usize = 16;
