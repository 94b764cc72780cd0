//! Those who are being served: a task each, and what is known of it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use slotmap::{Key, SlotMap, new_key_type};

use super::census::Census;
use super::client::Client;
use super::receipt::{Receipt, Why};
use super::rules::Rules;
use super::seat::Seat;
use crate::engine::{Address, Close, Fact, Op, Question, Socket, Submitted};
use crate::event_loop::EventLoop;
use crate::event_loop::WeakHandle;
use crate::net::{Stream, Traffic};
use crate::task::{Canceller, Outcome, spawn_for};

new_key_type! {
    /// The name of a client.
    pub(super) struct ClientId;

    /// The name of somebody who waits for the drain.
    pub(super) struct WaitId;
}

/// All clients of a server on one loop.
#[derive(Debug)]
pub(super) struct Clients {
    home: WeakHandle,
    rules: Rules,
    census: Arc<Census>,
    spawned: &'static Location<'static>,
    rows: RefCell<SlotMap<ClientId, Row>>,
    /// Connections that were closed gently, and until when that may take.
    closing: RefCell<VecDeque<(Instant, Socket)>>,
    receipt: RefCell<Receipt>,
    draining: Cell<bool>,
    /// When a handler last ended that was not cancelled.
    last_left: Cell<Option<Instant>>,
    /// Who is to be woken when the server drains: also what handlers left behind.
    at_drain: RefCell<SlotMap<WaitId, Waker>>,
    /// Who waits until nobody is left.
    waiting: RefCell<Option<Waker>>,
}

/// One client.
#[derive(Debug)]
struct Row {
    peer: Address,
    socket: Socket,
    traffic: Arc<Traffic>,
    task: Option<Canceller>,
    end: End,
    /// What was owed to the peer when it was cancelled.
    unsent: u64,
}

/// How a client's handler ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Not yet; or by a panic, if the task is over.
    None,
    Finished,
    Failed,
    Cancelled(Why),
}

impl Clients {
    pub(super) fn new(
        event_loop: &EventLoop,
        rules: Rules,
        census: Arc<Census>,
        spawned: &'static Location<'static>,
    ) -> Rc<Self> {
        Rc::new(Self {
            home: event_loop.weak_handle(),
            rules,
            census,
            spawned,
            rows: RefCell::default(),
            closing: RefCell::default(),
            receipt: RefCell::default(),
            draining: Cell::new(false),
            last_left: Cell::new(None),
            at_drain: RefCell::default(),
            waiting: RefCell::default(),
        })
    }

    /// Takes a connection in that the census counts already, and starts its handler.
    pub(super) fn admit<H, R>(self: &Rc<Self>, socket: Socket, peer: Address, handler: &Rc<H>)
    where
        H: AsyncFn(Stream, Client) -> R + 'static,
        R: Outcome + 'static,
    {
        let Some(event_loop) = self.home.current() else { return };
        let traffic = Arc::new(Traffic::new(event_loop.now()));
        self.receipt.borrow_mut().accepted += 1;
        let row = Row {
            peer: peer.clone(),
            socket,
            traffic: Arc::clone(&traffic),
            task: None,
            end: End::None,
            unsent: 0,
        };
        let id = self.rows.borrow_mut().insert(row);
        let seat = Seat::new(self, id);
        let client = Client { clients: Rc::clone(self), peer, id: id.data().as_ffi() };
        let stream = Stream::counted(&event_loop, socket, Arc::clone(&traffic));
        let name = format!("client {}", client.peer);
        let handler = Rc::clone(handler);
        let task = spawn_for(&event_loop, name, self.spawned, async move {
            let outcome = seat.watch(handler(stream, client), &traffic).await;
            // Cancelled, there is none, and it has been noted.
            let Some(outcome) = outcome else { return Ok(()) };
            let failure = outcome.failure().map(ToString::to_string);
            seat.note(if failure.is_none() { End::Finished } else { End::Failed });
            failure.map_or(Ok(()), Err)
        });
        if let Some(row) = self.rows.borrow_mut().get_mut(id) {
            row.task = task.canceller();
        }
        task.detach();
    }

    /// A connection could not be taken over from another thread.
    pub(super) fn lose(&self, peer: &Address, error: &std::io::Error) {
        tracing::warn!("cannot take {peer} over from the thread that accepted it: {error}");
        let mut receipt = self.receipt.borrow_mut();
        receipt.accepted += 1;
        receipt.failed += 1;
        drop(receipt);
        self.census.leave();
    }

    pub(super) fn len(&self) -> usize {
        self.rows.borrow().len()
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    pub(super) fn last_left(&self) -> Option<Instant> {
        self.last_left.get()
    }

    pub(super) fn rules(&self) -> Rules {
        self.rules
    }

    /// Tells all handlers that the server drains.
    pub(super) fn begin_drain(&self) {
        self.draining.set(true);
        let event_loop = self.home.current();
        for (_, waker) in self.at_drain.take() {
            match &event_loop {
                // One that panics keeps none of the others from hearing of it.
                Some(event_loop) => drop(event_loop.protect(|| waker.wake())),
                None => waker.wake(),
            }
        }
    }

    /// Has this waker woken when the server drains, instead of the one that was to be by this name.
    pub(super) fn wake_at_drain(&self, wait: Option<WaitId>, waker: &Waker) -> WaitId {
        // Wakers are others' code: cloned and dropped with nothing borrowed.
        let known = |wait: &WaitId| self.at_drain.borrow().get(*wait).is_some_and(|old| old.will_wake(waker));
        if let Some(wait) = wait.filter(known) {
            return wait;
        }
        let new = waker.clone();
        let old = wait.and_then(|wait| self.at_drain.borrow_mut().remove(wait));
        drop(old);
        self.at_drain.borrow_mut().insert(new)
    }

    /// Somebody does not wait for the drain any more.
    pub(super) fn forget_at_drain(&self, wait: WaitId) {
        let waker = self.at_drain.borrow_mut().remove(wait);
        drop(waker);
    }

    /// Has all receives answer the end, after what has arrived.
    pub(super) fn end_reading(&self) {
        let sockets: Vec<_> = self.rows.borrow().values().map(|row| row.socket).collect();
        for socket in sockets {
            self.end_reading_on(socket);
        }
    }

    fn end_reading_on(&self, socket: Socket) {
        let Some(event_loop) = self.home.current() else { return };
        let op = Op::Shutdown { socket, how: std::net::Shutdown::Read };
        let submitted = event_loop.engine().submit(op);
        if let Submitted::Pending(ticket) = submitted {
            event_loop.engine().cancel(ticket);
        }
    }

    /// Cancels all who are left.
    pub(super) fn cancel(&self, why: Why) {
        let tasks: Vec<_> = self.rows.borrow_mut().values_mut().map(|row| row.cancel(why)).collect();
        for task in tasks.into_iter().flatten() {
            task.cancel();
        }
    }

    /// Waits until nobody is left.
    pub(super) async fn gone(&self) {
        poll_fn(|cx| {
            if self.rows.borrow().is_empty() {
                return Poll::Ready(());
            }
            let old = self.waiting.replace(Some(cx.waker().clone()));
            drop(old);
            Poll::Pending
        })
        .await;
    }

    /// Bounds the closes that are under way.
    pub(super) fn hurry(&self, until: Instant) {
        let Some(event_loop) = self.home.current() else { return };
        for (_, socket) in self.closing.take() {
            event_loop.engine().hurry(socket, until);
        }
    }

    /// What was done so far.
    pub(super) fn receipt(&self) -> Receipt {
        let mut receipt = self.receipt.borrow().clone();
        receipt.most_at_once = self.census.most();
        for row in self.rows.borrow().values() {
            receipt.received += row.traffic.received();
            receipt.sent += row.traffic.sent();
        }
        receipt
    }

    pub(super) fn note_gate(&self, tally: super::gate::Tally) {
        let mut receipt = self.receipt.borrow_mut();
        receipt.lost += tally.lost;
        receipt.exhausted += tally.exhausted;
    }

    /// Cancels all when it is dropped.
    pub(super) fn guard(self: &Rc<Self>) -> Guard {
        Guard { clients: Rc::clone(self) }
    }

    /// Notes how a client's handler ended.
    pub(super) fn note(&self, id: ClientId, end: End) {
        if let Some(row) = self.rows.borrow_mut().get_mut(id) {
            row.note(end);
        }
    }

    /// Has one client's receives answer the end.
    pub(super) fn end_reading_of(&self, id: ClientId) {
        let socket = self.rows.borrow().get(id).map(|row| row.socket);
        if let Some(socket) = socket {
            self.end_reading_on(socket);
        }
    }

    /// How many bytes a client has yet to acknowledge.
    pub(super) fn unsent_of(&self, id: ClientId) -> usize {
        let socket = self.rows.borrow().get(id).map(|row| row.socket);
        socket.zip(self.home.current()).map_or(0, |(socket, event_loop)| unsent(&event_loop, socket))
    }

    /// Notes that a client is cancelled, which its task does itself.
    pub(super) fn note_cancelled(&self, id: ClientId, why: Why) {
        if let Some(row) = self.rows.borrow_mut().get_mut(id) {
            row.cancel(why);
        }
    }

    /// A client's task is over, and its future dropped.
    pub(super) fn leave(&self, id: ClientId) {
        let Some(row) = self.rows.borrow_mut().remove(id) else { return };
        let now = self.home.current().map(|event_loop| event_loop.now());
        if !matches!(row.end, End::Cancelled(_)) {
            self.last_left.set(now);
        }
        let mut receipt = self.receipt.borrow_mut();
        receipt.received += row.traffic.received();
        receipt.sent += row.traffic.sent();
        match row.end {
            End::Finished => receipt.finished += 1,
            // Its task ended without an outcome: it panicked, or the loop ended.
            End::Failed | End::None => receipt.failed += 1,
            End::Cancelled(why) => {
                let age =
                    now.map_or(Duration::ZERO, |now| now.saturating_duration_since(row.traffic.begun()));
                receipt.leave(row.peer, age, row.unsent, why);
            }
        }
        drop(receipt);
        if let (Some(now), Close::Gently { time, .. }) = (now, Close::GENTLY) {
            let mut closing = self.closing.borrow_mut();
            while closing.front().is_some_and(|&(until, _)| until < now) {
                closing.pop_front();
            }
            closing.push_back((now + time, row.socket));
        }
        self.census.leave();
        let waiting = self.rows.borrow().is_empty().then(|| self.waiting.take()).flatten();
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

fn unsent(event_loop: &EventLoop, socket: Socket) -> usize {
    match event_loop.engine().ask(socket, Question::Unsent) {
        Ok(Fact::Count(count)) => count,
        _ => 0,
    }
}

impl Row {
    /// The first end is the one that counts.
    fn note(&mut self, end: End) {
        if self.end == End::None {
            self.end = end;
        }
    }

    /// Notes that it is cancelled, and what it owes its peer, as long as that can be asked.
    fn cancel(&mut self, why: Why) -> Option<Canceller> {
        self.note(End::Cancelled(why));
        self.traffic.set_patience(Duration::ZERO);
        if let Some(event_loop) = EventLoop::current() {
            self.unsent = unsent(&event_loop, self.socket) as u64;
        }
        self.task.clone()
    }
}

/// See [`Clients::guard`].
pub(super) struct Guard {
    clients: Rc<Clients>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        // There will be no other drain to wait for.
        self.clients.begin_drain();
        self.clients.cancel(Why::Drain);
    }
}
