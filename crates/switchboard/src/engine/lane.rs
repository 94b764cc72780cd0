//! One direction of one socket: who waits, what was finished and not taken, what arrived for nobody.
//!
//! Every engine needs this, so it is written once. Laws 2, 3 and 4 live here: operations are served from
//! the front, and what a cancelled operation leaves behind goes to the front of [`arrived`](Lane::arrived),
//! where the next operation looks before it looks anywhere else.

use std::collections::VecDeque;
use std::io;
use std::net::Shutdown;

use super::error::is_exhaustion;
use super::{Address, Done, Lease, Op, Pool, Socket, Ticket};

/// One direction of one socket.
#[derive(Default)]
pub(super) struct Lane {
    /// Operations that wait, oldest first.
    pub(super) waiting: VecDeque<Ticket>,
    /// Operations that took something off the lane, or an error, and are finished and not yet taken, oldest first.
    /// They may yet be cancelled, and then what they were given comes before all that is still to arrive.
    pub(super) settled: VecDeque<Ticket>,
    /// What arrived and belongs to nobody yet, oldest first.
    pub(super) arrived: VecDeque<Arrival>,
}

/// Something that arrived on a lane.
#[derive(Debug)]
pub(super) enum Arrival {
    Bytes(Lease),
    End,
    Connection { socket: Socket, peer: Address },
    Datagram { lease: Lease, from: Address, truncated: bool },
    Error(io::Error),
}

impl Lane {
    /// Serves an operation from what has arrived. `None` if nothing there is for it.
    pub(super) fn serve(&mut self, op: &Op, pool: &Pool) -> Option<io::Result<Done>> {
        let first = self.arrived.front_mut()?;
        Some(Ok(match (op, first) {
            (Op::Ready { .. }, _) => Done::Ready,
            // Neither is about what has arrived: a release hands it out, and ending the read side only adds the end.
            (Op::Release { .. } | Op::Shutdown { how: Shutdown::Read, .. }, _) => return None,
            (_, Arrival::Error(_)) => match self.arrived.pop_front() {
                Some(Arrival::Error(error)) => return Some(Err(error)),
                _ => unreachable!("the front of the lane was just seen to be an error"),
            },
            (Op::Recv { .. }, Arrival::End) => Done::Received { lease: Lease::empty() },
            (Op::Recv { max, peek: true, .. }, Arrival::Bytes(_)) => {
                Done::Received { lease: self.show(*max, pool) }
            }
            (Op::Recv { max, .. }, Arrival::Bytes(lease)) if *max < lease.len() => {
                let part = pool.copy(&lease[..*max]);
                lease.advance(*max);
                Done::Received { lease: part }
            }
            (Op::RecvFrom { max, .. }, Arrival::Datagram { lease, truncated, .. }) if *max < lease.len() => {
                lease.truncate(*max);
                *truncated = true;
                self.arrived.pop_front()?.into_done()
            }
            (Op::Recv { .. }, Arrival::Bytes(_))
            | (Op::RecvFrom { .. }, Arrival::Datagram { .. })
            | (Op::Accept { .. }, Arrival::Connection { .. }) => self.arrived.pop_front()?.into_done(),
            _ => return None,
        }))
    }

    /// A copy of the bytes at the front, as many as one buffer holds.
    fn show(&self, max: usize, pool: &Pool) -> Lease {
        let mut shown = pool.lend();
        for arrival in &self.arrived {
            let Arrival::Bytes(lease) = arrival else { break };
            let room = shown.spare().len().min(max - shown.len());
            let part = &lease[..lease.len().min(room)];
            shown.spare()[..part.len()].copy_from_slice(part);
            shown.fill(part.len());
        }
        shown
    }

    /// How many bytes have arrived, up to whatever else has.
    pub(super) fn bytes(&self) -> usize {
        let lengths = self.arrived.iter().map_while(|arrival| match arrival {
            Arrival::Bytes(lease) => Some(lease.len()),
            _ => None,
        });
        lengths.sum()
    }

    /// Copies arrived bytes into a slice. `None` if no bytes have arrived.
    pub(super) fn serve_slice(&mut self, into: &mut [u8]) -> Option<io::Result<usize>> {
        match self.arrived.front_mut()? {
            Arrival::Bytes(lease) => {
                let count = lease.len().min(into.len());
                into[..count].copy_from_slice(&lease[..count]);
                lease.advance(count);
                if lease.is_empty() {
                    self.arrived.pop_front();
                }
                Some(Ok(count))
            }
            Arrival::End => Some(Ok(0)),
            Arrival::Error(_) => match self.arrived.pop_front() {
                Some(Arrival::Error(error)) => Some(Err(error)),
                _ => unreachable!("the front of the lane was just seen to be an error"),
            },
            _ => None,
        }
    }

    /// The first error that arrived and was told to nobody.
    pub(super) fn error(&self) -> Option<&io::Error> {
        self.arrived.iter().find_map(|arrival| match arrival {
            Arrival::Error(error) => Some(error),
            _ => None,
        })
    }

    /// Whether an operation has to queue: before it come those that wait, and those that are finished and may yet
    /// give back what they were given.
    pub(super) fn is_spoken_for(&self) -> bool {
        !self.waiting.is_empty() || !self.settled.is_empty()
    }

    /// Ends it: who receives gets what has arrived, and then the end.
    pub(super) fn end(&mut self) {
        if !matches!(self.arrived.back(), Some(Arrival::End)) {
            self.arrived.push_back(Arrival::End);
        }
    }

    /// Puts back what finished operations were given, oldest first, ahead of what else has arrived.
    pub(super) fn put_back(&mut self, arrivals: Vec<Arrival>) {
        for arrival in arrivals.into_iter().rev() {
            self.arrived.push_front(arrival);
        }
    }
}

impl Arrival {
    /// What an outcome took from its lane, if it took something.
    pub(super) fn from_outcome(op: &Op, outcome: io::Result<Done>) -> Option<Self> {
        match (op, outcome) {
            (Op::Recv { peek: true, .. }, Ok(_)) => None,
            (_, Ok(Done::Received { lease })) if lease.is_empty() => Some(Self::End),
            (_, Ok(Done::Received { lease })) => Some(Self::Bytes(lease)),
            (_, Ok(Done::Accepted { socket, peer })) => Some(Self::Connection { socket, peer }),
            (_, Ok(Done::Datagram { lease, from, truncated })) => {
                Some(Self::Datagram { lease, from, truncated })
            }
            (_, Ok(_)) => None,
            // The connection is still in the queue: whoever asks next is told afresh, and by then it may be different.
            (Op::Accept { .. }, Err(error)) if is_exhaustion(&error) => None,
            (_, Err(error)) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::InvalidInput => None,
                _ => Some(Self::Error(error)),
            },
        }
    }

    /// The outcome that gives it to somebody. Errors are given as errors by the caller.
    pub(super) fn into_done(self) -> Done {
        match self {
            Self::Bytes(lease) => Done::Received { lease },
            Self::End | Self::Error(_) => Done::Received { lease: Lease::empty() },
            Self::Connection { socket, peer } => Done::Accepted { socket, peer },
            Self::Datagram { lease, from, truncated } => Done::Datagram { lease, from, truncated },
        }
    }

    /// The same, errors included.
    pub(super) fn into_outcome(self) -> io::Result<Done> {
        match self {
            Self::Error(error) => Err(error),
            other => Ok(other.into_done()),
        }
    }
}
