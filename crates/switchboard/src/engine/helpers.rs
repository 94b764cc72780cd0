//! Helper threads: what cannot be done without blocking is done beside the loop.
//!
//! Threads start when there is work and no idle one, up to a bound; past it work queues. They end when they
//! were idle for a while, or when the engine ends: then queued work is dropped and running work, which
//! nothing can interrupt, ends on its own thread with nobody to hear of it.

use std::any::Any;
use std::collections::VecDeque;
use std::net::{SocketAddr, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, mem, thread};

use super::{Bell, Done, Ticket, Work};

/// The helper threads of one engine.
pub(super) struct Helpers {
    shared: Arc<Shared>,
}

/// Work for off the loop.
pub(super) enum Job {
    Call(Work),
    Resolve { host: String, port: u16 },
}

struct Shared {
    state: Mutex<State>,
    work: Condvar,
    bell: Bell,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(Ticket, Job)>,
    done: Vec<(Ticket, io::Result<Answer>)>,
    threads: usize,
    idle: usize,
    ended: bool,
}

impl Helpers {
    /// Helpers that ring this bell when something is done.
    pub(super) fn new(bell: Bell) -> Self {
        Self { shared: Arc::new(Shared { state: Mutex::default(), work: Condvar::new(), bell }) }
    }

    /// Begins a job.
    pub(super) fn start(&self, ticket: Ticket, job: Job) {
        let mut state = self.shared.lock();
        state.queue.push_back((ticket, job));
        if state.idle >= state.queue.len() {
            self.shared.work.notify_one();
        } else if state.threads < MOST_THREADS {
            state.threads += 1;
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new().name("switchboard-helper".into());
            #[expect(clippy::disallowed_methods, reason = "this is the engine's door to threads")]
            let started = thread.spawn(move || shared.help());
            if let Err(error) = started {
                state.threads -= 1;
                if state.threads == 0 {
                    // With no thread at all the work would never be done. It is a user's: dropped without the lock.
                    let job = state.queue.pop_back();
                    state.done.push((ticket, Err(error)));
                    self.shared.bell.ring();
                    drop(state);
                    drop(job);
                }
            }
        }
    }

    /// Moves the outcomes of what is done.
    pub(super) fn collect(&self, into: &mut VecDeque<(Ticket, io::Result<Done>)>) {
        let done = mem::take(&mut self.shared.lock().done);
        into.extend(done.into_iter().map(|(ticket, outcome)| (ticket, outcome.map(Answer::into_done))));
    }
}

impl Drop for Helpers {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.ended = true;
        let dropped = mem::take(&mut state.queue);
        drop(state);
        self.shared.work.notify_all();
        // User values: not to be dropped under the lock.
        drop(dropped);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn help(&self) {
        let mut state = self.lock();
        while !state.ended {
            if let Some((ticket, job)) = state.queue.pop_front() {
                drop(state);
                let outcome = run(job);
                state = self.lock();
                if state.ended {
                    // The outcome is a user's value, too.
                    drop(state);
                    return;
                }
                state.done.push((ticket, outcome));
                self.bell.ring();
                continue;
            }
            state.idle += 1;
            let (woken, waited) = self.work.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if waited.timed_out() && state.queue.is_empty() {
                break;
            }
        }
        state.threads -= 1;
    }
}

/// Does a job, here and now.
pub(super) fn run(job: Job) -> io::Result<Answer> {
    match job {
        Job::Call(work) => Ok(Answer::Called(catch_unwind(AssertUnwindSafe(work)))),
        Job::Resolve { host, port } => {
            let addresses: Vec<_> = (host.as_str(), port).to_socket_addrs()?.collect();
            if addresses.is_empty() {
                return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no addresses"));
            }
            Ok(Answer::Resolved(addresses))
        }
    }
}

/// What a helper hands back: the part of `Done` that may cross threads.
pub(super) enum Answer {
    Called(thread::Result<Box<dyn Any + Send>>),
    Resolved(Vec<SocketAddr>),
}

impl Answer {
    pub(super) fn into_done(self) -> Done {
        match self {
            Self::Called(outcome) => Done::Called { outcome },
            Self::Resolved(addresses) => Done::Resolved { addresses },
        }
    }
}

/// How long an idle helper stays.
const IDLE: Duration = Duration::from_secs(10);

/// How many helpers there are at most.
const MOST_THREADS: usize = 64;
