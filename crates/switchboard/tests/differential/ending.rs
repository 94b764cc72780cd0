//! The steps that end something: a direction, a connection, a name.

use std::io::{self, IoSlice};
use std::net::Shutdown;

use switchboard::engine::{Close, Done, Lease, Op, Plan, Question, Setting, Socket, Submitted};

use crate::case::{Family, Goodbye, Step};
use crate::ends::{End, Event, State, told};
use crate::play::{FITS, Outcome, Play, WAITS};
use crate::steps::GENTLY;

impl Play<'_> {
    pub(crate) fn shutdown(&mut self, end: usize, how: Shutdown) -> Outcome {
        if how != Shutdown::Write {
            self.await_arrival(end)?;
            self.ends[end].reading.is_loose |= self.is_left(end) || self.unread(end) > FITS;
            // Behind a send, it is not known when it is done.
            self.ends[end].reading.is_loose |= !self.ends[end].rows.is_empty();
        }
        let End { socket, sent, .. } = self.ends[end];
        let row = self.begin_row(Op::Shutdown { socket, how }, "shutdown", sent, false);
        self.ends[end].rows.push(row);
        self.mar(end, false);
        Ok(())
    }

    pub(crate) fn close(&mut self, end: usize, how: Goodbye) -> Outcome {
        self.settle()?;
        // A reset overtakes what waits for its acknowledgement (RFC 896).
        match self.ends[end].peer.filter(|&peer| self.ends[peer].is_open) {
            Some(peer) if self.ends[peer].reads_freely() => self.await_arrival(peer)?,
            Some(peer) => self.ends[peer].reading.is_loose |= self.unread(peer) > 0,
            None => self.ends[end].is_cut |= self.ends[end].sent > 0 && how != Goodbye::Gently,
        }
        self.await_arrival(end)?;
        let how = match how {
            Goodbye::Now => Close::Now,
            Goodbye::Reset => Close::Reset,
            Goodbye::Gently => GENTLY,
        };
        self.mar(end, how != GENTLY);
        let is_parked = self.family == Family::Abstract || self.ends[end].was_moved;
        if is_parked && how != GENTLY && self.unread(end) > 0 {
            self.blur(end);
        }
        let End { socket, .. } = self.ends[end];
        self.ends[end].is_open = false;
        self.ends[end].lingers = how == GENTLY;
        self.engine.close(socket, how);
        self.settle()
    }

    /// Whether the other end is closed, or was never accepted.
    pub(crate) fn is_left(&self, end: usize) -> bool {
        let End { peer, is_marred, .. } = self.ends[end];
        peer.map_or(is_marred, |peer| !self.ends[peer].is_open)
    }

    /// Both ends of a connection are told of an end. If one of them is cut off, what is on the way may be cut off, too.
    pub(crate) fn mar(&mut self, end: usize, is_cut: bool) {
        let peer = self.ends[end].peer;
        let unread_here = self.unread(end);
        let unread_there = match peer {
            Some(peer) => self.unread(peer),
            None => self.ends[end].sent,
        };
        self.ends[end].is_marred = true;
        if let Some(peer) = peer {
            self.ends[peer].is_marred = true;
        }
        if !is_cut {
            return;
        }
        self.ends[end].is_vague |= (FITS..WAITS).contains(&unread_there);
        self.ends[end].is_cut |= unread_there > FITS;
        if let Some(peer) = peer {
            self.ends[peer].is_vague |= (FITS..WAITS).contains(&unread_here);
            self.ends[peer].reading.is_loose |= unread_there > FITS;
        }
    }

    /// Nothing is expected of the other end any more but that it gets nothing that was not sent.
    pub(crate) fn blur(&mut self, end: usize) {
        if let Some(peer) = self.ends[end].peer {
            self.ends[peer].is_vague = true;
            self.ends[peer].reading.is_loose = true;
        }
    }

    /// Out of the engine and in again. What was parked meanwhile is received from the stash.
    pub(crate) fn move_over(&mut self, end: usize) -> Outcome {
        self.await_arrival(end)?;
        if self.is_left(end)
            || self.ends[end].gave_up
            || !self.ends[end].rows.is_empty()
            || self.ends[end].reading.is_loose
        {
            return Ok(());
        }
        let old = self.ends[end].socket;
        let flight = self.begin_flight(Op::Release { socket: old }, 0);
        let State::Done(outcome) = flight.state else {
            panic!("nobody was before the release, and it waits")
        };
        let Done::Released { descriptor, parked } = outcome.expect("an open socket can be released") else {
            panic!("not released");
        };
        for outcome in parked {
            let event = match outcome {
                Ok(Done::Received { lease }) if !lease.is_empty() => Event::Bytes(lease.to_vec()),
                Ok(other) => Event::Told(told(Ok(other))),
                Err(error) => Event::Told(format!("{:?}", error.kind())),
            };
            self.ends[end].reading.stash.push_back(event);
        }
        // Whoever waits is told by the next wait.
        self.ends[end].is_open = false;
        self.settle()?;
        self.use_stale(old, Step::Receive { end: 0, most: 1 })?;
        let end = &mut self.ends[end];
        (end.socket, end.is_open, end.was_moved) =
            (self.engine.open(Plan::Adopt(descriptor)).unwrap(), true, true);
        Ok(())
    }

    /// A step on a name that is stale. It must be said to be so.
    pub(crate) fn use_stale(&mut self, socket: Socket, step: Step) -> Outcome {
        let answer = match step {
            Step::Close { .. } => {
                self.engine.close(socket, Close::Now);
                return Ok(());
            }
            Step::TrySend { .. } => self.engine.try_send(socket, &[IoSlice::new(b"x")]).map(|_| ()),
            Step::TryReceive { .. } => self.engine.try_recv(socket, &mut [0]).map(|_| ()),
            Step::Ask { .. } => self.engine.ask(socket, Question::Local).map(|_| ()),
            Step::Set { .. } => self.engine.set(socket, Setting::NoDelay(true)),
            _ => {
                let op = match step {
                    Step::Send { .. } => Op::Send { socket, parts: vec![Lease::from(b"x")] },
                    Step::Shutdown { how, .. } => Op::Shutdown { socket, how },
                    Step::Ready { direction, .. } => Op::Ready { socket, direction },
                    Step::Move { .. } => Op::Release { socket },
                    Step::Peek { .. } => Op::Recv { socket, max: 1, peek: true },
                    _ => Op::Recv { socket, max: 1, peek: false },
                };
                match self.engine.submit(op) {
                    Submitted::Done(outcome) => outcome.map(|_| ()).map_err(io::Error::from),
                    Submitted::Pending(_) => panic!("{step:?} on a stale name waits"),
                }
            }
        };
        assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::NotFound, "{step:?} on a stale name");
        Ok(())
    }
}
