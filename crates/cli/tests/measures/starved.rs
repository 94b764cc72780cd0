//! A generator that does not get the processor it needs says so, and is not believed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::measured::peer::Echo;
use crate::measured::{Measured, measure};
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
            while !is_over.load(Ordering::Relaxed) {}
        });
        let starved = load();
        is_over.store(true, Ordering::Relaxed);
        starved
    });
    println!("starved: {}: {}", starved.value("generator/threads"), starved.stderr);
    assert_eq!((starved.code, starved.value("trustworthy")), (Some(4), &false.into()), "{}", starved.report);
    assert!(starved.stderr.contains("not trustworthy: the generator was starved"), "{}", starved.stderr);
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
