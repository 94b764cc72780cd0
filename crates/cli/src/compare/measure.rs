//! One measurement: a load on a server that listens, and what the server spent on it.
//!
//! What the server spent is read from the kernel twice, and divided by the answers between these two moments: neither connecting nor
//! the warm-up nor the end is in it. The latencies are the generator's, of the same time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;
use switchboard::{sleep, timeout};

use super::census::Census;
use super::clock;
use super::contestant::Scenario;
use super::results::Turn;
use super::server::Server;
use crate::choice::Choice;
use crate::load::{
    Crew, Expect, Failures, Message, Pace, Plan, Progress, Tally, Times, Transport, Until, doubts,
};
use crate::service::Service;

/// How to measure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub(super) warm_up: Duration,
    pub(super) duration: Duration,
    /// Where the generator runs; anywhere if there is none.
    pub(super) core: Option<usize>,
}

/// A load that ends when it is dropped.
pub(super) struct Load {
    crew: Option<Crew>,
    pub(super) plan: Arc<Plan>,
    pub(super) progress: Progress,
    /// At any time, those of the warm-up included.
    failures: Failures,
}

/// What a server has spent and answered up to a moment.
struct Sample {
    census: Census,
    answered: f64,
}

/// Measures once: what a turn came to, and how long its exchanges took.
///
/// # Errors
///
/// What went wrong with the server, as part of a sentence.
pub(super) async fn measure(
    server: &mut Server,
    scenario: &Scenario,
    manner: &Manner,
) -> Result<(Turn, Times), String> {
    let mut load = Load::start(plan(server, scenario, manner))?;
    load.has_begun().await;
    sleep(manner.warm_up).await;
    settle(server, scenario).await;
    let before = Sample::take(server, &load.progress);
    sleep(manner.duration).await;
    let after = Sample::take(server, &load.progress);
    load.progress.finish();
    // Whoever is never answered comes to his timeout, which is to be told, although he has waited since the warm-up.
    timeout(2 * load.plan.timeout, load.over()).await.ok();
    let failures = load.failures;
    let plan = Arc::clone(&load.plan);
    let tally = load.end()?;
    if let Some(fate) = server.has_ended() {
        return Err(fate);
    }
    let mut turn = turn(&plan, &tally, &failures);
    if let (Ok(before), Ok(after)) = (before, after) {
        after.since(&before, &mut turn);
    }
    Ok((turn, tally.exchange))
}

/// Waits until a server has started as many threads or processes as it wants for so many connections.
async fn settle(server: &Server, scenario: &Scenario) {
    let count = || Census::take(server.id()).map_or(0, |census| census.threads());
    let deadline = clock() + PATIENCE;
    let mut before = if scenario.connections < MANY { return } else { count() };
    while clock() < deadline {
        sleep(PAUSE).await;
        let now = count();
        if now == before {
            return;
        }
        before = now;
    }
}

impl Load {
    /// Puts it on.
    pub(super) fn start(plan: Plan) -> Result<Self, String> {
        let plan = Arc::new(plan);
        let crew = Crew::start(&plan).map_err(|error| error.to_string())?;
        let progress = crew.progress();
        Ok(Self { crew: Some(crew), plan, progress, failures: Failures::default() })
    }

    /// Waits until all connections are there, or have failed to come.
    pub(super) async fn has_begun(&self) {
        let deadline = clock() + PATIENCE;
        while !self.progress.has_begun() && !self.progress.is_over() && clock() < deadline {
            sleep(MOMENT).await;
        }
    }

    /// Waits for its end.
    async fn over(&mut self) {
        let Some(crew) = &mut self.crew else { return };
        while let Some(interval) = crew.next().await {
            self.failures += interval.failures;
        }
    }

    /// Has it end now.
    pub(super) fn end(mut self) -> Result<Tally, String> {
        self.progress.stop();
        let crew = self.crew.take().expect("it is taken only here");
        crew.join().map_err(|error| error.to_string())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.progress.stop();
    }
}

impl Sample {
    fn take(server: &Server, progress: &Progress) -> std::io::Result<Self> {
        // To count a thousand processes takes a while, in which the load goes on.
        let begun = progress.answered();
        let census = Census::take(server.id())?;
        let answered = (begun as f64).midpoint(progress.answered() as f64);
        Ok(Self { census, answered })
    }

    /// What was spent on each message since.
    fn since(&self, before: &Self, turn: &mut Turn) {
        let messages = self.answered - before.answered;
        if messages < 1.0 {
            return;
        }
        let spent = self.census.since(&before.census, clock_ticks_per_second());
        turn.cpu = Some(spent.cpu.as_secs_f64() * 1e6 / messages);
        turn.user_seconds = spent.user.as_secs_f64();
        turn.system_seconds = spent.system.as_secs_f64();
        turn.switches = Some(spent.switches as f64 / messages);
    }
}

/// What the generator saw of it.
fn turn(plan: &Plan, tally: &Tally, failures: &Failures) -> Turn {
    let of = |percent| (!tally.exchange.is_empty()).then(|| microseconds(tally.exchange.percentile(percent)));
    let failures = failures.iter().map(|(failure, count)| (failure.name().to_owned(), count));
    Turn {
        messages: tally.answered,
        seconds: tally.window.as_secs_f64(),
        p50: of(50.0),
        p99: of(99.0),
        p999: of(99.9),
        failures: failures.collect::<BTreeMap<_, _>>(),
        generator_ran: tally.doubt.threads.first().map(|share| share.ran),
        generator_waited: tally.doubt.threads.first().map(|share| share.waited),
        doubts: doubts(plan, tally),
        ..Turn::default()
    }
}

/// A closed loop, each connection of which sends again when it was answered.
pub(super) fn plan(server: &Server, scenario: &Scenario, manner: &Manner) -> Plan {
    let expect = match scenario.service {
        Service::Upper => Expect::Upper,
        Service::Line => Expect::Line,
        _ => Expect::Echo,
    };
    Plan {
        target: server.address.to_string(),
        address: server.plan_address(),
        transport: Transport::Stream,
        connections: scenario.connections,
        message: Message::of_size(scenario.size, expect, true),
        in_flight: 1,
        pace: Pace::Answered { think: Duration::ZERO },
        churn: false,
        connect_rate: None,
        // It is ended when enough was seen of it, which may be late.
        until: Until::Time(manner.duration + PATIENCE),
        warm_up: manner.warm_up,
        timeout: manner.duration.max(LEAST_TIMEOUT).max(OF_A_CONNECTION * scenario.connections as u32),
        threads: 1,
        cores: manner.core.into_iter().collect(),
        engine: Choice::for_load(),
    }
}

pub(super) fn microseconds(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}

/// For all connections to come about, and for us to look.
const PATIENCE: Duration = Duration::from_secs(10);

/// For an answer.
const LEAST_TIMEOUT: Duration = Duration::from_secs(1);

/// The same, where many connections come at once, and each may need a process to be started before the next.
const OF_A_CONNECTION: Duration = Duration::from_millis(4);

/// So many connections take a server longer than the usual warm-up to take on, if each needs a thread or a process.
const MANY: usize = 100;

/// In which a server that starts threads starts one.
const PAUSE: Duration = Duration::from_millis(50);

/// Between two looks at how far a load is.
pub(super) const MOMENT: Duration = Duration::from_millis(1);
