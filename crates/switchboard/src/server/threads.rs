//! Serving on several threads, with a loop each.
//!
//! The loop of the caller accepts and deals the connections out in turn, to itself, too; each is released by its
//! engine and adopted by the other. So a thread that ends loses nobody. The threads are the engine's helpers.

use std::future::poll_fn;
use std::io;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::census::Census;
use super::clients::Clients;
use super::deal::Deal;
use super::dealer::Dealer;
use super::drain::serve;
use super::gate::Gate;
use super::receipt::Receipt;
use super::worker::Worker;
use super::{Client, Server};
use crate::engine::Mechanism;
use crate::event_loop::EventLoop;
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
    /// As [`serve`](Self::serve); [`io::ErrorKind::ResourceBusy`] when the threads do not begin within five seconds,
    /// [`io::ErrorKind::InvalidInput`] for no thread at all or more than 48,
    /// [`io::ErrorKind::Unsupported`] for more than one in a simulated network, and [`io::ErrorKind::ResourceBusy`] when
    /// other blocking work leaves too few helper threads.
    ///
    /// # Panics
    ///
    /// With `factory`, if that panics on any thread; and when not even one helper thread can be started.
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
            let gate = Gate::new(self.listeners, census);
            let (deals, back) = (workers.deals.clone(), Arc::clone(&workers.back));
            let mut dealer = Dealer::new(gate, &clients, factory(), deals, back);
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
/// How many threads at most: the engine has 64 helpers, and some may be wanted for other work.
const MOST_THREADS: usize = 48;

/// How long helpers may take to begin.
const PATIENCE: Duration = Duration::from_secs(5);
