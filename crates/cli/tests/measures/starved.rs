//! A generator that does not get the processor it needs says so, and is not believed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::measured::peer::{Delaying, Echo};
use crate::measured::{Load, Measured, measure};
use crate::{is_required, trusted};

/// The server has a core of its own, and is what limits the load. Beside the busy loop the generator has at most the half of the other.
#[test]
fn a_generator_that_is_starved_is_not_trusted() {
    if !is_required() {
        return;
    }
    let [servers, generators] = two_cores();
    keep_on(servers);
    let server = Echo::changing(|_, _| work(Duration::from_micros(20)));
    let load = || measured_on(generators, &server.target);

    let (alone, ()) = trusted(|| (load(), ()));
    println!("alone: {}", alone.value("generator/threads"));
    assert_eq!(alone.value("trustworthy"), true);

    let is_over = AtomicBool::new(false);
    let starved = thread::scope(|scope| {
        scope.spawn(|| {
            keep_on(generators);
            while !is_over.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let starved = load();
        is_over.store(true, Ordering::Relaxed);
        starved
    });
    println!("starved: {}: {}", starved.value("generator/threads"), starved.stderr);
    assert_eq!((starved.code, starved.value("trustworthy")), (Some(4), &false.into()), "{}", starved.report);
    assert!(starved.stderr.contains("not trustworthy: the generator was starved"), "{}", starved.stderr);
}

/// Of 10 % of its time, and so of the messages, nobody took care: what these waited for was not the server.
#[test]
fn a_generator_that_was_stopped_for_a_second_is_not_trusted() {
    if !is_required() {
        return;
    }
    let server = Delaying::new(64, vec![Duration::from_millis(10)]);
    let measure = |stopped: bool| {
        let load = Load::start(&server.address.to_string(), "-c 8 -R 200 -d 10s -s 64");
        let deadline = Instant::now() + Duration::from_secs(20);
        while server.answered() < 800 {
            assert!(Instant::now() < deadline, "the load does not begin");
            thread::sleep(Duration::from_millis(1));
        }
        if stopped {
            load.signal(Signal::STOP);
            thread::sleep(Duration::from_secs(1));
            load.signal(Signal::CONT);
        }
        let measured = load.end();
        server.take();
        println!("slip: p99 {} s", measured.seconds("generator/slip/p99"));
        (measured, ())
    };
    let (alone, ()) = trusted(|| measure(false));
    assert!(alone.seconds("exchange/p99") < 0.1, "{}", alone.report);
    let (stopped, ()) = measure(true);
    assert!(stopped.seconds("exchange/p99") > 0.5, "{}", stopped.report);
    assert_eq!(stopped.code, Some(4), "{}", stopped.report);
    assert!(stopped.stderr.contains("not trustworthy: messages were sent late"), "{}", stopped.stderr);
}

/// A load whose process may use this core only, as a thread's children may use only its own.
fn measured_on(core: usize, target: &str) -> Measured {
    thread::scope(|scope| {
        let load = scope.spawn(|| {
            keep_on(core);
            measure(target, "-c 4 -d 2s")
        });
        load.join().unwrap()
    })
}

fn two_cores() -> [usize; 2] {
    let mine = sched_getaffinity(None).unwrap();
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| mine.is_set(*core));
    let mut next = || cores.next().expect("two cores, one for the server and one for the generator");
    [next(), next()]
}

fn keep_on(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).unwrap();
}

fn work(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {}
}
