//! One simulation: the network of one seed, the server, its clients, and the judgement.

use std::rc::Rc;
use std::time::Duration;

use switchboard::engine::{Address, Listen, is_exhaustion};
use switchboard::sim::{Injected, Sim, Trace};
use switchboard::{EventLoop, sleep, spawn_named};

use super::client::Client;
use super::invariants::{Broken, Invariant, judge};
use super::log;
use super::notes::{Notebook, Notes};
use super::options::Options;
use crate::error::Error;
use crate::model::Here;
use crate::serve::end::End;
use crate::session::Gauge;

/// What became of one seed.
pub(super) struct Outcome {
    pub(super) seed: u64,
    pub(super) notes: Notes,
    pub(super) injected: Injected,
    /// By the network's clock.
    pub(super) elapsed: Duration,
    pub(super) broken: Vec<Broken>,
}

/// A server: it serves on this host until it is told to end.
pub(super) trait Server {
    /// Serves with these options. Calls when it listens.
    fn serve(options: Rc<Options>, ready: Box<dyn FnOnce()>) -> impl Future<Output = Result<End, Error>>;
}

/// The server of `switchboard serve`.
pub(super) struct Real;

impl Server for Real {
    async fn serve(options: Rc<Options>, ready: Box<dyn FnOnce()>) -> Result<End, Error> {
        loop {
            let listen = Listen { backlog: options.server.backlog, ..Listen::at(everywhere()) };
            match Here::listen(options.server.model, listen) {
                Ok(here) => return here.serve(&options.server, ready).await,
                // It would be started again.
                Err(error) if is_exhaustion(&error) => sleep(PAUSE).await,
                Err(error) => return Err(Error::cannot_go_on(&error)),
            }
        }
    }
}

/// Runs a seed, and writes it down there.
pub(super) fn run<S: Server + 'static>(options: &Options, seed: u64, trace: Option<&Trace>) -> Outcome {
    // What the server's own faults draw by lot follows from it, too.
    fastrand::seed(seed);
    let (notebook, gauge) = (Notebook::default(), Gauge::default());
    let mut options = options.clone();
    options.server.gauge = Some(gauge.clone());
    let options = Rc::new(options);
    let mut sim = Sim::new(seed).link(options.link).faults(options.faults.clone()).limit(LIMIT);
    if let Some(trace) = trace {
        sim = sim.trace(trace);
    }
    let injected = sim.injected();
    let (rules, notes) = (Rc::clone(&options), notebook.clone());
    sim = sim.host(SERVER, move || serve::<S>(Rc::clone(&rules), notes.clone()));
    sim = with_clients(sim, &options, seed, (&notebook, &injected));
    let (ended, logged) = log::listen(seed, options.verbosity, || sim.run());
    let elapsed = sim.age();
    // Whatever it still holds is dropped before it is judged.
    drop(sim);
    let mut notes = std::mem::take(&mut *notebook.open());
    (notes.logged, notes.waiting) = (logged, gauge.most());
    let broken = judge(&options, &notes, &ended, &injected);
    Outcome { seed, notes, injected, elapsed, broken }
}

/// The same twice, and the first thing that differs.
pub(super) fn run_twice<S: Server + 'static>(options: &Options, seed: u64, trace: Option<&Trace>) -> Outcome {
    let (first, second) = (trace.cloned().unwrap_or_default(), Trace::new());
    let mut outcome = run::<S>(options, seed, Some(&first));
    run::<S>(options, seed, Some(&second));
    if let Some(difference) = first.first_difference(&second) {
        outcome.broken.push(Broken::new(Invariant::Repeatable, difference.to_string()));
    }
    outcome
}

/// The hosts of the clients, of which there are a few.
fn with_clients(
    sim: Sim,
    options: &Rc<Options>,
    seed: u64,
    (notebook, injected): (&Notebook, &Injected),
) -> Sim {
    let hosts = options.clients.min(MOST_HOSTS);
    (0..hosts).fold(sim, |sim, host| {
        let (options, notebook, injected) = (Rc::clone(options), notebook.clone(), injected.clone());
        sim.host(&format!("clients {}", host + 1), move || {
            let server = format!("10.0.0.1:{PORT}").parse::<Address>().expect("it is an address");
            let numbers = (host..options.clients).step_by(hosts);
            let rest = (&options, &server);
            let clients: Vec<_> =
                numbers.map(|number| Client::new(number, seed, rest, (&notebook, &injected))).collect();
            async {
                let tasks: Vec<_> = clients
                    .into_iter()
                    .map(|client| spawn_named(format!("client {}", client.number()), client.attend()))
                    .collect();
                for task in tasks {
                    task.await;
                }
            }
        })
    })
}

/// The server's program.
async fn serve<S: Server>(options: Rc<Options>, notebook: Notebook) {
    let before = waiting();
    let ready = {
        let notebook = notebook.clone();
        Box::new(move || notebook.open().has_begun = true)
    };
    let end = S::serve(options, ready).await;
    let mut left = waiting();
    left.retain(|line| !before.contains(line));
    let mut notes = notebook.open();
    notes.end = Some(end);
    notes.tasks = left;
}

/// Who waits on this loop.
fn waiting() -> Vec<String> {
    let waiting = EventLoop::with_current(EventLoop::waiting).unwrap_or_default();
    waiting.iter().map(ToString::to_string).collect()
}

/// Where the server listens.
fn everywhere() -> Address {
    format!("0.0.0.0:{PORT}").parse().expect("it is an address")
}

/// The name of its host.
pub(super) const SERVER: &str = "server";

const PORT: u16 = 8000;

/// Before a server is started again that could not listen.
const PAUSE: Duration = Duration::from_millis(20);

/// Each host of clients has budgets of its own for what goes wrong at its calls.
const MOST_HOSTS: usize = 3;

/// How old a network may become: longer than anything in it is waited for.
const LIMIT: Duration = Duration::from_secs(1_000_000);
