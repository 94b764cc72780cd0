//! Accepting connections by callback.
//!
//! Out of descriptors, it does not spin and closes nobody: it says so once, pauses, and tries again until it
//! can; those who connect meanwhile wait in the listener's queue. What one client does to its own connection
//! before it is accepted ends nothing for the others.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use rustix::io::Errno;

use super::{Completion, EventLoop};
use crate::engine::{Address, Close, Done, Failed, Op, Socket, Submitted, Ticket};

/// A listener that calls back with each connection.
#[derive(Clone)]
pub struct Acceptor {
    inner: Rc<Inner>,
}

struct Inner {
    listener: Socket,
    on_connection: RefCell<Box<OnConnection>>,
    ticket: Cell<Option<Ticket>>,
    /// It was said that descriptors have run out, and none was had since.
    exhausted: Cell<bool>,
    stopped: Cell<bool>,
}

type OnConnection = dyn FnMut(&EventLoop, Socket, Address);

impl Acceptor {
    /// Accepts on a listener, which it owns from here on, until [`stop`](Self::stop).
    ///
    /// Each connection belongs to the callback: what it does not keep or close stays open.
    pub fn start(
        event_loop: &EventLoop,
        listener: Socket,
        on_connection: impl FnMut(&EventLoop, Socket, Address) + 'static,
    ) -> Self {
        let inner = Rc::new(Inner {
            listener,
            on_connection: RefCell::new(Box::new(on_connection)),
            ticket: Cell::new(None),
            exhausted: Cell::new(false),
            stopped: Cell::new(false),
        });
        let first = Rc::clone(&inner);
        event_loop.soon(move |event_loop| first.accept(event_loop));
        Self { inner }
    }

    /// Empties the queue of those who have connected already, then closes the listener. Bounded, so that a flood
    /// of new ones cannot keep it from ending. Called by the acceptor's own callback, it does so in the next pass.
    pub fn stop(&self, event_loop: &EventLoop) {
        let inner = &self.inner;
        if inner.stopped.replace(true) {
            return;
        }
        if let Some(ticket) = inner.ticket.take() {
            event_loop.withdraw(ticket);
        }
        if inner.on_connection.try_borrow_mut().is_ok() {
            inner.empty(event_loop);
        } else {
            // The callback itself stops it, and cannot be called with the others before it has returned.
            let inner = Rc::clone(inner);
            event_loop.soon(move |event_loop| inner.empty(event_loop));
        }
    }
}

impl Inner {
    /// Takes all of the queue, and closes the listener.
    fn empty(&self, event_loop: &EventLoop) {
        for _ in 0..MOST_QUEUED {
            let op = Op::Accept { socket: self.listener, wait: false };
            // Not a temporary of the `match`: the callback may need the engine.
            let submitted = event_loop.engine().submit(op);
            match submitted {
                Submitted::Done(Ok(Done::Accepted { socket, peer })) => self.call(event_loop, socket, peer),
                Submitted::Done(Err(failed)) if is_transient(&failed.error) => {}
                Submitted::Done(_) => break,
                Submitted::Pending(ticket) => {
                    event_loop.withdraw(ticket);
                    break;
                }
            }
        }
        event_loop.engine().close(self.listener, Close::Now);
    }

    fn accept(self: &Rc<Self>, event_loop: &EventLoop) {
        for _ in 0..ACCEPTS_PER_TURN {
            if self.stopped.get() {
                return;
            }
            let op = Op::Accept { socket: self.listener, wait: true };
            match event_loop.submit(op, Rc::<Self>::clone(self)) {
                Submitted::Pending(ticket) => return self.ticket.set(Some(ticket)),
                Submitted::Done(outcome) => {
                    if !self.take(event_loop, outcome) {
                        return;
                    }
                }
            }
        }
        let this = Rc::clone(self);
        event_loop.soon(move |event_loop| this.accept(event_loop));
    }

    /// Takes an outcome in. Whether to go on accepting right away.
    fn take(self: &Rc<Self>, event_loop: &EventLoop, outcome: Result<Done, Failed>) -> bool {
        match outcome {
            Ok(Done::Accepted { socket, peer }) => {
                self.exhausted.set(false);
                self.call(event_loop, socket, peer);
                true
            }
            Ok(_) => true,
            Err(failed) if is_transient(&failed.error) => {
                tracing::debug!("a connection was gone before it was accepted: {}", failed.error);
                true
            }
            Err(failed) if is_exhaustion(&failed.error) => {
                if !self.exhausted.replace(true) {
                    tracing::warn!("cannot accept for now: {}; trying again until it works", failed.error);
                }
                let this = Rc::clone(self);
                event_loop.later(PAUSE, move |event_loop| this.accept(event_loop));
                false
            }
            Err(failed) => {
                if !self.stopped.get() {
                    tracing::error!("stopped accepting: {}", failed.error);
                }
                false
            }
        }
    }

    fn call(&self, event_loop: &EventLoop, socket: Socket, peer: Address) {
        event_loop.protect(|| (self.on_connection.borrow_mut())(event_loop, socket, peer));
    }
}

impl Completion for Inner {
    fn complete(self: Rc<Self>, event_loop: &EventLoop, _: Ticket, outcome: Result<Done, Failed>) {
        self.ticket.set(None);
        if self.take(event_loop, outcome) {
            self.accept(event_loop);
        }
    }
}

/// What befell a connection before it was accepted (accept(2), "error handling"): the next may be fine.
fn is_transient(error: &io::Error) -> bool {
    is_one_of(
        error,
        &[
            Errno::CONNABORTED,
            Errno::INTR,
            Errno::PROTO,
            Errno::NETDOWN,
            Errno::NETUNREACH,
            Errno::HOSTDOWN,
            Errno::HOSTUNREACH,
            Errno::NOPROTOOPT,
            Errno::OPNOTSUPP,
            Errno::PERM,
        ],
    )
}

/// Something has run out that may come back.
fn is_exhaustion(error: &io::Error) -> bool {
    is_one_of(error, &[Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM])
}

fn is_one_of(error: &io::Error, errors: &[Errno]) -> bool {
    error.raw_os_error().is_some_and(|code| errors.iter().any(|errno| errno.raw_os_error() == code))
}

/// How many connections are accepted before others get their turn.
const ACCEPTS_PER_TURN: usize = 64;

/// How many connections a queue holds at most, and then some (`net.core.somaxconn` is 4,096).
const MOST_QUEUED: usize = 8192;

/// How long to wait for a descriptor to be free.
const PAUSE: Duration = Duration::from_millis(100);
