//! That each invariant is seen to be broken: by servers that are wrong, each in one way.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use switchboard::engine::Listen;
use switchboard::net::{Listener, Stream};
use switchboard::server::{self, Client, Receipt};
use switchboard::sim::{Faults, Link};
use switchboard::{sleep, spawn};

use super::dialogue::SECONDS_IN_2000;
use super::invariants::Invariant;
use super::options::Options;
use super::world::{Outcome, Real, Server, run, run_twice};
use crate::choice::Choice;
use crate::error::Error;
use crate::explain::Explain;
use crate::ladder::Model;
use crate::serve;
use crate::serve::end::End;
use crate::service::{Service, TimeOfDay};

/// What is wrong with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    None,
    /// What it does to a piece of an answer.
    LosesAByte,
    SaysItTwice,
    SaysSomethingElse,
    SwapsPieces,
    /// What it does to a connection.
    HangsUpEarly,
    NeverAnswers,
    NeverHangsUp,
    KeepsWhoIsGone,
    /// What it tells of a connection.
    ForgetsBytes,
    /// What it does itself.
    LeavesASocket,
    LeavesATask,
    ListensLate,
    Miscounts,
    HidesAFailure,
    Hoards,
    NeverEnds,
    Panics,
    Fails,
    IsMoody,
}

thread_local! {
    /// What is wrong with the servers of this thread: a program has no other way to know.
    static BUG: Cell<Bug> = const { Cell::new(Bug::None) };
    /// How often one was moody.
    static MOODS: Cell<u64> = const { Cell::new(0) };
}

/// A server of echoes, with a bug.
struct Wrong;

impl Server for Wrong {
    async fn serve(options: Rc<Options>, ready: Box<dyn FnOnce()>) -> Result<End, Error> {
        let bug = BUG.get();
        let mut ready = Some(ready);
        if bug == Bug::ListensLate {
            ready.take().expect("it is there")();
            sleep(Duration::from_millis(100)).await;
        }
        let listener = listen(8000)?;
        match bug {
            Bug::LeavesASocket => std::mem::forget(listen(8001)?),
            Bug::LeavesATask => spawn(pending::<()>()).detach(),
            Bug::Hoards => hoard(&options),
            Bug::Panics => panic!("on purpose"),
            Bug::Fails => return Err(Error::refused("on purpose")),
            _ => {}
        }
        let mut server = server::Server::on(listener).grace(options.server.grace);
        if let Some(ready) = ready {
            server = server.ready(ready);
        }
        if bug == Bug::NeverEnds {
            server = server.until(pending::<()>());
        }
        let receipt = server.serve(async move |stream, _: Client| echo(stream, bug).await).await;
        let receipt = receipt.map_err(|error| Error::cannot_go_on(&error))?;
        Ok(End::Drained(told(bug, receipt), None))
    }
}

fn listen(port: u16) -> Result<Listener, Error> {
    let address = format!("0.0.0.0:{port}").parse().unwrap();
    Listener::open(Listen::at(address)).map_err(|error| Error::cannot_go_on(&error))
}

/// A session that hears more than it may.
#[expect(clippy::disallowed_methods, reason = "any moment would do")]
fn hoard(options: &Options) {
    let now = std::time::Instant::now();
    let mut session = options.server.opening().begin(now);
    (0..20).for_each(|_| session.hear(&[0; 16 << 10], now));
}

/// What is told of the receipt.
fn told(bug: Bug, mut receipt: Receipt) -> Receipt {
    match bug {
        Bug::Miscounts => receipt.finished -= 1,
        Bug::ForgetsBytes => receipt.received /= 2,
        Bug::HidesAFailure => (receipt.finished, receipt.failed) = (receipt.finished - 1, receipt.failed + 1),
        _ => {}
    }
    receipt
}

async fn echo(mut stream: Stream, bug: Bug) -> io::Result<()> {
    let mut count = 0;
    loop {
        let received = stream.recv().await;
        if received.is_err() && bug == Bug::KeepsWhoIsGone {
            pending::<()>().await;
        }
        let data = received?;
        if data.is_empty() {
            if bug == Bug::NeverHangsUp {
                pending::<()>().await;
            }
            return Ok(());
        }
        let mut bytes = data.to_vec();
        count += 1;
        match bug {
            Bug::LosesAByte if count == 5 => drop(bytes.remove(0)),
            Bug::SaysItTwice if count == 5 => bytes.extend_from_within(..),
            Bug::SaysSomethingElse if count == 5 => bytes[0] ^= 1,
            Bug::SwapsPieces if count == 5 => {
                let middle = bytes.len() / 2;
                bytes.rotate_left(middle);
            }
            Bug::HangsUpEarly if count == 5 => return Ok(()),
            Bug::NeverAnswers => continue,
            Bug::IsMoody => {
                MOODS.set(MOODS.get() + 1);
                sleep(Duration::from_micros(MOODS.get() % 977)).await;
            }
            _ => {}
        }
        stream.send_all(bytes).await?;
    }
}

fn options() -> Options {
    Options {
        seeds: 0..1,
        clients: 5,
        messages: 20,
        size: 32,
        server: serve::options::Options {
            listen: Vec::new(),
            udp: false,
            backlog: 1024,
            model: Model::Tasks,
            service: Service::Echo,
            greeting: String::new(),
            faults: crate::faults::Faults::default(),
            read_size: 16 << 10,
            limit: None,
            accept_timeout: None,
            idle_timeout: None,
            pause: None,
            grace: Duration::from_secs(2),
            threads: 1,
            engine: Choice::Auto,
            explain: Explain(false),
            json: false,
            child: false,
            time: TimeOfDay::Fixed(SECONDS_IN_2000),
            gauge: None,
        },
        faults: Faults::unseen(),
        link: Link::default().latency(Duration::from_millis(1)),
        is_quick: true,
        trace: None,
        check: false,
        most_failures: 1,
        threads: 1,
        json: false,
        verbosity: 0,
        command: String::new(),
    }
}

/// Which invariants a server with this bug breaks, in a few seeds.
fn broken_by(bug: Bug) -> Vec<Invariant> {
    BUG.set(bug);
    let broken = RefCell::new(Vec::new());
    // Not everybody leaves by a reset.
    for seed in 0..if bug == Bug::KeepsWhoIsGone { 40 } else { 5 } {
        let outcome = match bug {
            Bug::IsMoody => run_twice::<Wrong>(&options(), seed, None),
            _ => run::<Wrong>(&options(), seed, None),
        };
        broken.borrow_mut().extend(outcome.broken.into_iter().map(|broken| broken.invariant));
    }
    let mut broken = broken.into_inner();
    broken.sort_unstable();
    broken.dedup();
    broken
}

#[test]
fn a_server_that_is_right_breaks_none() {
    assert_eq!(broken_by(Bug::None), []);
}

#[test]
fn every_bug_breaks_what_it_is_to_break_and_nothing_else() {
    for (bug, expected) in [
        (Bug::LosesAByte, &[Invariant::Lost][..]),
        (Bug::SaysItTwice, &[Invariant::Duplicated]),
        (Bug::SaysSomethingElse, &[Invariant::Content]),
        (Bug::HangsUpEarly, &[Invariant::Cut]),
        // Who has said all is hung up on, and the others wait for ever.
        (Bug::NeverAnswers, &[Invariant::Cut, Invariant::Silent]),
        (Bug::KeepsWhoIsGone, &[Invariant::Open]),
        (Bug::ForgetsBytes, &[Invariant::Receipt]),
        (Bug::LeavesASocket, &[Invariant::Open]),
        (Bug::LeavesATask, &[Invariant::Task]),
        (Bug::ListensLate, &[Invariant::Refused]),
        (Bug::Miscounts, &[Invariant::Receipt]),
        (Bug::HidesAFailure, &[Invariant::Reported]),
        (Bug::Hoards, &[Invariant::Bound]),
        (Bug::NeverEnds, &[Invariant::Hang]),
        (Bug::Panics, &[Invariant::Failed]),
        (Bug::Fails, &[Invariant::Failed]),
        (Bug::IsMoody, &[Invariant::Repeatable]),
    ] {
        let mut broken = broken_by(bug);
        // A few bytes alone do not tell what they are that are wrong.
        broken.retain(|invariant| expected.contains(invariant) || *invariant != Invariant::Content);
        assert_eq!(broken, expected, "{bug:?}");
    }
}

#[test]
fn pieces_in_the_wrong_order_are_told_from_others() {
    // What was overtaken comes later, which is as good as lost where it was to be.
    assert!(broken_by(Bug::SwapsPieces).contains(&Invariant::Lost));
}

#[test]
fn a_connection_that_is_never_closed_is_found() {
    assert!(broken_by(Bug::NeverHangsUp).contains(&Invariant::Silent));
}

#[test]
fn the_faults_of_the_server_follow_from_the_seed_and_are_borne() {
    let mut options = options();
    options.faults = Faults::default();
    options.server.faults.chop = true;
    options.server.faults.delay = Duration::from_millis(10);
    options.server.faults.jitter = Duration::from_millis(10);
    for model in [Model::Tasks, Model::Callbacks] {
        options.server.model = model;
        for seed in 0..5 {
            let Outcome { broken, .. } = run_twice::<Real>(&options, seed, None);
            assert_eq!(broken, [], "{}", model.name());
        }
    }
}
