//! What somebody sees who stands beside a server that blocks: signals, and who waits in the queue.
//!
//! The thread that serves can do neither while it blocks. The watcher ends its connection when a signal has had its time,
//! and for `--explain` it looks at the queue. There nobody can be counted or named before they are accepted; that somebody
//! has come is all that can be seen, for each newcomer where the system tells of changes (`Mode::Edge`), and else once.

use std::collections::VecDeque;
use std::io;
use std::mem::take;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use socket2::Socket;
use switchboard::engine::Address;
use switchboard_selector::{Bell, Events, Interest, Key, Mode, Selector, has_data};

use crate::explain::Explain;
use crate::model::connection::Connection;
use crate::serve::drain::{Drain, Phase};
use crate::serve::options::Options;
use crate::serve::reception::{Reception, now};

/// What the thread that serves and the watcher both know.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    state: Arc<Mutex<State>>,
    /// The watcher's.
    bell: Bell,
}

#[derive(Debug, Default)]
struct State {
    /// Who is being served, and since when.
    client: Option<(Arc<Connection>, Address, Instant)>,
    /// It is another one than the watcher has seen.
    is_new: bool,
    /// When those came who wait in the queue, as far as that was seen.
    arrivals: VecDeque<Instant>,
    has_ended: bool,
}

/// The thread beside.
pub(super) struct Watcher {
    selector: Selector<OwnedFd>,
    listening: Vec<Key>,
    mode: Mode,
    watch: Watch,
    drain: Arc<Mutex<Drain>>,
    /// Of the thread that serves, for when it waits rather than blocks.
    reception: Bell,
    explain: Explain,
}

impl Watch {
    pub(super) fn new(bell: Bell) -> Self {
        Self { state: Arc::default(), bell }
    }

    /// Somebody is served from now on.
    pub(super) fn begin(&self, peer: &Address, socket: Socket, explain: Explain) -> Arc<Connection> {
        let (connection, now) = (Arc::new(Connection::new(socket)), now());
        let mut state = self.lock();
        explain.tell(|| match state.arrivals.pop_front() {
            Some(came) => format!("{peer} was taken from the queue, having waited for {}", span(now - came)),
            None => format!("{peer} is served; whoever comes meanwhile waits"),
        });
        state.client = Some((Arc::clone(&connection), peer.clone(), now));
        state.is_new = true;
        self.bell.ring();
        connection
    }

    /// And is not any more.
    pub(super) fn done(&self) {
        self.lock().client = None;
    }

    /// The watcher is to end.
    pub(super) fn end(&self) {
        self.lock().has_ended = true;
        self.bell.ring();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher {
    /// Watches these listeners, too: for `--explain`.
    pub(super) fn new(
        mut selector: Selector<OwnedFd>,
        listeners: Vec<OwnedFd>,
        reception: &Reception,
        watch: &Watch,
        options: &Options,
    ) -> io::Result<Self> {
        let mode = if selector.supports(Mode::Edge) { Mode::Edge } else { Mode::Oneshot };
        let register = |listener| selector.register(listener, Interest::READ, mode);
        let listening = listeners.into_iter().map(register).collect::<Result<_, _>>();
        Ok(Self {
            listening: listening.map_err(|rejected| rejected.error)?,
            selector,
            mode,
            watch: watch.clone(),
            drain: reception.drain(),
            reception: reception.bell(),
            explain: options.explain,
        })
    }

    /// Watches until the server has ended.
    pub(super) fn watch(mut self) -> io::Result<()> {
        let (mut events, mut last) = (Events::default(), Phase::Serving);
        loop {
            let now = now();
            let (phase, next) = {
                let mut drain = self.drain.lock().unwrap_or_else(PoisonError::into_inner);
                (drain.phase(now), drain.next(now))
            };
            if phase != last {
                self.reception.ring();
                self.close_the_queue(phase)?;
                last = phase;
            }
            if !self.look_at_the_client(phase)? {
                return Ok(());
            }
            self.selector.select(&mut events, next.map(|next| next.saturating_duration_since(now)))?;
            for event in &events {
                self.tell_of_the_queue(event.key(), self.mode == Mode::Edge);
            }
        }
    }

    /// Whether there is something left to watch. Who is being served is told how far the end is.
    fn look_at_the_client(&mut self, phase: Phase) -> io::Result<bool> {
        let mut state = self.watch.lock();
        if let Some((connection, ..)) = &state.client {
            match phase {
                Phase::Serving | Phase::Draining => {}
                Phase::LastWords => connection.end_reading(),
                Phase::Over | Phase::AtOnce(_) => connection.cut(),
            }
        }
        let (is_new, has_ended) = (take(&mut state.is_new), state.has_ended);
        if is_new {
            if !self.listening.iter().any(|key| self.has_somebody(*key)) {
                state.arrivals.clear();
            }
            drop(state);
            // Whoever is still in the queue waits for somebody else now.
            for key in self.listening.clone() {
                if self.mode == Mode::Edge {
                    self.tell_of_the_queue(key, false);
                } else {
                    self.selector.modify(key, Interest::READ, self.mode)?;
                }
            }
        }
        Ok(!has_ended)
    }

    /// Says so if somebody waits in the queue, perhaps a newcomer, while somebody else is served.
    fn tell_of_the_queue(&self, key: Key, is_news: bool) {
        let (mut state, is_waiting) = (self.watch.lock(), self.has_somebody(key));
        if let (true, State { client: Some((_, peer, since)), arrivals, .. }) = (is_waiting, &mut *state) {
            let now = now();
            if (is_news || arrivals.is_empty()) && arrivals.len() < MOST_ARRIVALS {
                arrivals.push_back(now);
            }
            let served = span(now - *since);
            self.explain
                .tell(|| format!("somebody waits in the queue: {peer} is served, for {served} so far"));
        }
    }

    fn has_somebody(&self, key: Key) -> bool {
        self.selector.source(key).is_some_and(|listener| has_data(listener).unwrap_or(false))
    }

    /// Past the grace period nobody is taken from it any more.
    fn close_the_queue(&mut self, phase: Phase) -> io::Result<()> {
        if matches!(phase, Phase::LastWords | Phase::Over | Phase::AtOnce(_)) {
            for key in self.listening.drain(..) {
                if has_data(self.selector.unregister(key)?)? {
                    self.explain.tell(|| {
                        "the grace period is over: whoever is still in the queue is refused".to_owned()
                    });
                }
            }
        }
        Ok(())
    }
}

fn span(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

/// How many are remembered of those who wait; the system's queue is no longer, as a rule.
const MOST_ARRIVALS: usize = 4096;
