//! *tasks*: a task for each client, which reads like the blocking server and waits for nobody else.
//!
//! `.await` is where a task says "later": the loop puts it aside, waits with its engine for all sockets at once, and goes
//! on with whoever is ready. So the code is that of one client at a time, and the price is that of readiness. Limits,
//! timeouts and the end are the library's server's.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use switchboard::engine::{Address, Close, Lease, Setting};
use switchboard::net::{Listener, Stream};
use switchboard::server::{Client, Server};
use switchboard::{EventLoop, sleep_until, timeout};

use crate::error::Error;
use crate::serve::end::End;
use crate::serve::options::Options;
use crate::session::{self, Session};
use crate::stop::{First, Latch, Signal, Signals, first};

/// Serves until a signal.
pub(super) async fn serve(
    listeners: Vec<Listener>,
    options: &Options,
    ready: impl FnOnce() + 'static,
) -> Result<End, Error> {
    let mut signals = Signals::catch().await;
    let drain = Latch::default();
    let server = prepare(listeners, options).until(drain.clone().opened()).ready(ready);
    let stopped = async {
        let Signal { name, .. } = signals.next().await;
        tracing::info!("{name}: accepting no more, and waiting for clients for {:?} at most", options.grace);
        drain.open();
        signals.next().await
    };
    let (opening, most, explain) = (Arc::new(options.opening()), options.read_size, options.explain);
    let served = server.serve_threads(options.threads, move || {
        let opening = Arc::clone(&opening);
        async move |stream: Stream, client: Client| {
            let peer = client.peer();
            tracing::info!("{peer} connected");
            explain.tell(|| format!("a task is started for {peer}, and put aside whenever it has to wait"));
            let outcome = converse(opening.begin(this_moment()), stream, peer, most).await;
            explain.tell(|| format!("the task of {peer} is over"));
            outcome?;
            tracing::info!("{peer} is done");
            io::Result::Ok(())
        }
    });
    match first(stopped, served).await {
        First::One(signal) => Ok(End::AtOnce(signal)),
        First::Other(Ok(receipt)) => Ok(End::Drained(receipt, None)),
        First::Other(Err(error)) => Err(Error::cannot_go_on(&error)),
    }
}

/// One client, from first to last.
async fn converse(mut session: Session, stream: Stream, peer: &Address, most: usize) -> io::Result<()> {
    if let Address::Ip(_) = peer {
        // Pieces are sent when they come: a typist waits for each. Where it cannot be set, it is only slower.
        stream.set(Setting::NoDelay(true)).ok();
    }
    let mut held = Held(Some(stream));
    let end = match &mut held.0 {
        Some(stream) => carry(&mut session, stream, most).await,
        None => unreachable!("it is held until the end"),
    };
    let how = if matches!(end, Ok(session::End::Reset)) { Close::Reset } else { Close::GENTLY };
    held.close(how);
    match end? {
        session::End::Failed(why) => Err(io::Error::other(why)),
        session::End::Finished | session::End::Reset => Ok(()),
    }
}

/// Carries the session until it is over.
async fn carry(session: &mut Session, stream: &mut Stream, most: usize) -> io::Result<session::End> {
    loop {
        let bytes = session.sendable(now());
        if !bytes.is_empty() {
            stream.write_all(bytes).await?;
            let count = bytes.len();
            session.sent(count);
        } else if let Some(end) = session.end() {
            return Ok(end);
        } else if let Some(data) = hear(session, stream, most).await? {
            if data.is_empty() {
                session.hear_end(now());
            } else {
                session.hear(&data, this_moment());
            }
        }
    }
}

/// Waits for the client, or until something is to be said to it.
async fn hear(session: &Session, stream: &mut Stream, most: usize) -> io::Result<Option<Lease>> {
    match (session.may_hear(), session.wake(now())) {
        (true, None) => stream.recv_at_most(most).await.map(Some),
        (true, Some(wake)) => {
            timeout(wake.saturating_duration_since(now()), stream.recv_at_most(most)).await.ok().transpose()
        }
        (false, Some(wake)) => {
            sleep_until(wake).await;
            Ok(None)
        }
        (false, None) => pending().await,
    }
}

fn prepare(listeners: Vec<Listener>, options: &Options) -> Server {
    let mut listeners = listeners.into_iter();
    let first = listeners.next().expect("there is an address to listen on by default");
    let mut server = listeners.fold(Server::on(first), Server::and).grace(options.grace);
    if let Some(limit) = options.limit {
        server = server.limit(limit);
    }
    if let Some(time) = options.idle_timeout {
        server = server.idle_timeout(time);
    }
    server
}

/// A stream in the middle of its session. Whoever is cancelled there drops it, and half an answer is not to look like a
/// whole: it ends in a reset.
struct Held(Option<Stream>);

impl Held {
    fn close(&mut self, how: Close) {
        if let Some(stream) = self.0.take() {
            stream.close(how);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.close(Close::Reset);
    }
}

/// This very moment: in a long pass, what is heard has come after the loop's time.
fn this_moment() -> Instant {
    EventLoop::with_current(|event_loop| event_loop.engine().clock()).expect("tasks run on a loop")
}

/// The loop's time.
fn now() -> Instant {
    EventLoop::with_current(|event_loop| event_loop.now()).expect("tasks run on a loop")
}
