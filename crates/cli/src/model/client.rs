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

use rustix::net::{RecvFlags, recv};
use socket2::Socket;
use switchboard::engine::Address;
use switchboard::server::Why;
use switchboard_selector::{Interest, unsent};

use crate::error::reason;
use crate::explain::Explain;
use crate::serve::idle::{Idle, Verdict};
use crate::serve::ledger::{Gone, Visit};
use crate::serve::reception::now as this_moment;
use crate::serve::step::Step;
use crate::session::{End, Session};

/// See the top of this file.
pub(crate) struct Client {
    socket: Socket,
    peer: Address,
    session: Session,
    since: Instant,
    idle: Idle,
    stage: Stage,
    /// The system says that nothing comes or goes any more.
    hung_up: bool,
    /// Less than there was room for may be received though more is there: the end, or what is behind an urgent byte.
    short_tells_nothing: bool,
    explain: Explain,
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
        explain: Explain,
        now: Instant,
    ) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        if let Address::Ip(_) = peer {
            // Pieces are sent when they come: a typist waits for each. Where it cannot be set, it is only slower.
            socket.set_tcp_nodelay(true).ok();
        }
        let (stage, hung_up, short_tells_nothing) = (Stage::Talking, false, false);
        let mut client = Self {
            socket,
            peer,
            session,
            since: now,
            idle: Idle::new(idle_timeout, now),
            stage,
            hung_up,
            short_tells_nothing,
            explain,
        };
        client.settle(now);
        Ok(client)
    }

    /// Receives once, if it is to be heard.
    pub(crate) fn receive(&mut self, into: &mut [u8], now: Instant) -> Step {
        if !self.may_receive() {
            return Step::Idle;
        }
        match (&self.socket).read(into) {
            Ok(count) => {
                self.received(&into[..count], now);
                // Only TCP gives all it has in one call.
                let is_tcp = matches!(self.peer, Address::Ip(_));
                if 0 < count && count < into.len() && is_tcp && !self.short_tells_nothing {
                    return Step::Drained;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.short_tells_nothing = false;
                return Step::WouldBlock;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => self.fail(&error),
        }
        Step::Done
    }

    /// Receives its urgent byte, if there is one: TCP can tell of one, by a way of its own (`MSG_OOB` of recv(2)). Until it
    /// is fetched it is told of; and a receive that begins at its place in the stream throws it away.
    pub(crate) fn receive_urgent(&mut self, now: Instant) {
        let mut byte = [0];
        // Whatever is wrong with the connection, the next receive or send will say.
        if matches!(recv(&self.socket, &mut byte, RecvFlags::OOB), Ok((_, 1))) {
            self.idle.interrupt(now);
            let (peer, [byte]) = (&self.peer, byte);
            tracing::info!("{peer} sent the urgent byte {byte}");
            self.explain.tell(|| format!("{peer} sent the urgent byte {byte}, beside the stream; it stays"));
        }
    }

    /// Sends once, if something is to be sent. What the system does not take stays where it is.
    pub(crate) fn send(&mut self, now: Instant) -> Step {
        if !matches!(self.stage, Stage::Talking) {
            return Step::Idle;
        }
        let bytes = self.session.sendable(now);
        if bytes.is_empty() {
            return Step::Idle;
        }
        match self.socket.send(bytes) {
            Ok(count) => {
                let (all, was_full) = (bytes.len(), self.session.is_full());
                self.session.sent(count);
                self.idle.interrupt(now);
                self.tell_of_room(count, all, was_full);
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
        if matches!(self.stage, Stage::Talking) && !self.session.sendable(now).is_empty() {
            interest |= Interest::WRITE;
        }
        interest
    }

    /// When to look at it again though nothing came: for a late answer, the idle timeout, the end of a parting.
    pub(crate) fn wake(&self, now: Instant) -> Option<Instant> {
        match &self.stage {
            Stage::Talking => [self.session.wake(now), self.idle.wake()].into_iter().flatten().min(),
            Stage::Parting { until, .. } => Some(*until),
            Stage::Gone(_) => None,
        }
    }

    /// Takes note of the time. Whether there may be something to say now: it has been idle for too long.
    pub(crate) fn look_at_the_clock(&mut self, now: Instant) -> bool {
        let mut is_idle = false;
        if let Stage::Talking = self.stage {
            match self.idle.look(now, || unsent(&self.socket).unwrap_or(0)) {
                Verdict::GoOn => {}
                Verdict::EndReading => {
                    is_idle = true;
                    self.end_reading(now);
                }
                Verdict::Cancel => self.cancel(Why::Idle),
            }
        }
        let is_over = self.hung_up && self.interest(now).is_empty();
        match &self.stage {
            Stage::Parting { until, .. } if *until <= now => {
                // Somebody who does not read is not to keep the system busy after us.
                if unsent(&self.socket).is_ok_and(|count| count > 0) {
                    self.reset();
                }
                self.go();
            }
            Stage::Talking if is_over => {
                let error = self.socket.take_error().unwrap_or_else(Some);
                self.fail(&error.unwrap_or_else(|| io::ErrorKind::BrokenPipe.into()));
            }
            _ => {}
        }
        is_idle
    }

    /// The system says that behind the bytes there is something else, at which a receive stops.
    pub(crate) fn expect_more(&mut self) {
        self.short_tells_nothing = true;
    }

    /// The system says, unasked, that the connection is over in both directions. Is there something to receive or to send,
    /// that call will tell more; otherwise there is no call that would.
    pub(crate) fn hang_up(&mut self) {
        self.hung_up = true;
    }

    /// It cannot be served.
    pub(crate) fn fail(&mut self, error: &io::Error) {
        if let Stage::Parting { .. } = self.stage {
            return self.go();
        }
        self.stage = Stage::Gone(Gone::Failed(reason(error)));
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

    /// Whether nothing waits to be sent to it; what was cut short waits for nothing any more.
    pub(crate) fn is_silent(&self) -> bool {
        !matches!(self.stage, Stage::Talking) || self.session.is_silent()
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
                self.idle.interrupt(now);
                self.session.hear(bytes, this_moment());
                if self.session.is_full() {
                    let (peer, waiting) = (&self.peer, self.session.waiting());
                    self.explain.tell(|| {
                        format!("too much waits to be sent to {peer} ({waiting} bytes): nothing more is received from it")
                    });
                }
            }
            // Its time and its bytes go on being counted from when it began.
            Stage::Parting { left, .. } if !bytes.is_empty() && *left > bytes.len() => {
                *left -= bytes.len();
                return;
            }
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

    fn go(&mut self) {
        if let Stage::Parting { gone, .. } = &self.stage {
            self.stage = Stage::Gone(gone.clone());
        }
    }

    /// Says so, if the system took a part only, or if there is room again for answers.
    fn tell_of_room(&self, count: usize, all: usize, was_full: bool) {
        let peer = &self.peer;
        if count < all {
            self.explain.tell(|| format!("sent {count} of {all} bytes to {peer}; the rest waits"));
        }
        if was_full && !self.session.is_full() {
            self.explain.tell(|| format!("enough was sent to {peer}: it is received from again"));
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
