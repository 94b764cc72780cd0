//! What goes wrong, and that it does so again from the same seed, byte for byte.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use switchboard::sim::{Fault, Faults, Link, Sim, Trace, Why};
use switchboard::{sleep, spawn};

use crate::{MILLISECOND, echo, say, sim};

#[test]
fn the_same_seed_does_the_same_and_others_do_not() {
    let run = |seed| {
        let order = Rc::new(RefCell::new(Vec::new()));
        let mut sim = sim(seed).host("server", echo);
        for number in 0..5_u8 {
            let order = Rc::clone(&order);
            sim = sim.host(&format!("client {number}"), move || {
                let order = Rc::clone(&order);
                async move {
                    say(&[number; 1000]).await?;
                    order.borrow_mut().push(number);
                    io::Result::Ok(())
                }
            });
        }
        let report = sim.run().unwrap();
        (order.take(), report.elapsed, report.turns)
    };
    assert_eq!(run(7), run(7));
    let orders: BTreeSet<_> = (0..20).map(|seed| run(seed).0).collect();
    assert!(orders.len() > 10, "{orders:?}");
}

/// The faults that are not at anybody's calls: strangers come, and signals.
#[test]
fn strangers_come_to_a_server_and_it_serves_them_and_ends() {
    for fault in [Fault::Early, Fault::Late, Fault::Half] {
        let trace = Trace::new();
        let report = Sim::new(4)
            .faults(Faults::none().with(fault, 1.0))
            .host("server", echo)
            .host("client", || say(b"hello"))
            .trace(&trace)
            .run()
            .unwrap();
        assert_eq!(report.injected.count(fault), 1);
        let text = trace.to_string();
        assert!(text.contains(&format!("a stranger comes ({fault})")), "{text}");
        assert!(text.contains("from 10.255.0.1:"), "{text}");
    }
}

#[test]
fn a_signal_comes_when_nobody_expects_it() {
    let report = Sim::new(4)
        .faults(Faults::none().with(Fault::Signal, 1.0))
        .host("server", echo)
        .host("client", || async {
            say(b"hello").await.ok();
            sleep(Duration::from_secs(1)).await;
            assert_eq!(say(b"hello").await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        })
        .run()
        .unwrap();
    assert_eq!(report.injected.count(Fault::Signal), 1);
}

/// The same program from the same seed is written down in the same bytes, whatever goes wrong.
#[test]
fn what_goes_wrong_by_default_goes_wrong_alike_from_the_same_seed() {
    let mut total = 0;
    let mut different = BTreeSet::new();
    for seed in 0..30 {
        let run = || {
            let trace = Trace::new();
            let patient = || async {
                for number in 0..20_u8 {
                    while say(&[number; 300]).await.is_err() {
                        sleep(MILLISECOND).await;
                    }
                }
            };
            let tried = Sim::new(seed)
                .faults(Faults::default().with(Fault::Signal, 0.0))
                .host("server", echo)
                .host("one", patient)
                .host("other", patient)
                .trace(&trace)
                .run();
            let injected = tried.unwrap().injected.total();
            (trace, injected)
        };
        let ((one, injected), (other, _)) = (run(), run());
        assert!(one.first_difference(&other).is_none(), "{}", one.first_difference(&other).unwrap());
        assert_eq!(one.to_string(), other.to_string());
        total += injected;
        different.insert(one.to_string());
    }
    assert!(total > 100 && different.len() == 30, "{total}");
}

#[test]
fn whoever_is_woken_by_another_thread_is_not_repeatable_and_the_report_says_so() {
    let program = || async {
        let (letter, answer) = async_channel::bounded(1);
        let task = spawn(async move { answer.recv().await });
        sleep(MILLISECOND).await;
        #[expect(clippy::disallowed_methods, reason = "this is what must not go unnoticed")]
        let thread = std::thread::spawn(move || letter.send_blocking(()).unwrap());
        thread.join().unwrap();
        task.await.unwrap();
    };
    assert!(!sim(1).host("a", program).run().unwrap().is_repeatable);
    assert!(sim(1).host("a", async || sleep(MILLISECOND).await).run().unwrap().is_repeatable);
}

#[test]
fn a_simulation_that_repeats_passes_its_check() {
    let link = Link::default().latency(MILLISECOND).jitter(9 * MILLISECOND).loss(0.1);
    for seed in 0..10 {
        let mut checked = Sim::new(seed)
            .faults(Faults::unseen())
            .host("server", echo)
            .host("client", || say(b"hello"))
            .link_between("client", "server", link)
            .at(Duration::from_millis(3), |sim| sim.partition("client", "server"))
            .at(Duration::from_secs(1), |sim| sim.heal("client", "server"));
        checked.partition("client", "server");
        checked.heal("client", "server");
        let report = checked.check().unwrap();
        assert!(report.is_repeatable && report.elapsed >= 2 * MILLISECOND, "{report:?}");
    }
}

#[test]
fn what_does_not_follow_from_the_seed_is_shown_where_it_begins() {
    let count = Rc::new(Cell::new(0));
    let mut sim = sim(4).host("server", echo).host("client", move || {
        count.set(count.get() + 1);
        let words = format!("for the {}. time", count.get());
        async move { say(words.as_bytes()).await }
    });
    let failed = sim.check().unwrap_err();
    let text = failed.to_string();
    assert!(matches!(failed.why, Why::Differs(_)), "{text}");
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with(['-', '+'])).collect();
    assert!(lines.iter().any(|line| line.starts_with('-') && line.contains("for the 1. time")), "{text}");
    assert!(lines.iter().any(|line| line.starts_with('+') && line.contains("for the 2. time")), "{text}");
}

#[test]
fn a_simulation_that_fails_the_same_twice_fails_as_it_does() {
    let mut sim = sim(4).host("a", || async { Err::<(), _>(io::Error::other("no luck")) });
    let failed = sim.check().unwrap_err();
    assert!(matches!(failed.why, Why::Failed(message) if message == "no luck"));
}
