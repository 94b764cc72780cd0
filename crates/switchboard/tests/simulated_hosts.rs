//! Hosts of a simulated network that crash at bad moments, come back, never sleep, or wait for centuries.

#![expect(clippy::disallowed_methods, reason = "a test measures how long it really takes")]

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use futures_lite::future::{or, yield_now};
use switchboard::engine::{Close, Listen};
use switchboard::net::{Listener, Stream};
use switchboard::sim::{Faults, Link, Sim, Why};
use switchboard::{sleep, spawn, timeout};

/// A network on which nothing goes wrong but what a test asks for.
fn sim(seed: u64) -> Sim {
    Sim::new(seed).faults(Faults::none())
}

const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn who_waits_to_be_let_in_may_crash() {
    let accepted = Rc::new(Cell::new(0));
    let count = Rc::clone(&accepted);
    let server = move || {
        let count = Rc::clone(&count);
        async move {
            let listener = Listener::open(Listen { backlog: 1, ..Listen::at("0.0.0.0:7".parse().unwrap()) })?;
            sleep(500 * MILLISECOND).await;
            let accept_all = async {
                loop {
                    listener.accept().await?;
                    count.set(count.get() + 1);
                }
            };
            or(accept_all, async {
                sleep(500 * MILLISECOND).await;
                io::Result::Ok(())
            })
            .await
        }
    };
    let client = async || {
        let knocks: Vec<_> = (0..5).map(|_| spawn(Stream::connect("server:7"))).collect();
        sleep(Duration::from_secs(9)).await;
        drop(knocks);
    };
    let sim = sim(1).host("server", server).host("client", client);
    sim.at(200 * MILLISECOND, |sim| sim.crash("client")).run().unwrap();
    assert_eq!(accepted.get(), 2, "who had crashed was let in, or who was in was not");
}

#[test]
fn destructors_of_a_host_that_crashes_find_nothing() {
    struct Rude(Stream, Rc<RefCell<Vec<io::ErrorKind>>>);

    impl Drop for Rude {
        fn drop(&mut self) {
            let listened = Listener::open(Listen::at("0.0.0.0:8".parse().unwrap())).map(drop);
            let answers = [self.0.local_addr().map(drop), self.0.peer_addr().map(drop), listened];
            self.1.borrow_mut().extend(answers.map(|answer| answer.unwrap_err().kind()));
        }
    }

    let answers = Rc::<RefCell<Vec<_>>>::default();
    let told = Rc::clone(&answers);
    let client = move || {
        let told = Rc::clone(&told);
        async move {
            let _rude = Rude(Stream::connect("server:7").await?, told);
            sleep(Duration::from_secs(9)).await;
            io::Result::Ok(())
        }
    };
    let server = async || {
        let _peer = Listener::bind("0.0.0.0:7").await?.accept().await?;
        sleep(MILLISECOND).await;
        io::Result::Ok(())
    };
    let sim = sim(1).host("server", server).host("client", client);
    let report = sim.at(100 * MILLISECOND, |sim| sim.crash("client")).run().unwrap();
    assert_eq!(report.failures, []);
    use io::ErrorKind::{NetworkDown, NotFound};
    assert_eq!(*answers.borrow(), [NotFound, NotFound, NetworkDown]);
}

#[test]
fn who_has_sent_what_a_crashed_host_never_had_is_told() {
    for (is_back, kind) in [(true, io::ErrorKind::ConnectionReset), (false, io::ErrorKind::TimedOut)] {
        let client = move || async move {
            let mut stream = Stream::connect("server:7").await?;
            stream.write_all(b"never to arrive").await?;
            let error = stream.recv().await.unwrap_err();
            assert_eq!(error.kind(), kind);
            io::Result::Ok(())
        };
        let mut sim = sim(1)
            .host("server", listen)
            .host("client", client)
            .link(Link::default().latency(50 * MILLISECOND))
            .at(120 * MILLISECOND, |sim| sim.crash("server"));
        if is_back {
            sim = sim.at(Duration::from_secs(1), |sim| sim.restart("server")).limit(Duration::from_secs(20));
        }
        sim.run().unwrap();
    }
}

#[test]
fn a_reset_that_a_partition_has_swallowed_answers_what_is_sent_again() {
    let server = async || {
        let (stream, _) = Listener::bind("0.0.0.0:7").await?.accept().await?;
        sleep(500 * MILLISECOND).await;
        stream.close(Close::Reset);
        sleep(Duration::from_secs(9)).await;
        io::Result::Ok(())
    };
    let client = async || {
        let mut stream = Stream::connect("server:7").await?;
        sleep(Duration::from_secs(1)).await;
        stream.write_all(b"are you there?").await?;
        assert_eq!(stream.recv().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        io::Result::Ok(())
    };
    sim(1)
        .host("server", server)
        .host("client", client)
        .at(200 * MILLISECOND, |sim| sim.partition("server", "client"))
        .at(Duration::from_secs(5), |sim| sim.heal("server", "client"))
        .limit(Duration::from_secs(20))
        .run()
        .unwrap();
}

#[test]
fn who_never_sleeps_holds_up_neither_the_script_nor_the_limit() {
    let turns = Rc::new(Cell::new(0));
    let busy = || {
        let turns = Rc::clone(&turns);
        move || {
            let turns = Rc::clone(&turns);
            async move {
                loop {
                    turns.set(turns.get() + 1);
                    assert!(turns.get() < 100_000, "nothing ends it");
                    yield_now().await;
                }
            }
        }
    };
    sim(1).host("busy", busy()).at(MILLISECOND, |sim| sim.crash("busy")).run().unwrap();
    let failed = sim(1).host("busy", busy()).limit(MILLISECOND).run().unwrap_err();
    assert!(matches!(failed.why, Why::TooLong(_)), "{failed}");
    let mut sim = sim(1).host("busy", busy());
    sim.advance(MILLISECOND).unwrap();
    assert!(sim.age() < 2 * MILLISECOND, "{sim:?}");
}

#[test]
fn who_crashes_before_the_beginning_is_not_there() {
    let simulation = |is_there: bool| {
        let client = move || async move {
            let connected = timeout(500 * MILLISECOND, Stream::connect("server:7")).await;
            assert_eq!(connected.is_ok(), is_there);
        };
        sim(1).host("server", listen).host("client", client)
    };
    let mut off = simulation(false);
    off.crash("server");
    off.check().unwrap();
    let mut on = simulation(true);
    on.crash("server");
    on.restart("server");
    on.check().unwrap();
}

#[test]
fn centuries_are_no_end_of_the_world() {
    let quick = async || sleep(MILLISECOND).await;
    let slow = Link::default().latency(Duration::MAX).jitter(Duration::MAX).loss(0.9);
    let client = async || Stream::connect("server:7").await.map(drop);
    let mut simulation = sim(1).host("server", listen).host("client", client).link(slow).limit(Duration::MAX);
    simulation.run().unwrap();
    sim(1).host("a", quick).at(Duration::MAX, |_| ()).limit(Duration::MAX).run().unwrap();
    sim(1).host("a", quick).limit(Duration::MAX).advance(Duration::MAX).unwrap();
}

#[test]
fn a_thousand_hosts_are_not_too_many() {
    let client = async || Stream::connect("server:7").await.map(drop);
    let hosts =
        (0..1_000).fold(sim(1).host("server", listen), |sim, number| sim.host(&format!("{number}"), client));
    let began = std::time::Instant::now();
    let report = { hosts }.run().unwrap();
    // It was a million looks for each turn.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?} for {} turns", began.elapsed(), report.turns);
}

#[test]
fn who_waits_is_named_as_its_author_knows_it() {
    let mut simulation =
        sim(1).host("alone", async || Listener::bind("0.0.0.0:7").await?.accept().await.map(drop));
    let Why::Deadlock(waiting) = simulation.run().unwrap_err().why else { panic!("it ends") };
    let named = format!("alone: task \"the program\" (spawned at {}:", file!());
    assert!(waiting[0].starts_with(&named), "{waiting:?}");
}

/// Accepts for as long as it is to, and says nothing.
async fn listen() -> io::Result<()> {
    let listener = Listener::bind("0.0.0.0:7").await?;
    let mut streams = Vec::new();
    let accept_all = async {
        loop {
            streams.push(listener.accept().await?);
        }
    };
    or(accept_all, async { switchboard::interrupt().await.map(drop) }).await
}
