//! What the program at one end of a connection may do: connect, receive, send, end, close.
//!
//! A TCP end that was closed with bytes still on their [way](super::wire) stays behind as an orphan until they have arrived; one
//! that is gone answers every byte with RST. Of Unix sockets both ends are one: closing tells the other end directly.

use std::io::IoSlice;
use std::net::Shutdown;

use rustix::io::Errno;

use super::stream::{Call, Family, Phase, What, each_part};
use super::watch::Cause;
use super::world::{Id, World};
use crate::engine::Address;

impl World {
    pub(super) fn recv(&mut self, id: Id, into: &mut [u8], peek: bool) -> Result<usize, Errno> {
        let stream = self.stream(id);
        let count = stream.receive(into, peek)?;
        if !peek && count > 0 {
            let (family, other) = (stream.family, stream.other);
            match other {
                Some(other) if family == Family::Unix => self.discharge(other, count),
                Some(other) => {
                    self.flush(other);
                    self.look_at_room(other);
                }
                None => {}
            }
        }
        Ok(count)
    }

    pub(super) fn send(&mut self, id: Id, parts: &[IoSlice<'_>]) -> Result<usize, Errno> {
        self.stream(id).check_send()?;
        self.check_listened_to(id)?;
        // All parts that fit leave together: who has left answers them all at once, and not the first of them.
        let mut taken = 0;
        while self.stream(id).phase == Phase::Established {
            let stream = self.stream(id);
            let mut skip = taken;
            let all = each_part(parts, |part| {
                let before = skip.min(part.len());
                skip -= before;
                before + stream.take_over(&part[before..])
            });
            if all == taken {
                break;
            }
            taken = all;
            self.flush(id);
        }
        self.look_at_room(id);
        if taken == 0 && parts.iter().any(|part| !part.is_empty()) {
            return Err(Errno::AGAIN);
        }
        Ok(taken)
    }

    /// A Unix socket may have been shut down before it was connected: its peer learns of that when it sends.
    fn check_listened_to(&mut self, id: Id) -> Result<(), Errno> {
        let stream = self.stream(id);
        let (family, other) = (stream.family, stream.other);
        let is_deaf =
            other.and_then(|other| self.stream_if_there(other)).is_some_and(|other| other.read_shut);
        if family == Family::Unix && is_deaf { Err(Errno::PIPE) } else { Ok(()) }
    }

    pub(super) fn shutdown(&mut self, id: Id, how: Shutdown) -> Result<(), Errno> {
        let (read, write) = (how != Shutdown::Write, how != Shutdown::Read);
        let stream = self.stream(id);
        if stream.family == Family::Unix {
            self.shut(id, read, write);
            if let Some(other) = self.stream(id).other {
                self.shut(other, write, read);
            }
            return Ok(());
        }
        match stream.phase {
            // Refused, and remembered all the same.
            Phase::Fresh | Phase::Closed => {
                self.shut(id, read, write);
                return Err(Errno::NOTCONN);
            }
            Phase::Connecting => {
                // The attempt is given up, and its caller told.
                stream.phase = Phase::Fresh;
                stream.error = Some(Errno::CONNRESET);
                self.stop_knocking(id);
                self.refuse_what_arrives(id);
                self.stream(id).other = None;
                self.wake(id, Cause::Change);
            }
            Phase::Established => {
                self.shut(id, read, write);
                self.flush(id);
            }
        }
        Ok(())
    }

    fn shut(&mut self, id: Id, read: bool, write: bool) {
        if let Some(stream) = self.stream_if_there(id) {
            stream.read_shut |= read;
            stream.write_shut |= write;
            self.wake(id, Cause::Change);
        }
    }

    /// A RST arrives.
    pub(super) fn hit_by_reset(&mut self, id: Id) {
        let Some(stream) = self.stream_if_there(id) else { return };
        stream.break_off();
        if stream.orphan {
            return self.remove(id);
        }
        self.wake(id, Cause::Change);
    }

    /// Something between the two ends breaks the connection. Whoever asks for it on this end knows, the other is told.
    pub(super) fn abort(&mut self, id: Id) -> Result<(), Errno> {
        let host = self.host_of(id);
        let stream = self.stream(id);
        if stream.family == Family::Unix || stream.phase != Phase::Established {
            return Err(Errno::OPNOTSUPP);
        }
        stream.wire.clear();
        let other = stream.other;
        self.hit_by_reset(id);
        self.stream(id).error = None;
        if let Some(other) = other {
            self.post(other, host, What::Reset);
        }
        Ok(())
    }

    /// The other end of a Unix connection received `count` bytes of ours.
    fn discharge(&mut self, id: Id, count: usize) {
        if let Some(stream) = self.stream_if_there(id) {
            stream.discharge(count);
            self.look_at_room(id);
        }
    }

    /// Lights the lamp for sending when it has been out and there is room now. (Comparing with what was before, a
    /// send that fills its buffer and sees it emptied by the other end would wake itself each time.)
    pub(super) fn look_at_room(&mut self, id: Id) {
        let Some(stream) = self.stream_if_there(id) else { return };
        let was_crowded = stream.crowded;
        stream.crowded = !stream.has_room();
        if was_crowded && !stream.crowded {
            self.wake(id, Cause::Room);
        }
    }

    /// close(2) on a connection, or on what was to become one.
    pub(super) fn close_stream(&mut self, id: Id, reset: bool) {
        let stream = self.stream(id);
        let unread = stream.unread();
        match (stream.family, stream.phase) {
            (Family::Unix, _) => {
                let other = stream.other;
                self.remove(id);
                if let Some(other) = other {
                    self.end_unix(other, unread, unread > 0);
                }
            }
            (_, Phase::Established) if reset || unread > 0 => {
                let (other, host) = (stream.other, self.host_of(id));
                // The answer to all that is on its way here, too.
                self.stream(id).wire.clear();
                self.remove(id);
                if let Some(other) = other {
                    self.post(other, host, What::Reset);
                }
            }
            (_, Phase::Established) => {
                stream.orphan = true;
                (stream.read_shut, stream.write_shut) = (true, true);
                let done = stream.fin_sent;
                self.disown(id);
                if done { self.remove(id) } else { self.flush(id) }
            }
            (_, Phase::Connecting) => {
                self.stop_knocking(id);
                self.remove(id);
            }
            (_, Phase::Fresh | Phase::Closed) => self.remove(id),
        }
    }

    /// The other end of a Unix connection is closed, with `unread` bytes that this one had sent.
    pub(super) fn end_unix(&mut self, id: Id, unread: usize, reset: bool) {
        let Some(stream) = self.stream_if_there(id) else { return };
        stream.discharge(unread);
        stream.crowded = false;
        if reset {
            stream.error = Some(Errno::CONNRESET);
        }
        self.shut(id, true, true);
    }

    /// connect(2).
    pub(super) fn connect(&mut self, id: Id, to: &Address) -> Result<(), Errno> {
        let stream = self.stream(id);
        match (stream.family, to) {
            (Family::Unix, Address::Unix(name)) => {
                let name = name.clone();
                self.connect_unix(id, &name)
            }
            (Family::V6, Address::Ip(std::net::SocketAddr::V4(_))) | (Family::Unix, _) => Err(Errno::INVAL),
            (Family::V4, Address::Ip(std::net::SocketAddr::V6(_))) | (_, Address::Unix(_)) => {
                Err(Errno::AFNOSUPPORT)
            }
            (_, Address::Ip(to)) => match (stream.call, stream.phase) {
                (Call::Answered, _) => Err(Errno::ISCONN),
                (Call::Underway, Phase::Connecting | Phase::Established) => Err(Errno::ALREADY),
                _ => self.begin_to_connect(id, *to),
            },
        }
    }

    /// How connecting ended: the error that waits, or whether there is a peer.
    pub(super) fn connected(&mut self, id: Id) -> Result<(), Errno> {
        let stream = self.stream(id);
        if let Some(error) = stream.error.take() {
            stream.dissolve();
            return Err(error);
        }
        match stream.phase {
            Phase::Connecting => Err(Errno::AGAIN),
            Phase::Established => {
                stream.call = Call::Answered;
                Ok(())
            }
            // Whoever asked for the error has it. "Not yet" would leave its caller waiting for ever.
            Phase::Fresh | Phase::Closed => {
                stream.dissolve();
                Err(Errno::CONNABORTED)
            }
        }
    }

    /// The child of a listener that nobody will accept: its client is told.
    pub(super) fn turn_away(&mut self, child: Id) {
        let Some(stream) = self.stream_if_there(child) else { return };
        let (family, other, unread) = (stream.family, stream.other, stream.unread());
        stream.wire.clear();
        let host = self.host_of(child);
        self.remove(child);
        match other {
            Some(other) if family == Family::Unix => self.end_unix(other, unread, true),
            Some(other) => self.post(other, host, What::Reset),
            None => {}
        }
    }
}
