//! A connection on which one thread blocks, and which another can end.
//!
//! A thread inside `recv(2)` or `send(2)` hears nobody: no flag, no channel, no other thread. It can be reached through its
//! socket alone: `shutdown(2)` makes a receive return as at the client's end, and a send fail. So whoever blocks says first
//! in what, under the lock under which orders are given: an order finds it asleep and wakes it, or is found by it.

use std::io::{self, Read};
use std::net::Shutdown;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use socket2::Socket;
use switchboard_selector::unsent;

/// See the top of this file.
#[derive(Debug)]
pub(super) struct Connection {
    socket: Socket,
    state: Mutex<State>,
    ordered: Condvar,
}

/// What the thread is to do that blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    GoOn,
    /// To hear nothing more; what is to be said still is.
    HearNoMore,
    /// To let go. So many bytes had been taken over by the system, and not acknowledged.
    Cut {
        unsent: u64,
    },
}

#[derive(Debug)]
struct State {
    order: Order,
    doing: Doing,
    /// Its reading was ended under it, and cannot begin again.
    is_deaf: bool,
    /// As it is set on the socket.
    receive_timeout: Option<Duration>,
}

/// What the thread blocks in, or did last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Receiving,
    Sending,
    Sleeping,
    /// Receiving, only to see the client's end.
    Leaving,
}

impl Connection {
    /// Makes the socket block.
    pub(super) fn new(socket: Socket) -> Self {
        socket.set_nonblocking(false).expect("a socket that is open has a mode");
        // Pieces are sent when they come: a typist waits for each. Where it cannot be set, as on a Unix socket, it is only
        // slower.
        socket.set_tcp_nodelay(true).ok();
        let state =
            State { order: Order::GoOn, doing: Doing::Sleeping, is_deaf: false, receive_timeout: None };
        Self { socket, state: Mutex::new(state), ordered: Condvar::new() }
    }

    pub(super) fn into_socket(self) -> Socket {
        self.socket
    }

    pub(super) fn order(&self) -> Order {
        self.lock().order
    }

    /// Receives, and blocks until something comes or the time is over; `None` then, and if an order has come.
    pub(super) fn receive(&self, into: &mut [u8], time: Option<Duration>) -> io::Result<Option<usize>> {
        let mut state = self.lock();
        match (state.doing, state.order) {
            (_, Order::Cut { .. }) => return Ok(None),
            (Doing::Leaving, _) => {}
            (_, Order::GoOn) => state.doing = Doing::Receiving,
            (_, Order::HearNoMore) => return Ok(None),
        }
        // In whole milliseconds, so that the same time again is no system call; zero would mean for ever.
        let time = time.map(|time| Duration::from_millis((time.as_micros() as u64).div_ceil(1000).max(1)));
        if time != state.receive_timeout {
            self.socket.set_read_timeout(time)?;
            state.receive_timeout = time;
        }
        drop(state);
        none_if_in_vain((&self.socket).read(into))
    }

    /// Sends, and blocks until all is taken over, or some of it when the time of [`bound_sends`](Self::bound_sends) is over;
    /// `None` if nothing was, or if an order to let go has come.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        let mut state = self.lock();
        if matches!(state.order, Order::Cut { .. }) {
            return Ok(None);
        }
        state.doing = Doing::Sending;
        drop(state);
        none_if_in_vain(self.socket.send(bytes))
    }

    /// How long a send blocks at most.
    pub(super) fn bound_sends(&self, time: Duration) -> io::Result<()> {
        self.socket.set_write_timeout(Some(time.max(Duration::from_millis(1))))
    }

    /// Sleeps until then (`None` is for ever), or until there is an order other than the one that is being followed.
    pub(super) fn sleep(&self, until: Option<Instant>, now: Instant, following: Order) {
        let mut state = self.lock();
        if state.doing != Doing::Leaving {
            state.doing = Doing::Sleeping;
        }
        let no_news = |state: &mut State| state.order == following;
        let slept = match until {
            None => self.ordered.wait_while(state, no_news).map(drop).is_ok(),
            Some(until) => {
                let time = until.saturating_duration_since(now);
                self.ordered.wait_timeout_while(state, time, no_news).map(drop).is_ok()
            }
        };
        debug_assert!(slept, "nobody panics holding this lock");
    }

    /// From now on it is received only to see the client's end, unless it was to be cut off.
    pub(super) fn take_leave(&self) -> Order {
        let mut state = self.lock();
        if !matches!(state.order, Order::Cut { .. }) {
            state.doing = Doing::Leaving;
        }
        state.order
    }

    /// Ends our side.
    pub(super) fn end_sending(&self) {
        // Has the client gone altogether, there is nobody to take leave of.
        self.socket.shutdown(Shutdown::Write).ok();
    }

    /// Whether its reading was ended by an order that found it asleep. With our side ended as well, the next byte that comes
    /// resets the connection, and what the client has not got by then is lost (RFC 1122, 4.2.2.13).
    pub(super) fn is_deaf(&self) -> bool {
        self.lock().is_deaf
    }

    /// How many bytes are with the system that the client has not acknowledged, as far as it can be known.
    pub(super) fn unsent(&self) -> u64 {
        unsent(&self.socket).unwrap_or(0) as u64
    }

    /// Closing it resets the connection, and throws away what was not sent yet.
    pub(super) fn reset(&self) {
        self.socket.set_linger(Some(Duration::ZERO)).ok();
    }

    /// From another thread: nothing more is to be heard.
    pub(super) fn end_reading(&self) {
        let mut state = self.lock();
        if state.order == Order::GoOn {
            state.order = Order::HearNoMore;
            if state.doing == Doing::Receiving {
                state.is_deaf = true;
                self.socket.shutdown(Shutdown::Read).ok();
            }
            self.ordered.notify_all();
        }
    }

    /// From another thread: it is to be cut off, unless it is leaving anyway, which it does at once then.
    pub(super) fn cut(&self) {
        let mut state = self.lock();
        if matches!(state.order, Order::Cut { .. }) {
            return;
        }
        // Before the shutdown, whose FIN would be counted.
        state.order = Order::Cut { unsent: self.unsent() };
        if state.doing != Doing::Leaving {
            self.reset();
        }
        match state.doing {
            Doing::Receiving | Doing::Leaving => self.socket.shutdown(Shutdown::Read).ok(),
            // The FIN goes nowhere: what could not be sent is before it.
            Doing::Sending => self.socket.shutdown(Shutdown::Write).ok(),
            Doing::Sleeping => None,
        };
        self.ordered.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that blocks says `EWOULDBLOCK` when its time is over (socket(7), SO_RCVTIMEO).
fn none_if_in_vain(called: io::Result<usize>) -> io::Result<Option<usize>> {
    match called {
        Ok(count) => Ok(Some(count)),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
