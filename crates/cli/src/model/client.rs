//! One client of a server that never waits for it: a socket in non-blocking mode, and the two calls on which all the
//! models in this folder are built.
//!
//! On such a socket `recv(2)` and `send(2)` do what can be done now and say how much that was; if that is nothing, they say
//! `EWOULDBLOCK`, which is no error but an answer: "later". *When* to ask again is what the models differ in.
//! A receive of no bytes is the client's end, not "nothing there". A send may take a part: the session keeps the rest.

use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use socket2::Socket;
use switchboard::engine::Address;
use switchboard::server::Why;
use switchboard_selector::{Interest, unsent};

use crate::error::reason;
use crate::serve::ledger::{Gone, Visit};
use crate::session::{End, Session};

/// See the top of this file.
pub(crate) struct Client {
    socket: Socket,
    peer: Address,
    session: Session,
    since: Instant,
    /// When a byte last went either way.
    active: Instant,
    idle_timeout: Option<Duration>,
    stage: Stage,
}

/// What a call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Something happened: another call may be worth it.
    Done,
    /// There was nothing to call for.
    Idle,
    /// It was called in vain: nothing is there, or no room. Later.
    WouldBlock,
}

/// How far it is.
enum Stage {
    Talking,
    /// All is sent and our side ended, and the client's end is waited for: a socket that is closed with bytes unread
    /// resets the connection, which can overtake our last words and wipe them out.
    Parting {
        until: Instant,
        left: usize,
        gone: Gone,
    },
    Gone(Gone),
}

impl Client {
    pub(crate) fn new(
        (socket, peer): (Socket, Address),
        session: Session,
        idle_timeout: Option<Duration>,
        now: Instant,
    ) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        if let Address::Ip(_) = peer {
            // Pieces are sent when they come: a typist waits for each. Where it cannot be set, it is only slower.
            socket.set_tcp_nodelay(true).ok();
        }
        let mut client =
            Self { socket, peer, session, since: now, active: now, idle_timeout, stage: Stage::Talking };
        client.settle(now);
        Ok(client)
    }

    /// Receives once, if it is to be heard.
    pub(crate) fn receive(&mut self, into: &mut [u8], now: Instant) -> Step {
        if !self.may_receive() {
            return Step::Idle;
        }
        match (&self.socket).read(into) {
            Ok(count) => self.received(&into[..count], now),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Step::WouldBlock,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => self.fail(&error),
        }
        Step::Done
    }

    /// Sends once, if something is to be sent. What the system does not take stays where it is.
    pub(crate) fn send(&mut self, now: Instant) -> Step {
        if !matches!(self.stage, Stage::Talking) {
            return Step::Idle;
        }
        let bytes = self.session.to_send(now);
        if bytes.is_empty() {
            return Step::Idle;
        }
        match self.socket.send(bytes) {
            Ok(count) => {
                self.session.sent(count);
                self.active = now;
                self.settle(now);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Step::WouldBlock,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => self.fail(&error),
        }
        Step::Done
    }

    /// What to wait for: to be readable if it is to be heard, writable if something is to be sent.
    pub(crate) fn interest(&mut self, now: Instant) -> Interest {
        let mut interest = Interest::NONE;
        if self.may_receive() {
            interest |= Interest::READ;
        }
        if matches!(self.stage, Stage::Talking) && !self.session.to_send(now).is_empty() {
            interest |= Interest::WRITE;
        }
        interest
    }

    /// When to look at it again though nothing came: for a late answer, the idle timeout, the end of a parting.
    pub(crate) fn wake(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Talking => {
                let idle = self.idle_timeout.map(|time| self.active + time);
                [self.session.wake(), idle].into_iter().flatten().min()
            }
            Stage::Parting { until, .. } => Some(*until),
            Stage::Gone(_) => None,
        }
    }

    /// Takes note of the time.
    pub(crate) fn look_at_the_clock(&mut self, now: Instant) {
        match &self.stage {
            Stage::Talking if self.idle_timeout.is_some_and(|time| self.active + time <= now) => {
                self.cancel(Why::Idle);
            }
            Stage::Parting { until, .. } if *until <= now => {
                // Somebody who does not read is not to keep the system busy after us.
                if unsent(&self.socket).is_ok_and(|count| count > 0) {
                    self.reset();
                }
                self.go();
            }
            _ => {}
        }
    }

    /// Nothing more is heard from it; what is to be said still is.
    pub(crate) fn end_reading(&mut self, now: Instant) {
        if matches!(self.stage, Stage::Talking) {
            self.session.hear_end(now);
            self.settle(now);
        }
    }

    /// Cuts it off.
    pub(crate) fn cancel(&mut self, why: Why) {
        if let Stage::Parting { .. } = self.stage {
            return self.go();
        }
        if let Stage::Talking = self.stage {
            let unsent = unsent(&self.socket).unwrap_or(0) + self.session.waiting();
            self.reset();
            self.stage = Stage::Gone(Gone::Cancelled(why, unsent as u64));
        }
    }

    /// How it left, if it has, and what is to be written down of it.
    pub(crate) fn gone(&self) -> Option<(Visit<'_>, &Gone)> {
        let Stage::Gone(gone) = &self.stage else { return None };
        let (received, sent) = self.session.traffic();
        Some((Visit { peer: &self.peer, since: self.since, received, sent }, gone))
    }

    /// Whether nothing waits to be sent to it.
    pub(crate) fn is_silent(&self) -> bool {
        self.session.is_silent()
    }

    fn may_receive(&self) -> bool {
        match self.stage {
            Stage::Talking => self.session.may_hear(),
            Stage::Parting { .. } => true,
            Stage::Gone(_) => false,
        }
    }

    fn received(&mut self, bytes: &[u8], now: Instant) {
        match &mut self.stage {
            Stage::Talking if bytes.is_empty() => self.session.hear_end(now),
            Stage::Talking => {
                self.active = now;
                self.session.hear(bytes, now);
            }
            Stage::Parting { left, .. } if !bytes.is_empty() && *left > bytes.len() => *left -= bytes.len(),
            Stage::Parting { .. } => return self.go(),
            Stage::Gone(_) => return,
        }
        self.settle(now);
    }

    /// Takes leave, if the session is over.
    fn settle(&mut self, now: Instant) {
        let gone = match self.session.end() {
            Some(End::Reset) => {
                self.reset();
                self.stage = Stage::Gone(Gone::Finished);
                return;
            }
            Some(End::Finished) => Gone::Finished,
            Some(End::Failed(why)) => Gone::Failed(why.to_owned()),
            None => return,
        };
        // Has the client gone altogether, there is nobody to take leave of.
        self.socket.shutdown(Shutdown::Write).ok();
        self.stage = Stage::Parting { until: now + PARTING, left: MOST_UNREAD, gone };
    }

    fn fail(&mut self, error: &io::Error) {
        if let Stage::Parting { .. } = self.stage {
            return self.go();
        }
        self.stage = Stage::Gone(Gone::Failed(reason(error)));
    }

    fn go(&mut self) {
        if let Stage::Parting { gone, .. } = &self.stage {
            self.stage = Stage::Gone(gone.clone());
        }
    }

    /// Closing it resets the connection.
    fn reset(&self) {
        self.socket.set_linger(Some(Duration::ZERO)).ok();
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// How long and for how many bytes a client's end is waited for, as in the library.
pub(super) const PARTING: Duration = Duration::from_secs(2);
pub(super) const MOST_UNREAD: usize = 1 << 20;
