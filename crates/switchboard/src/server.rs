//! Servers: many connections at once, a handler for each, and an end in good order.
//!
//! A drain goes: stop accepting → empty the accept queue → handlers see [`draining`](Client::draining) → the grace period
//! → receives answer the end, and handlers have 200 ms to flush → what is left is cancelled. Whatever happens, accepted =
//! finished + failed + cancelled, and no byte that a handler received is lost while its peer keeps reading.

mod census;
mod client;
mod clients;
mod deal;
mod dealer;
mod drain;
mod gate;
mod idle;
mod receipt;
mod rules;
mod seat;
mod threads;
mod worker;

use std::fmt;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

pub use client::Client;
pub use receipt::{Left, Receipt, Why};

use crate::event_loop::EventLoop;
use crate::net::{Address, Listener, Stream, ToTarget};
use crate::task::{Outcome, elsewhere};
use census::Census;
use clients::Clients;
use drain::{Intake, Phase, Ready};
use gate::Gate;
use rules::Rules;

/// A server to be, and then one that serves.
///
/// ```
/// use std::io;
/// use switchboard::net::Stream;
/// use switchboard::server::{Client, Server};
///
/// async fn echo(mut stream: Stream, _: Client) -> io::Result<()> {
///     loop {
///         let data = stream.recv().await?;
///         if data.is_empty() {
///             return Ok(());
///         }
///         stream.send_all(data).await?;
///     }
/// }
///
/// switchboard::run(async {
///     let server = Server::bind("127.0.0.1:0").await?.limit(1000);
///     println!("listening on {}", server.addresses()[0]);
/// #   let server = server.until(async {});
///     let receipt = server.serve(echo).await?; // until a signal ends it
///     println!("{receipt}");
///     io::Result::Ok(())
/// })??;
/// # io::Result::Ok(())
/// ```
#[must_use = "a server does nothing until it serves"]
pub struct Server {
    listeners: Vec<Listener>,
    rules: Rules,
    until: Pin<Box<Until>>,
    ready: Option<Ready>,
}

/// What ends it; how that failed, if it did.
type Until = dyn Future<Output = io::Result<()>>;

impl Server {
    /// A server at this target; see [`Listener::bind`]. Serving, it is ended by `SIGINT` or `SIGTERM`, unless told
    /// [otherwise](Self::until).
    ///
    /// # Errors
    ///
    /// As [`Listener::bind`]. The file of a Unix socket must not exist, and stays when the server has ended.
    pub async fn bind(target: impl ToTarget) -> io::Result<Self> {
        Ok(Self::on(Listener::bind(target).await?))
    }

    /// A server on a listener.
    pub fn on(listener: impl Into<Listener>) -> Self {
        let interrupt = async { crate::task::interrupt().await.map(drop) };
        let rules = Rules::default();
        Self { listeners: vec![listener.into()], rules, until: Box::pin(interrupt), ready: None }
    }

    /// Serves on one more listener, too.
    pub fn and(mut self, listener: impl Into<Listener>) -> Self {
        self.listeners.push(listener.into());
        self
    }

    /// Serves at most so many at once. Others wait in the queue of the listener, and are refused by nobody.
    ///
    /// # Panics
    ///
    /// When it is zero: nobody would ever be served.
    pub fn limit(mut self, most: usize) -> Self {
        assert!(most > 0, "a server with a limit of zero would serve nobody");
        self.rules.limit = most;
        self
    }

    /// Ends a connection over which no byte has gone, either way, for so long: its handler receives the end, has 200 ms
    /// to flush, and is then cancelled.
    pub fn idle_timeout(mut self, time: Duration) -> Self {
        self.rules.idle = Some(time);
        self
    }

    /// How long handlers may go on when the server drains, at first two seconds.
    pub fn grace(mut self, time: Duration) -> Self {
        self.rules.grace = time;
        self
    }

    /// Has the server drain when this future is done, instead of at `SIGINT` or `SIGTERM`. Should it fail, so does
    /// [`serve`](Self::serve), after the drain.
    pub fn until<F>(mut self, end: F) -> Self
    where
        F: Future + 'static,
        F::Output: Outcome,
    {
        self.until = Box::pin(async {
            let outcome = end.await;
            outcome.failure().map_or(Ok(()), |failure| Err(io::Error::other(failure.to_string())))
        });
        self
    }

    /// Calls this when it has begun to serve: whatever ends it is heard, and all of its threads run. The moment to tell the
    /// world, which may answer with a signal at once.
    pub fn ready(mut self, tell: impl FnOnce() + 'static) -> Self {
        self.ready = Some(Box::new(tell));
        self
    }

    /// Where it listens, with the real ports: one for each listener.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves, until it is told to end and has drained. The handler runs as a task for each connection, and owns its
    /// stream. What handlers share they capture: `async move |stream, client| chat(&room, stream, client).await`. A handler
    /// that fails is reported to the loop's failure handler; that ends its connection, and nothing else. A stream that a
    /// handler gave to other tasks lives on for as long as they hold it.
    ///
    /// Out of descriptors, it says so once, accepts nobody for the time being, and goes on when there are some: those
    /// who wait in the queue stay there.
    ///
    /// *Cancel safety.* Dropping it cancels all handlers, without a drain.
    ///
    /// # Errors
    ///
    /// When it cannot accept for a reason that will not pass, and when [`until`](Self::until) failed; in both cases
    /// after a drain.
    #[track_caller]
    pub fn serve<H, R>(self, handler: H) -> impl Future<Output = io::Result<Receipt>>
    where
        H: AsyncFn(Stream, Client) -> R + 'static,
        R: Outcome + 'static,
    {
        let spawned = Location::caller();
        async move {
            let event_loop = EventLoop::current().ok_or_else(elsewhere)?;
            let census = Arc::new(Census::new(self.rules.limit));
            let clients = Clients::new(&event_loop, self.rules, Arc::clone(&census), spawned);
            // Should this future be dropped, so are they.
            let _guests = clients.guard();
            drop(event_loop);
            let mut entrance = Entrance {
                gate: Gate::new(self.listeners, census),
                clients: Rc::clone(&clients),
                handler: Rc::new(handler),
            };
            let served = drain::serve(&clients, self.until, self.ready, &mut entrance).await;
            clients.note_gate(entrance.gate.tally);
            served.map(|()| clients.receipt())
        }
    }
}

/// Takes in who comes through the gate.
struct Entrance<H> {
    gate: Gate,
    clients: Rc<Clients>,
    handler: Rc<H>,
}

impl<H, R> Intake for Entrance<H>
where
    H: AsyncFn(Stream, Client) -> R + 'static,
    R: Outcome + 'static,
{
    fn poll(&mut self, cx: &mut Context<'_>, phase: Phase) -> Poll<io::Result<()>> {
        if phase == Phase::Closed {
            self.gate.close();
        }
        loop {
            match self.gate.poll_accept(cx, phase != Phase::Serving) {
                Poll::Ready(Ok(Some((socket, peer)))) => self.clients.admit(socket, peer, &self.handler),
                other => return other.map(|outcome| outcome.map(drop)),
            }
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("listeners", &self.listeners).field("rules", &self.rules).finish()
    }
}
