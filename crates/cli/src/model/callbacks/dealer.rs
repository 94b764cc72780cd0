//! The loop that accepts, and deals connections out to all loops in turn, itself among them.
//!
//! Who is accepted by one loop can be served by another because a connection is a descriptor: it is registered with the
//! engine of whoever serves it, and with no other. The listeners stay here, are watched only while there is room, and the
//! signals come here, too. Each other loop has a thread, which is a helper of this loop's engine.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::task::Poll;
use std::time::Instant;

use switchboard::EventLoop;
use switchboard::engine::{Address, Close, Done, Failed, Op, Socket, Submitted, Ticket};
use switchboard::event_loop::{Callback, Completion, Woken};

use super::hall::{Hall, Shared};
use super::handover::Handover;
use super::post::{Home, Inbox, Letter, News, Parcel};
use super::thread::work;
use crate::serve::door::Door;
use crate::serve::drain::Phase;
use crate::serve::end::End;
use crate::serve::options::Options;
use crate::stop::{ALL, Signal};

/// See the top of this file.
pub(crate) struct Dealer {
    hall: Rc<Hall>,
    door: RefCell<Door<Socket>>,
    listeners: Vec<Socket>,
    /// Of the listeners, while the door is open.
    watches: RefCell<Vec<Callback>>,
    /// Whether it was, when that was last looked at.
    is_open: Cell<bool>,
    news: Receiver<News>,
    others: RefCell<Vec<Inbox>>,
    turn: Cell<usize>,
    /// When the door is to be tried again, if it is closed for want of descriptors.
    retry: Cell<Option<Instant>>,
    /// Threads that have not ended.
    at_work: Cell<usize>,
    /// Called when all of them serve.
    ready: Cell<Option<Box<dyn FnOnce()>>>,
    failure: RefCell<Option<io::Error>>,
}

impl Dealer {
    /// Begins to serve, once all threads can.
    pub(crate) fn open(
        event_loop: &EventLoop,
        listeners: Vec<Socket>,
        options: &Options,
        ready: impl FnOnce() + 'static,
    ) -> Rc<Self> {
        let door = Door::of(listeners.clone(), options.limit);
        let this = Rc::new_cyclic(|this: &Weak<Self>| {
            let (sender, news) = channel();
            let (_, waker) = event_loop.on_wake(Rc::new(Reception(Weak::clone(this))));
            let hall = Hall::new(Shared::new(options, Home { news: sender, waker }));
            Self {
                hall,
                door: RefCell::new(door),
                listeners,
                watches: RefCell::default(),
                is_open: Cell::new(false),
                news,
                others: RefCell::default(),
                turn: Cell::new(0),
                retry: Cell::new(None),
                at_work: Cell::new(options.threads - 1),
                ready: Cell::new(Some(Box::new(ready))),
                failure: RefCell::default(),
            }
        });
        for signal in ALL {
            let dealer = Rc::clone(&this);
            event_loop.on_signal(signal.number.into(), move |event_loop, count| match count {
                Ok(count) => dealer.signalled(event_loop, signal, count),
                Err(error) => dealer.fail(event_loop, error),
            });
        }
        for _ in 1..options.threads {
            let (engine, shared) = (options.engine, Arc::clone(&this.hall.shared));
            let op = Op::Call { work: Box::new(move || Box::new(work(engine, shared))) };
            if let Submitted::Done(outcome) = event_loop.submit(op, Rc::<Self>::clone(&this)) {
                this.thread_ended(event_loop, outcome);
            }
        }
        this.begin(event_loop);
        this
    }

    /// Serves, until a signal and to the end.
    pub(crate) fn run(&self, event_loop: &EventLoop) -> io::Result<End> {
        loop {
            if let Some(end) = self.end(self.hall.is_done(event_loop)) {
                return end;
            }
            event_loop.turn(None)?;
        }
    }

    /// The same on a loop that somebody else runs, who also waits for the last connections to close.
    pub(crate) async fn ended(&self) -> io::Result<End> {
        poll_fn(|cx| match self.end(self.hall.is_empty()) {
            Some(end) => Poll::Ready(end),
            None => {
                self.hall.wake_at_change(cx.waker());
                Poll::Pending
            }
        })
        .await
    }

    /// How it ended, if it has.
    fn end(&self, is_done: bool) -> Option<io::Result<End>> {
        let has_failed = self.failure.borrow().is_some();
        // Those of a thread that failed are in the books for ever.
        let is_empty = has_failed || self.hall.shared.ledger().served() == 0;
        if let Phase::AtOnce(signal) = self.hall.phase() {
            Some(Ok(End::AtOnce(signal)))
        } else if is_empty && self.at_work.get() == 0 && is_done {
            let receipt = std::mem::take(&mut *self.hall.shared.ledger()).close();
            Some(self.failure.take().map_or(Ok(End::Drained(receipt, None)), Err))
        } else {
            None
        }
    }

    /// Opens the door, if all threads serve.
    fn begin(self: &Rc<Self>, event_loop: &EventLoop) {
        if self.others.borrow().len() == self.at_work.get()
            && self.failure.borrow().is_none()
            && let Some(ready) = self.ready.take()
        {
            self.watch(event_loop, true);
            ready();
            self.admit(event_loop);
        }
    }

    /// Admits whoever waits in the queue, as far as there is room, and then has itself called when it is worth it again.
    fn admit(self: &Rc<Self>, event_loop: &EventLoop) {
        // What waits for a listener to be ready would be before us there.
        self.unwatch(event_loop);
        for _ in 0..ACCEPTS_PER_TURN {
            match self.take(event_loop) {
                Ok(Some((socket, peer))) => self.deal(event_loop, socket, peer),
                Ok(None) => break,
                Err(error) => return self.fail(event_loop, error),
            }
        }
        let (door, now) = (self.door.borrow(), event_loop.now());
        if let Some(wake) = door.wake(now)
            && self.retry.get().is_none_or(|retry| retry <= now)
        {
            self.retry.set(Some(wake));
            let dealer = Rc::clone(self);
            event_loop.at(wake, move |event_loop| dealer.admit(event_loop));
        }
        let served = self.hall.shared.ledger().served();
        let (is_closed, is_open) = (door.is_closed(), door.is_open(served, now));
        drop(door);
        if is_closed {
            self.close(event_loop);
        } else {
            self.watch(event_loop, is_open);
        }
    }

    fn take(&self, event_loop: &EventLoop) -> io::Result<Option<(Socket, Address)>> {
        let (mut door, now) = (self.door.borrow_mut(), event_loop.now());
        let mut ledger = self.hall.shared.ledger();
        let accept = |listener: &Socket| accept(event_loop, *listener);
        match self.hall.phase() {
            Phase::Serving => door.accept_with(&mut ledger, now, accept),
            Phase::Draining => door.empty_with(&mut ledger, now, accept),
            Phase::LastWords | Phase::Over | Phase::AtOnce(_) => {
                door.close();
                Ok(None)
            }
        }
    }

    fn deal(self: &Rc<Self>, event_loop: &EventLoop, socket: Socket, peer: Address) {
        let (others, turn) = (self.others.borrow(), self.turn.get());
        let count = others.len() + 1;
        self.turn.set((turn + 1) % count);
        let rules = self.hall.rules();
        rules.explain.tell(|| match count {
            1 => format!("{peer} was taken from the queue"),
            _ => format!("{peer} was taken from the queue; loop {} of {count} has it", turn + 1),
        });
        match turn.checked_sub(1) {
            None => self.hall.seat(event_loop, socket, peer),
            Some(at) => {
                drop(others);
                Handover::begin(event_loop, self, at, (socket, peer));
            }
        }
    }

    /// Watches the listeners, or no longer: whoever connects then waits in the queue.
    fn watch(self: &Rc<Self>, event_loop: &EventLoop, is_open: bool) {
        if !is_open {
            self.unwatch(event_loop);
            let full =
                || "nobody more can be served: whoever connects waits in the system's queue".to_owned();
            if self.is_open.replace(false) {
                self.hall.rules().explain.tell(full);
            }
            return;
        }
        self.is_open.set(true);
        let mut watches = self.watches.borrow_mut();
        if !watches.is_empty() {
            return;
        }
        watches.extend(self.listeners.iter().map(|listener| {
            let dealer = Rc::clone(self);
            event_loop.on_readable(*listener, move |event_loop, _| dealer.admit(event_loop))
        }));
    }

    fn unwatch(&self, event_loop: &EventLoop) {
        for watch in self.watches.take() {
            event_loop.cancel(watch);
        }
    }

    /// Nobody comes any more.
    fn close(&self, event_loop: &EventLoop) {
        self.door.borrow_mut().close();
        self.unwatch(event_loop);
        self.listeners.iter().for_each(|listener| event_loop.engine().close(*listener, Close::Now));
        self.others.take();
        self.hall.close();
    }

    fn signalled(self: &Rc<Self>, event_loop: &EventLoop, signal: Signal, count: u64) {
        let now = event_loop.now();
        self.hall.drain(event_loop, |drain| drain.came(signal, count, now));
        self.drain(event_loop);
    }

    /// Tells the others that it drains, and goes on with whoever is in the queue.
    fn drain(self: &Rc<Self>, event_loop: &EventLoop) {
        let now = event_loop.now();
        self.others.borrow().iter().for_each(|other| other.post(Letter::Drain(now)));
        let dealer = Rc::clone(self);
        // By then their reading has ended, and nobody is admitted any more.
        event_loop.at(now + self.hall.rules().grace, move |event_loop| dealer.admit(event_loop));
        self.admit(event_loop);
    }

    /// Who was accepted here goes to another loop; or stays, if that is gone.
    pub(crate) fn hand_over(
        &self,
        event_loop: &EventLoop,
        at: usize,
        (descriptor, peer): (OwnedFd, Address),
    ) {
        let others = self.others.borrow();
        match others.get(at) {
            Some(other) => other.post(Letter::Serve(Parcel::new(descriptor, peer, &self.hall.shared.home))),
            None => {
                drop(others);
                self.hall.admit(event_loop, descriptor, peer);
            }
        }
    }

    /// Who was accepted here cannot be had.
    pub(crate) fn lose(&self, event_loop: &EventLoop, peer: &Address, error: &io::Error) {
        self.hall.turn_away(peer, error, event_loop.now());
    }

    /// It cannot go on: an end as at a signal, and the reason is told.
    fn fail(self: &Rc<Self>, event_loop: &EventLoop, error: io::Error) {
        self.failure.borrow_mut().get_or_insert(error);
        let now = event_loop.now();
        self.hall.drain(event_loop, |drain| drain.begin(now));
        self.door.borrow_mut().close();
        self.drain(event_loop);
    }

    fn thread_ended(self: &Rc<Self>, event_loop: &EventLoop, outcome: Result<Done, Failed>) {
        self.at_work.set(self.at_work.get() - 1);
        let ended = match outcome {
            Ok(Done::Called { outcome: Ok(ended) }) => ended.downcast().map_or(Ok(()), |ended| *ended),
            Ok(_) => Err(io::Error::other("it panicked")),
            Err(failed) => Err(failed.error),
        };
        if let Err(error) = ended {
            let what = format!("a thread of the server cannot go on, give fewer with --threads: {error}");
            self.fail(event_loop, io::Error::new(error.kind(), what));
        }
    }
}

impl Completion for Dealer {
    fn complete(self: Rc<Self>, event_loop: &EventLoop, _: Ticket, outcome: Result<Done, Failed>) {
        self.thread_ended(event_loop, outcome);
    }
}

/// Takes who is next in the queue of a listener.
fn accept(event_loop: &EventLoop, listener: Socket) -> io::Result<(Socket, Address)> {
    let submitted = event_loop.engine().submit(Op::Accept { socket: listener, wait: false });
    match submitted {
        Submitted::Done(Ok(Done::Accepted { socket, peer })) => Ok((socket, peer)),
        Submitted::Done(Ok(other)) => unreachable!("an accept was answered with {other:?}"),
        Submitted::Done(Err(failed)) => Err(failed.error),
        Submitted::Pending(ticket) => {
            event_loop.withdraw(ticket);
            Err(io::ErrorKind::WouldBlock.into())
        }
    }
}

/// Where the other loops are heard.
struct Reception(Weak<Dealer>);

impl Woken for Reception {
    fn woken(self: Rc<Self>, event_loop: &EventLoop, _: Callback) {
        let Some(dealer) = self.0.upgrade() else { return };
        while let Ok(news) = dealer.news.try_recv() {
            match news {
                // Too late: it is told by being dropped.
                News::Open(inbox) if dealer.hall.is_closed() => drop(inbox),
                News::Open(inbox) => {
                    dealer.others.borrow_mut().push(inbox);
                    dealer.begin(event_loop);
                }
                News::Back(descriptor, peer) => dealer.hall.admit(event_loop, descriptor, peer),
            }
        }
        // It may have been woken because somebody has left.
        dealer.admit(event_loop);
    }
}

/// How many connections are accepted before others get their turn.
const ACCEPTS_PER_TURN: usize = 64;
