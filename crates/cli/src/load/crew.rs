//! The threads that put a load on, each with a [`Generator`] and an engine of its own, and what they tell while they do.
//!
//! They begin together, at the [`Gate`]. Whoever started them waits for nothing but what they tell, second by second, so
//! that a signal is heard at once.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use async_channel::{Receiver, Sender};
use rustix::thread::{CpuSet, sched_setaffinity, set_current_timer_slack};

use super::gate::Gate;
use super::generator::Generator;
use super::plan::Plan;
use super::tally::{Interval, Tally};
use crate::error::{Error, reason};

/// The threads of a load, under way.
#[derive(Debug)]
pub(crate) struct Crew {
    threads: Vec<JoinHandle<Result<Tally, Error>>>,
    gate: Arc<Gate>,
    news: Receiver<Interval>,
    /// What some threads have told of a second, and how many they are.
    partial: BTreeMap<u64, (usize, Interval)>,
}

/// How far a load is, at any moment.
#[derive(Debug, Clone)]
pub(crate) struct Progress(Arc<Gate>);

impl Crew {
    /// Starts them.
    ///
    /// # Errors
    ///
    /// When there is no thread to be had.
    pub(crate) fn start(plan: &Arc<Plan>) -> Result<Self, Error> {
        let (tell, news) = async_channel::unbounded();
        let gate = Arc::new(Gate::new(plan.threads));
        let mut crew = Self { threads: Vec::new(), gate, news, partial: BTreeMap::new() };
        for index in 0..plan.threads {
            let (plan, gate, tell) = (Arc::clone(plan), Arc::clone(&crew.gate), tell.clone());
            match start(index, move || work(&plan, index, &gate, tell)) {
                Ok(thread) => crew.threads.push(thread),
                Err(error) => {
                    crew.gate.end();
                    return Err(error);
                }
            }
        }
        Ok(crew)
    }

    /// What the next second came to, of all threads; `None` when the load is over.
    ///
    /// Giving up waiting loses nothing.
    pub(crate) async fn next(&mut self) -> Option<Interval> {
        while let Ok(interval) = self.news.recv().await {
            let number = interval.number;
            let (told, sum) = self.partial.entry(number).or_default();
            sum.add(&interval);
            *told += 1;
            if *told == self.threads.len() {
                return self.partial.remove(&number).map(|(_, sum)| sum);
            }
        }
        // Threads do not all end in the same second.
        self.partial.pop_first().map(|(_, (_, sum))| sum)
    }

    /// Has them end now: what they have is what there is. Answers that are under way are not waited for.
    pub(crate) fn stop(&self) {
        self.gate.end();
    }

    /// Where to look how far they are.
    pub(crate) fn progress(&self) -> Progress {
        Progress(Arc::clone(&self.gate))
    }

    /// Waits until they have ended, and says what it came to.
    ///
    /// # Errors
    ///
    /// What one of them could not go on with.
    pub(crate) fn join(self) -> Result<Tally, Error> {
        let mut sum = Tally::default();
        for thread in self.threads {
            let tally = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            sum.add(&tally);
        }
        Ok(sum)
    }
}

impl Progress {
    /// Whether all have their connections, so that the warm-up has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.0.is_open()
    }

    /// Whether it has ended before its time.
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_over()
    }

    /// Answers so far, those of the warm-up included.
    pub(crate) fn answered(&self) -> u64 {
        self.0.answered()
    }

    /// Has them send nothing more, as if their time were over now; what is under way is waited for.
    pub(crate) fn finish(&self) {
        self.0.finish();
    }

    /// As [`Crew::stop`].
    pub(crate) fn stop(&self) {
        self.0.end();
    }
}

#[expect(clippy::disallowed_methods, reason = "each of them has an engine, and is not one's helper")]
fn start<T: Send + 'static>(
    index: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Error> {
    thread::Builder::new().name(format!("load {index}")).spawn(work).map_err(|error| {
        Error::refused(format_args!("cannot start a thread: {}; give fewer with -t", reason(&error)))
    })
}

/// What one of them does.
fn work(plan: &Plan, index: usize, gate: &Gate, tell: Sender<Interval>) -> Result<Tally, Error> {
    if let Some(&core) = plan.cores.get(index % plan.cores.len().max(1)) {
        let mut cores = CpuSet::new();
        cores.set(core);
        // Where it is not allowed, it is only measured less well, which shows.
        sched_setaffinity(None, &cores).ok();
    }
    // The system may wake whoever sleeps so much too late, to wake several at once: 50 µs, unless told otherwise (prctl(2)).
    set_current_timer_slack(NonZeroU64::new(1)).ok();
    let outcome = plan.engine.open().and_then(|mut engine| {
        gate.wake_by(engine.bell());
        Generator::new(plan, index, engine.as_mut(), gate, tell).run()
    });
    if outcome.is_err() {
        gate.end();
    }
    outcome
}
