//! A connection that calls back: on data, when what waited is sent, at the peer's end, when it is closed.
//!
//! What is sent and does not fit the kernel's buffer waits in a buffer of its own, which is bounded: while
//! much waits nothing more is received, so a peer that sends and never reads stops itself; and past the bound
//! `send` refuses. An idle connection holds no buffer at all.
//!
//! What must stay true: user code is called from within a pass only, never from within a method of the connection, so a
//! handler may call any of them with whatever it has borrowed.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::rc::{Rc, Weak};
use std::time::Instant;

use super::{Completion, Core, EventLoop};
use crate::engine::{Address, Close, Done, Failed, Lease, Op, Socket, Submitted, Ticket};

/// What a [`Connection`] calls back. A closure `FnMut(&Connection, &[u8])` is one, with the rest as it stands here.
pub trait Handler {
    /// Some bytes came.
    fn on_data(&mut self, connection: &Connection, data: &[u8]);

    /// All that waited to be sent has been taken over by the system: once each time that
    /// [`buffered`](Connection::buffered) comes down to 0. Other libraries call this the drain callback.
    ///
    /// It is the occasion to send more, for one who sends only while nothing waits. Where nothing waits after a
    /// [`send`](Connection::send), there is nothing to wait for, and this is not called; nor is it once the connection
    /// is closing: then `on_close` tells.
    fn on_sent(&mut self, connection: &Connection) {
        let _ = connection;
    }

    /// The peer has ended its side, and may still read. Closes, unless told otherwise.
    fn on_end(&mut self, connection: &Connection) {
        connection.close();
    }

    /// Called once, last: closed in good order, or the error that ended it.
    fn on_close(&mut self, connection: &Connection, reason: io::Result<()>) {
        let _ = (connection, reason);
    }
}

impl<F: FnMut(&Connection, &[u8])> Handler for F {
    fn on_data(&mut self, connection: &Connection, data: &[u8]) {
        self(connection, data);
    }
}

/// A stream that calls back: from within a pass of the loop, never from within one of these methods.
///
/// Clones are the same connection; the loop holds it for as long as anything can come of it: one whose peer has
/// ended, which has nothing to send and which nobody holds any more, is closed. For an example see
/// [`Acceptor`](super::Acceptor).
#[derive(Clone)]
pub struct Connection {
    inner: Rc<Inner>,
}

struct Inner {
    event_loop: Weak<Core>,
    socket: Socket,
    peer: Address,
    /// Gone when it was told of the close: it may hold this connection, and neither would ever be dropped.
    handler: RefCell<Option<Box<dyn Handler>>>,
    receiving: Cell<Option<Ticket>>,
    sending: Cell<Option<Ticket>>,
    /// What waits behind the send that is under way.
    unsent: RefCell<Vec<u8>>,
    /// Bytes that wait, those of the send under way included.
    buffered: Cell<usize>,
    /// Bytes the kernel has taken over.
    sent: Cell<u64>,
    state: Cell<State>,
    /// Nothing is received, as it was told.
    paused: Cell<bool>,
    /// How many bytes are received at once.
    most: Cell<usize>,
    /// Others have their turn, and it receives again in the next pass.
    queued: Cell<bool>,
    active: Cell<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The peer has ended its side.
    Ended,
    /// To be closed once all is sent.
    Closing,
    Closed,
}

impl Connection {
    /// Takes over a connected stream and begins to receive from it.
    pub fn start(
        event_loop: &EventLoop,
        socket: Socket,
        peer: Address,
        handler: impl Handler + 'static,
    ) -> Self {
        let handler = Some(Box::new(handler) as Box<dyn Handler>);
        let inner = Inner::new(event_loop, socket, peer, handler, event_loop.now());
        let first = Rc::clone(&inner);
        event_loop.soon(move |event_loop| first.receive(event_loop));
        Self { inner }
    }

    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &Address {
        &self.inner.peer
    }

    /// Its name in the engine.
    #[must_use]
    pub fn socket(&self) -> Socket {
        self.inner.socket
    }

    /// Bytes that wait to be sent, besides what the kernel holds.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.inner.buffered.get()
    }

    /// Bytes that the kernel has taken over, in all; of a send under way, once that is done.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.inner.sent.get()
    }

    /// The pass in which bytes last went either way.
    #[must_use]
    pub fn active(&self) -> Instant {
        self.inner.active.get()
    }

    /// Sends these bytes, all of them, in order, after those sent before.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] when more than [`BUFFER_LIMIT`](Self::BUFFER_LIMIT) would wait then, and
    /// [`io::ErrorKind::NotConnected`] once it is closed or closing: in both cases nothing of it is sent.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let inner = &self.inner;
        let Some(event_loop) = inner.event_loop().filter(|_| inner.is_open()) else {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "the connection is closed"));
        };
        if inner.buffered.get() + bytes.len() > Self::BUFFER_LIMIT && inner.buffered.get() > 0 {
            return Err(io::Error::new(
                io::ErrorKind::WouldBlock,
                "too much waits to be sent; try when less does",
            ));
        }
        inner.send(&event_loop, bytes);
        Ok(())
    }

    /// Receives nothing from here on, until [`resume`](Self::resume): what the peer sends stays in the system's buffer, and
    /// when that is full the peer has to stop. Nothing is lost by it. Sending goes on.
    ///
    /// Its end and its errors are not noticed meanwhile, unless something is sent: `on_end` and `on_close` come after
    /// `resume`. A paused connection that has nothing to send and that nobody holds is closed.
    pub fn pause(&self) {
        self.inner.paused.set(true);
        if let Some(event_loop) = self.inner.event_loop() {
            self.inner.stop_receiving(&event_loop);
        }
    }

    /// Receives again, from the next pass on. Does nothing unless it is paused.
    pub fn resume(&self) {
        if self.inner.paused.replace(false) {
            self.inner.receive_soon();
        }
    }

    /// Hands on no more than so many bytes at once, one at least, in each [`on_data`](Handler::on_data) from here on. What
    /// else is there comes with the next. Without this it is as many as a buffer of the engine's pool holds.
    pub fn receive_at_most(&self, bytes: usize) {
        let inner = &self.inner;
        inner.most.set(bytes.max(1));
        // The one under way would still bring as many as before.
        if let Some(event_loop) = inner.event_loop().filter(|_| inner.receiving.get().is_some()) {
            inner.stop_receiving(&event_loop);
            inner.receive_soon();
        }
    }

    /// Closes it once all is sent. `on_close` will be called then, in a later pass.
    pub fn close(&self) {
        let inner = &self.inner;
        if !inner.is_open() {
            return;
        }
        inner.state.set(State::Closing);
        if let Some(event_loop) = inner.event_loop() {
            inner.stop_receiving(&event_loop);
            if inner.buffered.get() == 0 {
                inner.finish(&event_loop, Ok(()), Close::GENTLY);
            }
        }
    }

    /// Closes it at once, with RST, as something that was meant to be: what waits to be sent is dropped. `on_close` gets
    /// no error, in a later pass.
    pub fn reset(&self) {
        if let Some(event_loop) = self.inner.event_loop() {
            self.inner.finish(&event_loop, Ok(()), Close::Reset);
        }
    }

    /// The same, as a failure: `on_close` gets this reason.
    pub fn abort(&self, reason: io::Error) {
        if let Some(event_loop) = self.inner.event_loop() {
            self.inner.finish(&event_loop, Err(reason), Close::Reset);
        }
    }

    /// How many bytes may wait to be sent, unless one `send` alone is larger.
    pub const BUFFER_LIMIT: usize = 1 << 20;
}

impl Inner {
    fn new(
        event_loop: &EventLoop,
        socket: Socket,
        peer: Address,
        handler: Option<Box<dyn Handler>>,
        active: Instant,
    ) -> Rc<Self> {
        Rc::new(Self {
            event_loop: event_loop.downgrade(),
            socket,
            peer,
            handler: RefCell::new(handler),
            receiving: Cell::new(None),
            sending: Cell::new(None),
            unsent: RefCell::default(),
            buffered: Cell::new(0),
            sent: Cell::new(0),
            state: Cell::new(State::Open),
            paused: Cell::new(false),
            most: Cell::new(usize::MAX),
            queued: Cell::new(false),
            active: Cell::new(active),
        })
    }

    fn event_loop(&self) -> Option<EventLoop> {
        EventLoop::upgrade(&self.event_loop)
    }

    fn is_open(&self) -> bool {
        matches!(self.state.get(), State::Open | State::Ended)
    }

    /// Whether it is to receive, and not on the way to. With much to send, a send is under way, whose end comes back to
    /// this.
    fn is_to_receive(&self) -> bool {
        let is_paused = self.paused.get() || self.buffered.get() > PAUSE_ABOVE;
        self.state.get() == State::Open && !is_paused && self.receiving.get().is_none() && !self.queued.get()
    }

    /// Receives until nothing is there, too much waits to be sent, or others are to have their turn.
    fn receive(self: &Rc<Self>, event_loop: &EventLoop) {
        for _ in 0..RECEIVES_PER_TURN {
            if !self.is_to_receive() {
                return;
            }
            let op = Op::Recv { socket: self.socket, max: self.most.get(), peek: false };
            match event_loop.submit(op, Rc::<Self>::clone(self)) {
                Submitted::Pending(ticket) => return self.receiving.set(Some(ticket)),
                Submitted::Done(outcome) => self.received(event_loop, outcome),
            }
        }
        self.receive_soon();
    }

    /// Receives in the next pass.
    fn receive_soon(self: &Rc<Self>) {
        let Some(event_loop) = self.event_loop().filter(|_| !self.queued.replace(true)) else { return };
        let this = Rc::clone(self);
        event_loop.soon(move |event_loop| {
            this.queued.set(false);
            this.receive(event_loop);
        });
    }

    fn received(self: &Rc<Self>, event_loop: &EventLoop, outcome: Result<Done, Failed>) {
        match outcome {
            Ok(Done::Received { lease }) if lease.is_empty() => {
                self.state.set(State::Ended);
                self.call(event_loop, |handler, connection| handler.on_end(connection));
            }
            Ok(Done::Received { lease }) => {
                self.active.set(event_loop.now());
                self.call(event_loop, |handler, connection| handler.on_data(connection, &lease));
            }
            Ok(_) => {}
            Err(failed) => self.finish(event_loop, Err(failed.error), Close::Now),
        }
    }

    /// Calls the handler. If it panics, the connection is reset.
    fn call(self: &Rc<Self>, event_loop: &EventLoop, callback: impl FnOnce(&mut dyn Handler, &Connection)) {
        let connection = Connection { inner: Rc::clone(self) };
        let called = event_loop.protect(|| {
            if let Some(handler) = &mut *self.handler.borrow_mut() {
                callback(&mut **handler, &connection);
            }
        });
        if called.is_none() {
            self.finish(event_loop, Err(io::Error::other("its handler panicked")), Close::Reset);
        }
    }

    fn send(self: &Rc<Self>, event_loop: &EventLoop, mut bytes: &[u8]) {
        if self.buffered.get() == 0 {
            let tried = event_loop.engine().try_send(self.socket, &[IoSlice::new(bytes)]);
            match tried {
                Ok(count) => {
                    self.count_sent(event_loop, count);
                    bytes = &bytes[count..];
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return self.finish(event_loop, Err(error), Close::Now),
            }
        }
        if bytes.is_empty() {
            return;
        }
        self.buffered.set(self.buffered.get() + bytes.len());
        self.unsent.borrow_mut().extend_from_slice(bytes);
        self.flush(event_loop);
    }

    /// Hands what waits to the engine, unless it has not done with the last.
    fn flush(self: &Rc<Self>, event_loop: &EventLoop) {
        while self.sending.get().is_none() && !self.unsent.borrow().is_empty() {
            let waiting = std::mem::take(&mut *self.unsent.borrow_mut());
            let op = Op::Send { socket: self.socket, parts: vec![Lease::from(waiting)] };
            match event_loop.submit(op, Rc::<Self>::clone(self)) {
                Submitted::Pending(ticket) => self.sending.set(Some(ticket)),
                Submitted::Done(outcome) => self.sent(event_loop, outcome),
            }
        }
    }

    fn sent(self: &Rc<Self>, event_loop: &EventLoop, outcome: Result<Done, Failed>) {
        match outcome {
            Ok(Done::Sent { bytes, .. }) => {
                self.count_sent(event_loop, bytes);
                self.buffered.set(self.buffered.get() - bytes);
            }
            Ok(_) => {}
            Err(failed) => {
                self.count_failed(event_loop, failed.op.as_ref());
                return self.finish(event_loop, Err(failed.error), Close::Now);
            }
        }
        if self.state.get() == State::Closing && self.buffered.get() == 0 {
            self.finish(event_loop, Ok(()), Close::GENTLY);
        }
    }

    fn count_sent(&self, event_loop: &EventLoop, count: usize) {
        self.active.set(event_loop.now());
        self.sent.set(self.sent.get() + count as u64);
    }

    /// Counts what has gone of a send that failed.
    fn count_failed(&self, event_loop: &EventLoop, op: Option<&Op>) {
        if let Some(Op::Send { parts, .. }) = op {
            let unsent: usize = parts.iter().map(|part| part.len()).sum();
            let waited = self.buffered.get() - self.unsent.borrow().len();
            self.count_sent(event_loop, waited.saturating_sub(unsent));
        }
    }

    fn stop_receiving(&self, event_loop: &EventLoop) {
        if let Some(ticket) = self.receiving.take() {
            event_loop.withdraw(ticket);
        }
    }

    /// Closes the socket, and tells the handler in the next pass, when it is certain not to be in a call.
    fn finish(self: &Rc<Self>, event_loop: &EventLoop, reason: io::Result<()>, how: Close) {
        if self.state.replace(State::Closed) == State::Closed {
            return;
        }
        self.stop_receiving(event_loop);
        event_loop.engine().close(self.socket, how);
        if let Some(ticket) = self.sending.take() {
            // What the system has of it has been sent, as far as that is known already.
            let outcome = event_loop.engine().take(ticket);
            event_loop.withdraw(ticket);
            match outcome {
                Ok(Done::Sent { bytes, .. }) => self.count_sent(event_loop, bytes),
                Ok(_) => {}
                Err(failed) => self.count_failed(event_loop, failed.op.as_ref()),
            }
        }
        self.unsent.take();
        self.buffered.set(0);
        let inner = Rc::clone(self);
        event_loop.soon(move |_| {
            let handler = inner.handler.take();
            if let Some(mut handler) = handler {
                handler.on_close(&Connection { inner }, reason);
            }
        });
    }
}

impl Drop for Inner {
    /// Still open, it was let go by all: its handler is told in a life of its own that is no more than the close.
    fn drop(&mut self) {
        let Some(event_loop) = self.event_loop() else { return };
        if self.state.get() == State::Closed || event_loop.is_ending() {
            return;
        }
        let handler = self.handler.take();
        let last = Self::new(&event_loop, self.socket, self.peer.clone(), handler, self.active.get());
        event_loop.soon(move |event_loop| last.finish(event_loop, Ok(()), Close::GENTLY));
    }
}

impl Completion for Inner {
    fn complete(self: Rc<Self>, event_loop: &EventLoop, ticket: Ticket, outcome: Result<Done, Failed>) {
        if self.receiving.get() == Some(ticket) {
            self.receiving.set(None);
            self.received(event_loop, outcome);
        } else {
            self.sending.set(None);
            self.sent(event_loop, outcome);
            self.flush(event_loop);
            if self.buffered.get() == 0 && self.is_open() {
                self.call(event_loop, |handler, connection| handler.on_sent(connection));
            }
        }
        self.receive(event_loop);
    }

    fn who(&self) -> String {
        "a connection".to_owned()
    }
}

/// How many times one connection receives before others get their turn.
const RECEIVES_PER_TURN: usize = 16;

/// Above so many bytes that wait to be sent, nothing is received.
const PAUSE_ABOVE: usize = 64 << 10;
