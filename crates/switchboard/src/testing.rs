//! Tests of network code: the same body on every mechanism this system has, and in simulated networks by the seed.
//!
//! [`#[switchboard::test]`](test) writes a call of what is here. A [`Test`] goes through its grounds one after the other,
//! each with a new loop; on all of them the body is a task of that loop, so that what it waits for can be told when it
//! hangs. What must stay true:
//!
//! * A failure says where it happened, and the one command that repeats it.
//! * A panic of the body goes on with what it threw: `should_panic` and every other harness see what they would have seen.
//! * Nothing is skipped in silence.

mod attribute;
mod command;
mod environment;
mod ground;
mod run;

use std::any::Any;
use std::ops::Range;
use std::panic::resume_unwind;
use std::time::Duration;

#[doc(inline)]
pub use attribute::test;
#[doc(hidden)]
pub use command::Origin;

use crate::engine::sim::Link;
use crate::engine::{Faults, Mechanism};
use crate::event_loop::Failure;
use crate::task::TaskFuture;
use command::Command;
use environment::Environment;
use ground::Ground;
use run::Why;

/// What [`#[switchboard::test]`](test) does, as a value: for tests in other harnesses, and those made in loops.
///
/// ```
/// use switchboard::engine::{Fault, Faults};
/// use switchboard::net::Stream;
/// use switchboard::testing::Test;
///
/// for fault in [Fault::Short, Fault::Interrupted] {
///     Test::new().seeds(0..20).faults(Faults::none().with(fault, 0.5)).run(|| async {
///         assert!(Stream::connect("127.0.0.1:1").await.is_err());
///     });
/// }
/// ```
#[derive(Debug, Clone)]
#[must_use = "it does nothing until it is run"]
pub struct Test {
    origin: Option<Origin>,
    mechanisms: Option<Vec<Mechanism>>,
    seeds: Range<u64>,
    faults: Faults,
    timeout: Option<Duration>,
    /// What each run has to panic with, if it has to.
    panic: Option<&'static str>,
}

impl Test {
    /// A test that runs on each mechanism there is, and in simulated networks with the seeds 0 to 9.
    pub fn new() -> Self {
        Self {
            origin: None,
            mechanisms: None,
            seeds: 0..10,
            faults: Faults::unseen(),
            timeout: None,
            panic: None,
        }
    }

    /// The test that an attribute stands on.
    #[doc(hidden)]
    pub fn at(origin: Origin) -> Self {
        Self { origin: Some(origin), ..Self::new() }
    }

    /// Runs on these mechanisms only, and in simulated networks still.
    pub fn mechanisms(self, mechanisms: impl IntoIterator<Item = Mechanism>) -> Self {
        Self { mechanisms: Some(mechanisms.into_iter().collect()), ..self }
    }

    /// Runs in simulated networks with these seeds, once with each; with none, it does not run there at all. The
    /// environment's `SWITCHBOARD_SEEDS` and `SWITCHBOARD_SEED` replace them, unless they are none.
    pub fn seeds(self, seeds: Range<u64>) -> Self {
        Self { seeds, ..self }
    }

    /// What goes wrong in the simulated networks: [`Faults::unseen`], unless told otherwise.
    pub fn faults(self, faults: Faults) -> Self {
        Self { faults, ..self }
    }

    /// [`faults`](Self::faults), as they are written.
    ///
    /// # Panics
    ///
    /// When they cannot be understood.
    #[doc(hidden)]
    #[track_caller]
    pub fn faults_of(self, text: &str) -> Self {
        match text.parse() {
            Ok(faults) => self.faults(faults),
            Err(error) => panic!("faults = {text:?}: {error}"),
        }
    }

    /// How long a run may take, by the clock of its engine, before it fails because it hangs. By default that is a minute on
    /// a mechanism, and an hour in a simulated network.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Each run has to panic, with a message that has this in it; then so does [`run`](Self::run), as the last of
    /// them did. If one does not panic, `run` returns at once, and the harness's `should_panic` fails.
    #[doc(hidden)]
    pub fn panics(self, message: &'static str) -> Self {
        Self { panic: Some(message), ..self }
    }

    /// Runs the body on one ground after the other, each time on a loop of its own.
    ///
    /// # Panics
    ///
    /// With the first run that fails: its body panics or returns a failure, a task of it panics and nobody sees it, it
    /// hangs. What the body panics with goes on as it is. In each case stderr has where it was, and the command that repeats it.
    #[track_caller]
    pub fn run<F>(self, body: impl Fn() -> F)
    where
        F: TaskFuture + 'static,
        F::Output: 'static,
    {
        let environment = Environment::read().unwrap_or_else(|error| panic!("{error}"));
        let mut last = None;
        for ground in ground::all(self.mechanisms.as_deref(), &self.seeds, &environment) {
            let (event_loop, network) = match ground.open(&self.faults, self.timeout, &environment) {
                Ok(Some(opened)) => opened,
                Ok(None) => continue,
                Err(message) => self.fail(ground, &environment, Why::Failed(message)),
            };
            let timeout = self.timeout.unwrap_or_else(|| ground.patience());
            let ended = run::once(&event_loop, ground, timeout, &body);
            if network.is_some_and(|network| !network.is_repeatable()) {
                eprintln!(
                    "another thread took part on {ground}: what happens does not follow from the seed alone"
                );
            }
            match (self.panic, ended) {
                (None, Ok(())) => {}
                (Some(_), Ok(())) => {
                    let command = self.command(ground, &environment);
                    eprintln!("did not panic on {ground}; repeat it with: {command}");
                    return;
                }
                (Some(expected), Err(why)) if why.message().contains(expected) => last = Some(why),
                (_, Err(why)) => self.fail(ground, &environment, why),
            }
        }
        match (self.panic, last) {
            (None, _) => {}
            (Some(_), Some(why)) => resume_unwind(why.into_payload()),
            // Skipped is no failure, and whoever expects a panic has no other word for that.
            (Some(expected), None) => panic!("it was run nowhere; otherwise: {expected}"),
        }
    }

    #[track_caller]
    fn fail(&self, ground: Ground, environment: &Environment, why: Why) -> ! {
        let place = format!("failed on {ground}; repeat it with: {}", self.command(ground, environment));
        match why {
            Why::Panicked(payload) => {
                eprintln!("{place}");
                resume_unwind(payload)
            }
            Why::Failed(message) => panic!("{message}\n{place}"),
        }
    }

    fn command(&self, ground: Ground, environment: &Environment) -> Command<'_> {
        Command { origin: self.origin.as_ref(), ground, chaos: environment.chaos.clone() }
    }
}

impl Default for Test {
    fn default() -> Self {
        Self::new()
    }
}

impl Why {
    fn message(&self) -> String {
        match self {
            Self::Panicked(payload) => Failure::message_of(&**payload),
            Self::Failed(message) => message.clone(),
        }
    }

    fn into_payload(self) -> Box<dyn Any + Send> {
        match self {
            Self::Panicked(payload) => payload,
            Self::Failed(message) => Box::new(message),
        }
    }
}

/// How a simulated program reaches itself: not at once, and not always as fast.
const LOOPBACK: Duration = Duration::from_micros(50);

/// The link of all simulated networks here.
fn loopback() -> Link {
    Link::default().latency(LOOPBACK).jitter(4 * LOOPBACK)
}
