//! Accepting connections by callback.
//!
//! Out of descriptors, it does not spin and closes nobody: it says so once, pauses, and tries again until it
//! can; those who connect meanwhile wait in the listener's queue. What one client does to its own connection
//! before it is accepted ends nothing for the others.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::{Completion, EventLoop, Failure};
use crate::engine::{
    Address, Close, Done, Failed, Op, Socket, Submitted, Ticket, is_exhaustion, is_transient,
};

/// A listener that calls back with each connection.
///
/// ```
/// use switchboard::EventLoop;
/// use switchboard::engine::{Listen, Plan};
/// use switchboard::event_loop::{Acceptor, Connection};
///
/// let event_loop = EventLoop::new()?;
/// let address = "127.0.0.1:0".parse().map_err(std::io::Error::other)?;
/// let listener = event_loop.engine().open(Plan::Listen(Listen::at(address)))?;
/// let acceptor = Acceptor::start(&event_loop, listener, |event_loop, socket, peer| {
///     Connection::start(event_loop, socket, peer, |connection: &Connection, data: &[u8]| {
///         connection.send(data).unwrap_or_else(|error| connection.abort(error));
///     });
/// });
/// event_loop.soon(move |event_loop| acceptor.stop(event_loop)); // or on a signal
/// event_loop.run()?; // until the last connection is closed
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Acceptor {
    inner: Rc<Inner>,
}

struct Inner {
    listener: Socket,
    /// Away while it is being called, and for good once the listener is closed.
    on_connection: RefCell<Option<Box<OnConnection>>>,
    ticket: Cell<Option<Ticket>>,
    /// It was said that descriptors have run out, and none was had since.
    exhausted: Cell<bool>,
    stopped: Cell<bool>,
    closed: Cell<bool>,
}

type OnConnection = dyn FnMut(&EventLoop, Socket, Address);

impl Acceptor {
    /// Accepts on a listener, which it owns from here on, until [`stop`](Self::stop).
    ///
    /// Each connection belongs to the callback: what it does not keep or close stays open, unless it panics.
    pub fn start(
        event_loop: &EventLoop,
        listener: Socket,
        on_connection: impl FnMut(&EventLoop, Socket, Address) + 'static,
    ) -> Self {
        let inner = Rc::new(Inner {
            listener,
            on_connection: RefCell::new(Some(Box::new(on_connection))),
            ticket: Cell::new(None),
            exhausted: Cell::new(false),
            stopped: Cell::new(false),
            closed: Cell::new(false),
        });
        let first = Rc::clone(&inner);
        event_loop.soon(move |event_loop| first.accept(event_loop));
        Self { inner }
    }

    /// Empties the queue of those who have connected already, then closes the listener and drops the callback.
    /// Bounded, so that a flood of new ones cannot keep it from ending. From within the callback it is done in the
    /// next pass; and without descriptors to accept them with, when there are some, or given up after two seconds.
    pub fn stop(&self, event_loop: &EventLoop) {
        let inner = &self.inner;
        if inner.stopped.replace(true) {
            return;
        }
        if let Some(ticket) = inner.ticket.take() {
            event_loop.withdraw(ticket);
        }
        if inner.on_connection.borrow().is_some() {
            inner.end(event_loop, MOST_TRIES);
        } else {
            let this = Rc::clone(inner);
            event_loop.soon(move |event_loop| this.end(event_loop, MOST_TRIES));
        }
    }

    /// Whether the listener is open: it accepts, or its queue is being emptied.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.inner.closed.get()
    }
}

impl Inner {
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
                    event_loop.report(&Failure::new("stopped accepting", failed.error.to_string()));
                }
                false
            }
        }
    }

    /// Takes all who wait in the queue, and closes it.
    fn end(self: &Rc<Self>, event_loop: &EventLoop, tries: u32) {
        for _ in 0..MOST_QUEUED {
            let op = Op::Accept { socket: self.listener, wait: false };
            // Not a temporary of the `match`: the callback may need the engine.
            let submitted = event_loop.engine().submit(op);
            match submitted {
                Submitted::Done(Ok(Done::Accepted { socket, peer })) => self.call(event_loop, socket, peer),
                Submitted::Done(Err(failed)) if is_transient(&failed.error) => {}
                Submitted::Done(Err(failed)) if is_exhaustion(&failed.error) && tries > 0 => {
                    let this = Rc::clone(self);
                    event_loop.later(PAUSE, move |event_loop| this.end(event_loop, tries - 1));
                    return;
                }
                Submitted::Done(_) => break,
                Submitted::Pending(ticket) => {
                    event_loop.withdraw(ticket);
                    break;
                }
            }
        }
        event_loop.engine().close(self.listener, Close::Now);
        self.closed.set(true);
        // It may hold this acceptor, and neither would ever be dropped.
        let callback = self.on_connection.take();
        drop(callback);
    }

    /// Calls back. A connection whose callback panics is nobody's, and is reset.
    fn call(&self, event_loop: &EventLoop, socket: Socket, peer: Address) {
        let Some(mut callback) = self.on_connection.take() else { return };
        if event_loop.protect(|| callback(event_loop, socket, peer)).is_none() {
            event_loop.engine().close(socket, Close::Reset);
        }
        self.on_connection.replace(Some(callback));
    }
}

impl Completion for Inner {
    fn complete(self: Rc<Self>, event_loop: &EventLoop, _: Ticket, outcome: Result<Done, Failed>) {
        self.ticket.set(None);
        if self.take(event_loop, outcome) {
            self.accept(event_loop);
        }
    }

    fn who(&self) -> String {
        "an acceptor".to_owned()
    }
}

/// How many connections are accepted before others get their turn.
const ACCEPTS_PER_TURN: usize = 64;

/// How many connections a queue holds at most, and then some (`net.core.somaxconn` is 4,096).
const MOST_QUEUED: usize = 8192;

/// How long to wait for a descriptor to be free.
const PAUSE: Duration = Duration::from_millis(100);

/// How often that is done while the queue is being emptied.
const MOST_TRIES: u32 = 20;
