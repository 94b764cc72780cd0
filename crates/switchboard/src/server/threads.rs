//! Serving on several threads, with a loop each.
//!
//! The loop of the caller accepts and deals the connections out in turn, to itself, too; each is released by its
//! engine and adopted by the other. So a thread that ends loses nobody. The threads are the engine's helpers.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::census::Census;
use super::clients::Clients;
use super::deal::{Deal, Dealt};
use super::drain::{Intake, Phase, first, serve};
use super::gate::Gate;
use super::receipt::Receipt;
use super::rules::Rules;
use super::{Client, Server};
use crate::engine::{
    self, Address, Close, Descriptor, Done, Failed, Mechanism, Op, Plan, Socket, Submitted, Ticket,
};
use crate::event_loop::{Completion, EventLoop, Failure, WeakHandle};
use crate::net::Stream;
use crate::task::{Outcome, Task, elsewhere, sleep, spawn_blocking};

impl Server {
    /// [`serve`](Self::serve), on so many threads, this one included. `factory` makes the handler of each thread, on that
    /// thread; what handlers share comes in through it. Failures of all of them are told to the failure handler of this
    /// loop. The limit is one for all threads.
    ///
    /// *Cancel safety.* Dropping it cancels all handlers on this thread at once, and on the others soon, without a drain.
    ///
    /// # Errors
    ///
    /// As [`serve`](Self::serve); [`io::ErrorKind::InvalidInput`] for no thread at all or more than 48,
    /// [`io::ErrorKind::Unsupported`] for more than one in a simulated network, and [`io::ErrorKind::ResourceBusy`] when
    /// other blocking work leaves too few helper threads.
    #[track_caller]
    pub fn serve_threads<F, H, R>(
        self,
        threads: usize,
        factory: F,
    ) -> impl Future<Output = io::Result<Receipt>>
    where
        F: Fn() -> H + Send + Sync + 'static,
        H: AsyncFn(Stream, Client) -> R + 'static,
        R: Outcome + 'static,
    {
        let spawned = Location::caller();
        async move {
            let event_loop = EventLoop::current().ok_or_else(elsewhere)?;
            let mechanism = check(threads, event_loop.engine().name())?;
            let census = Arc::new(Census::new(self.rules.limit));
            let clients = Clients::new(&event_loop, self.rules, Arc::clone(&census), spawned);
            let _guests = clients.guard();
            let factory = Arc::new(factory);
            let mut workers = Workers::default();
            for _ in 1..threads {
                workers.start(Worker {
                    mechanism,
                    rules: self.rules,
                    census: Arc::clone(&census),
                    spawned,
                    factory: Arc::clone(&factory),
                    deal: Arc::new(Deal::new()),
                    home: event_loop.weak_handle(),
                    back: Arc::clone(&workers.back),
                });
            }
            drop(event_loop);
            let mut dealer = Dealer {
                gate: Gate::new(self.listeners, census),
                handler: Rc::new(factory()),
                clients: Rc::clone(&clients),
                deals: workers.deals.clone(),
                back: Arc::clone(&workers.back),
                turn: 0,
                under_way: Rc::default(),
            };
            workers.open().await?;
            let mut until = self.until;
            let until = poll_fn(|cx| match workers.poll_failed(cx) {
                Poll::Ready(error) => Poll::Ready(Err(error)),
                Poll::Pending => until.as_mut().poll(cx),
            });
            let served = serve(&clients, until, self.ready, &mut dealer).await;
            clients.note_gate(dealer.gate.tally);
            let mut receipt = clients.receipt();
            let others = workers.ended().await;
            served.and(others).map(|others| {
                receipt.add(others);
                receipt
            })
        }
    }
}

fn check(threads: usize, engine: &str) -> io::Result<Option<Mechanism>> {
    if !(1..=MOST_THREADS).contains(&threads) {
        let message = format!("cannot serve on {threads} threads: give 1 to {MOST_THREADS}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    match engine.parse() {
        Ok(mechanism) => Ok(Some(mechanism)),
        Err(_) if threads == 1 => Ok(None),
        Err(_) => {
            let message = format!("cannot serve on {threads} threads: {engine} has one");
            Err(io::Error::new(io::ErrorKind::Unsupported, message))
        }
    }
}

/// The other threads, as the one that accepts has them.
struct Workers {
    deals: Vec<Arc<Deal>>,
    tasks: Vec<Task<io::Result<Receipt>>>,
    /// What those did that have ended.
    receipt: Receipt,
    /// What comes back from threads that ended.
    back: Arc<Deal>,
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            deals: Vec::new(),
            tasks: Vec::new(),
            receipt: Receipt::default(),
            back: Arc::new(Deal::new()),
        }
    }
}

impl Workers {
    fn start<F, H, R>(&mut self, worker: Worker<F>)
    where
        F: Fn() -> H + Send + Sync + 'static,
        H: AsyncFn(Stream, Client) -> R + 'static,
        R: Outcome + 'static,
    {
        self.deals.push(Arc::clone(&worker.deal));
        self.tasks.push(spawn_blocking(move || worker.run()));
    }

    /// Waits until all of them can take connections: before, nobody is accepted, who might take what they need. The
    /// helpers may be busy with other work, so that some do not even begin.
    async fn open(&mut self) -> io::Result<()> {
        let (deals, mut patience) = (self.deals.clone(), pin!(sleep(PATIENCE)));
        poll_fn(|cx| {
            if let Poll::Ready(error) = self.poll_failed(cx) {
                // The same is to be said of the others, and is said once.
                while self.poll_failed(cx).is_ready() {}
                let hint = "serve on fewer threads, or allow more descriptors with `ulimit -n`";
                return Poll::Ready(Err(io::Error::new(error.kind(), format!("{hint}: {error}"))));
            }
            let missing = deals.iter().filter(|deal| deal.poll_open(cx).is_pending()).count();
            if missing == 0 {
                return Poll::Ready(Ok(()));
            }
            ready!(patience.as_mut().poll(cx));
            let message = format!(
                "cannot serve on {} threads: {missing} of them did not begin within {PATIENCE:?}, since the helpers \
                 of this loop are busy; give it fewer, or less blocking work",
                deals.len() + 1
            );
            Poll::Ready(Err(io::Error::new(io::ErrorKind::ResourceBusy, message)))
        })
        .await
    }

    /// Waits until one of them fails.
    fn poll_failed(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let mut at = 0;
        while at < self.tasks.len() {
            match Pin::new(&mut self.tasks[at]).poll(cx) {
                Poll::Pending => at += 1,
                Poll::Ready(ended) => {
                    drop(self.tasks.remove(at));
                    match ended {
                        Ok(receipt) => self.receipt.add(receipt),
                        Err(error) => {
                            let message = format!("a thread of the server cannot go on: {error}");
                            return Poll::Ready(io::Error::new(error.kind(), message));
                        }
                    }
                }
            }
        }
        Poll::Pending
    }

    /// Waits until all of them have ended, and says what they did, or what the first of those met that failed.
    async fn ended(&mut self) -> io::Result<Receipt> {
        let mut failure = None;
        while !self.tasks.is_empty() {
            let failed = poll_fn(|cx| match self.poll_failed(cx) {
                Poll::Ready(error) => Poll::Ready(Some(error)),
                Poll::Pending if self.tasks.is_empty() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            });
            if let Some(error) = failed.await {
                // The others are still serving.
                failure.get_or_insert(error);
            }
        }
        failure.map_or_else(|| Ok(std::mem::take(&mut self.receipt)), Err)
    }
}

impl Drop for Workers {
    /// Nobody waits for them any more.
    fn drop(&mut self) {
        for deal in &self.deals {
            drop(deal.end());
        }
    }
}

/// One thread to be.
struct Worker<F> {
    mechanism: Option<Mechanism>,
    rules: Rules,
    census: Arc<Census>,
    spawned: &'static Location<'static>,
    factory: Arc<F>,
    deal: Arc<Deal>,
    /// The loop that accepts.
    home: WeakHandle,
    back: Arc<Deal>,
}

impl<F> Worker<F> {
    fn run<H, R>(self) -> io::Result<Receipt>
    where
        F: Fn() -> H,
        H: AsyncFn(Stream, Client) -> R + 'static,
        R: Outcome + 'static,
    {
        let event_loop = EventLoop::with(match self.mechanism {
            Some(mechanism) => engine::with(mechanism)?,
            None => engine::best()?,
        });
        let home = self.home.clone();
        event_loop.on_failure(move |failure: &Failure| home.tell(failure.clone()));
        let receipt = event_loop.block_on(async {
            let event_loop = EventLoop::current().ok_or_else(elsewhere)?;
            let clients = Clients::new(&event_loop, self.rules, Arc::clone(&self.census), self.spawned);
            let _guests = clients.guard();
            let handler = Rc::new((self.factory)());
            drop(event_loop);
            self.deal.open();
            let mut taker = Taker { deal: Arc::clone(&self.deal), clients: Rc::clone(&clients), handler };
            let draining = async {
                poll_fn(|cx| self.deal.poll_draining(cx)).await;
                Ok(())
            };
            let mut served = Ok(());
            let over = poll_fn(|cx| self.deal.poll_over(cx));
            first(async { served = serve(&clients, draining, None, &mut taker).await }, over).await;
            served.map(|()| clients.receipt())
        })??;
        event_loop.wind_up()?;
        Ok(receipt)
    }
}

impl<F> Drop for Worker<F> {
    /// However the thread ended: who was dealt to it and not taken in is served by the one that accepts.
    fn drop(&mut self) {
        for dealt in self.deal.end() {
            drop(self.back.put(dealt));
        }
    }
}

/// Takes in who is dealt to a thread.
struct Taker<H> {
    deal: Arc<Deal>,
    clients: Rc<Clients>,
    handler: Rc<H>,
}

impl<H, R> Intake for Taker<H>
where
    H: AsyncFn(Stream, Client) -> R + 'static,
    R: Outcome + 'static,
{
    fn poll(&mut self, cx: &mut Context<'_>, phase: Phase) -> Poll<io::Result<()>> {
        if phase == Phase::Closed {
            // Who is dealt to it from here on goes back.
            self.deal.enter(phase);
        }
        loop {
            match self.deal.poll_take(cx) {
                Poll::Ready(Some(dealt)) => adopt(&self.clients, dealt, &self.handler),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Takes a connection in that another loop released.
fn adopt<H, R>(clients: &Rc<Clients>, (descriptor, peer): Dealt, handler: &Rc<H>)
where
    H: AsyncFn(Stream, Client) -> R + 'static,
    R: Outcome + 'static,
{
    let Some(event_loop) = EventLoop::current() else { return };
    let opened = event_loop.engine().open(Plan::Adopt(Descriptor::Owned(descriptor)));
    match opened {
        Ok(socket) => clients.admit(socket, peer, handler),
        Err(error) => clients.lose(&peer, &error),
    }
}

/// Accepts, and deals out in turn.
struct Dealer<H> {
    gate: Gate,
    clients: Rc<Clients>,
    handler: Rc<H>,
    deals: Vec<Arc<Deal>>,
    back: Arc<Deal>,
    turn: usize,
    /// Connections that are being released.
    under_way: Rc<Cell<usize>>,
}

impl<H, R> Dealer<H>
where
    H: AsyncFn(Stream, Client) -> R + 'static,
    R: Outcome + 'static,
{
    fn deal(&mut self, socket: Socket, peer: Address) {
        let turn = self.turn;
        self.turn = (turn + 1) % (self.deals.len() + 1);
        match (turn.checked_sub(1).map(|at| Arc::clone(&self.deals[at])), EventLoop::current()) {
            (Some(deal), Some(event_loop)) => {
                self.under_way.set(self.under_way.get() + 1);
                let handover = Rc::new(Handover {
                    socket,
                    peer,
                    deal,
                    back: Arc::clone(&self.back),
                    clients: Rc::clone(&self.clients),
                    under_way: Rc::clone(&self.under_way),
                });
                let submitted = event_loop.submit(Op::Release { socket }, Rc::<Handover>::clone(&handover));
                if let Submitted::Done(outcome) = submitted {
                    handover.finish(&event_loop, outcome);
                }
            }
            _ => self.clients.admit(socket, peer, &self.handler),
        }
    }
}

impl<H, R> Intake for Dealer<H>
where
    H: AsyncFn(Stream, Client) -> R + 'static,
    R: Outcome + 'static,
{
    fn poll(&mut self, cx: &mut Context<'_>, phase: Phase) -> Poll<io::Result<()>> {
        if phase != Phase::Serving {
            for deal in &self.deals {
                deal.enter(Phase::Draining);
            }
        }
        while let Poll::Ready(Some(dealt)) = self.back.poll_take(cx) {
            adopt(&self.clients, dealt, &self.handler);
        }
        if phase == Phase::Closed {
            self.gate.close();
        }
        loop {
            match self.gate.poll_accept(cx, phase != Phase::Serving) {
                Poll::Ready(Ok(Some((socket, peer)))) => self.deal(socket, peer),
                Poll::Ready(Ok(None)) => break,
                other => return other.map(|outcome| outcome.map(drop)),
            }
        }
        // Who is still on the way has come already.
        if self.under_way.get() > 0 && phase == Phase::Draining {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        for deal in &self.deals {
            deal.enter(Phase::Closed);
        }
        Poll::Ready(Ok(()))
    }
}

/// One connection on its way out of the loop that accepted it.
struct Handover {
    socket: Socket,
    peer: Address,
    deal: Arc<Deal>,
    back: Arc<Deal>,
    clients: Rc<Clients>,
    under_way: Rc<Cell<usize>>,
}

impl Handover {
    fn finish(&self, event_loop: &EventLoop, outcome: Result<Done, Failed>) {
        self.under_way.set(self.under_way.get() - 1);
        match outcome {
            Ok(Done::Released { descriptor: Descriptor::Owned(descriptor), .. }) => {
                if let Err(dealt) = self.deal.put((descriptor, self.peer.clone())) {
                    drop(self.back.put(dealt));
                }
            }
            Ok(other) => unreachable!("an accepted connection was released as {other:?}"),
            Err(failed) => {
                event_loop.engine().close(self.socket, Close::Now);
                self.clients.lose(&self.peer, &failed.error);
            }
        }
    }
}

impl Completion for Handover {
    fn complete(self: Rc<Self>, event_loop: &EventLoop, _: Ticket, outcome: Result<Done, Failed>) {
        self.finish(event_loop, outcome);
    }
}

/// How many threads at most: the engine has 64 helpers, and some may be wanted for other work.
const MOST_THREADS: usize = 48;

/// How long helpers may take to begin.
const PATIENCE: Duration = Duration::from_secs(5);
