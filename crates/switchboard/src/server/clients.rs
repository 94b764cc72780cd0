//! Those who are being served: a task each, and what is known of it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use slotmap::{SlotMap, new_key_type};

use super::Rules;
use super::census::Census;
use super::client::Client;
use super::idle::{Idle, Verdict};
use super::receipt::{Left, Receipt, Why};
use crate::engine::{Address, Close, Fact, Op, Question, Socket, Submitted};
use crate::event_loop::EventLoop;
use crate::event_loop::WeakHandle;
use crate::net::{Stream, Traffic};
use crate::task::{Canceller, Outcome, spawn_for};

new_key_type! {
    /// The name of a client.
    pub(super) struct ClientId;
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
    /// When a drain is to be over.
    end: Cell<Option<Instant>>,
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
    /// Who is to be woken when the server drains.
    at_drain: Vec<Waker>,
    end: End,
}

/// How a client's handler ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
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
            end: Cell::new(None),
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
            at_drain: Vec::new(),
            end: End::None,
        };
        let id = self.rows.borrow_mut().insert(row);
        let name = format!("client {peer}");
        let seat = Seat { clients: Rc::clone(self), id };
        let client = Client { clients: Rc::clone(self), id, peer };
        let stream = Stream::counted(&event_loop, socket, Arc::clone(&traffic));
        let handler = Rc::clone(handler);
        let task = spawn_for(&event_loop, name, self.spawned, async move {
            let outcome = {
                // Pinned here, it is kept once; handed on by value, it would be kept by each who has it in turn.
                let handling = pin!(handler(stream, client));
                seat.watch(handling, &traffic).await
            };
            let failure = outcome.as_ref().and_then(|outcome| outcome.failure().map(ToString::to_string));
            match (&outcome, &failure) {
                (None, _) => {}
                (Some(_), None) => seat.end(End::Finished),
                (Some(_), Some(_)) => seat.end(End::Failed),
            }
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

    pub(super) fn rules(&self) -> Rules {
        self.rules
    }

    /// Tells all handlers that the server drains, and is to be done by then.
    pub(super) fn begin_drain(&self, end: Instant) {
        self.draining.set(true);
        self.end.set(Some(end));
        let wakers: Vec<_> =
            self.rows.borrow_mut().values_mut().flat_map(|row| row.at_drain.drain(..)).collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(super) fn wake_at_drain(&self, id: ClientId, waker: &Waker) {
        let mut rows = self.rows.borrow_mut();
        let Some(row) = rows.get_mut(id) else { return };
        if row.at_drain.iter().any(|other| other.will_wake(waker)) {
            return;
        }
        row.at_drain.push(waker.clone());
        // Who is woken for nothing asks again, if anybody still does.
        let oldest = (row.at_drain.len() > MOST_WAKERS).then(|| row.at_drain.remove(0));
        drop(rows);
        if let Some(oldest) = oldest {
            oldest.wake();
        }
    }

    /// Has all receives answer the end, after what has arrived.
    pub(super) fn end_reading(&self) {
        let sockets: Vec<_> = self.rows.borrow().values().map(|row| row.socket).collect();
        for socket in sockets {
            self.end_reading_of(socket);
        }
    }

    fn end_reading_of(&self, socket: Socket) {
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

    /// A client's task is over, and its future dropped.
    fn leave(&self, id: ClientId) {
        let Some(row) = self.rows.borrow_mut().remove(id) else { return };
        let now = self.home.current().map(|event_loop| event_loop.now());
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
                receipt.leave(Left { peer: row.peer, age, unsent: row.traffic.unsent(), why });
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

impl Row {
    /// Notes that it is cancelled, and what it owes its peer, as long as that can be asked.
    fn cancel(&mut self, why: Why) -> Option<Canceller> {
        if self.end == End::None {
            self.end = End::Cancelled(why);
        }
        self.traffic.set_patience(Duration::ZERO);
        if let Some(event_loop) = EventLoop::current() {
            let unsent = event_loop.engine().ask(self.socket, Question::Unsent);
            if let Ok(Fact::Count(count)) = unsent {
                self.traffic.note_to_send(count);
            }
        }
        self.task.clone()
    }
}

/// What a client's task holds to be counted by.
struct Seat {
    clients: Rc<Clients>,
    id: ClientId,
}

impl Seat {
    /// Runs the handler, unless it is idle for too long: then there is no outcome.
    async fn watch<R>(
        &self,
        mut handling: Pin<&mut impl Future<Output = R>>,
        traffic: &Traffic,
    ) -> Option<R> {
        let Some(time) = self.clients.rules.idle else { return Some(handling.await) };
        let mut idle = Idle::new(time, traffic);
        poll_fn(|cx| {
            if let Poll::Ready(outcome) = handling.as_mut().poll(cx) {
                return Poll::Ready(Some(outcome));
            }
            let Some(event_loop) = self.clients.home.current() else { return Poll::Pending };
            loop {
                match idle.poll(cx, &event_loop, traffic) {
                    Poll::Ready(Verdict::End) => {
                        if let Some(row) = self.clients.rows.borrow().get(self.id) {
                            self.clients.end_reading_of(row.socket);
                        }
                    }
                    Poll::Ready(Verdict::Cancel) => {
                        if let Some(row) = self.clients.rows.borrow_mut().get_mut(self.id) {
                            row.cancel(Why::Idle);
                        }
                        return Poll::Ready(None);
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }

    fn end(&self, end: End) {
        if let Some(row) = self.clients.rows.borrow_mut().get_mut(self.id)
            && row.end == End::None
        {
            row.end = end;
            // During a drain it has no more time to close than the drain has.
            if let (Some(until), Some(event_loop)) = (self.clients.end.get(), self.clients.home.current()) {
                row.traffic.set_patience(until.saturating_duration_since(event_loop.now()));
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.clients.leave(self.id);
    }
}

/// See [`Clients::guard`].
pub(super) struct Guard {
    clients: Rc<Clients>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.clients.cancel(Why::Drain);
    }
}

/// How long handlers have to flush when their reading was ended.
pub(super) const FLUSH: Duration = Duration::from_millis(200);

/// How many tasks of one client may wait for the drain.
const MOST_WAKERS: usize = 8;
