//! Law 5: never early. Time does not run backwards; timeouts round up; a deadline counts from `clock()`.

mod rig;

use std::time::{Duration, Instant};

use rig::{Rig, on_every_engine, on_every_kernel, real_now, recv, send};
use switchboard::engine::{Close, Fault, Lease, Op};

on_every_engine! {
    d1_a_wait_for_less_than_a_millisecond_is_not_early,
    d2_a_wait_for_what_is_over_does_not_sleep,
    d5_a_wait_for_this_very_moment_ends,
    a_wait_is_not_cut_short_by_what_is_not_finished,
    now_stands_still_between_waits,
    time_never_runs_backwards,
    a_gentle_close_is_due_to_the_nanosecond,
}

on_every_kernel! {
    d2_a_wait_is_hardly_late,
    d3_a_wait_for_centuries_neither_panics_nor_returns,
    now_lags_behind_a_long_pass_and_clock_does_not,
    a_gentle_close_counts_from_the_clock_after_a_long_pass,
}

mod in_memory {
    use super::*;
    use crate::rig::Lot;

    #[test]
    fn an_hour_passes_at_once() {
        rig::run(Lot::Sim, an_hour);
        rig::run(Lot::SimOneshot, an_hour);
    }

    fn an_hour(rig: &mut Rig) {
        let real = real_now();
        let start = rig.clock();
        for hours in 1..=100 {
            let until = start + Duration::from_secs(3600) * hours;
            rig.sleep(until);
            assert_eq!(rig.clock(), until);
            assert_eq!(rig.now(), until);
        }
        let centuries = start + Duration::from_secs(100 * 365 * 86_400);
        rig.sleep(centuries);
        assert_eq!(rig.clock(), centuries);
        assert!(real.elapsed() < rig::GUARD);
    }
}

/// D1: a remainder below the mechanism's unit must not become a timeout of zero, nor be cut off.
fn d1_a_wait_for_less_than_a_millisecond_is_not_early(rig: &mut Rig) {
    let (_client, server) = rig.pair();
    rig.pending(recv(server, 1));
    rig.glance();
    let micros = [1, 10, 333, 900, 999, 1000, 1001, 1900, 2500];
    for time in micros.map(Duration::from_micros).into_iter().cycle().take(90) {
        let until = rig.clock() + time;
        let told = rig.sleep(until);
        let woke = rig.clock();
        assert!(told.is_empty());
        assert!(woke >= until, "{:?} early for {time:?}", until - woke);
        assert!(rig.now() >= until);
    }
}

fn d2_a_wait_for_what_is_over_does_not_sleep(rig: &mut Rig) {
    let (_client, server) = rig.pair();
    rig.pending(recv(server, 1));
    let start = rig.clock();
    for _ in 0..1000 {
        rig.turn(Some(start));
        if let Some(past) = start.checked_sub(Duration::from_secs(5)) {
            rig.turn(Some(past));
        }
    }
    // Two thousand waits of the shortest sleep there is, 50 µs and more, would take longer by far.
    assert!(rig.clock() - start < Duration::from_secs(2));
}

fn d5_a_wait_for_this_very_moment_ends(rig: &mut Rig) {
    for _ in 0..100 {
        let now = rig.now();
        rig.swiftly("a wait until now", |rig| rig.turn(Some(now)));
        rig.swiftly("a wait until this moment", Rig::glance);
    }
}

/// A lamp without anything finished, such as the bytes of a send that is not whole yet, may end a wait, but not
/// the time: `clock` says so.
fn a_wait_is_not_cut_short_by_what_is_not_finished(rig: &mut Rig) {
    let (client, server) = rig.pair();
    let unwanted = rig.pending(recv(server, 10));
    rig.glance();
    rig.give_up(unwanted);
    rig.send(client, b"for nobody");
    let until = rig.clock() + Duration::from_millis(20);
    let mut waits = 0;
    while rig.clock() < until {
        assert!(rig.turn(Some(until)).is_empty());
        waits += 1;
    }
    assert!(waits < 5, "{waits} waits for 20 ms");
    rig.hear(server, 100, b"for nobody");
}

fn now_stands_still_between_waits(rig: &mut Rig) {
    let (client, server) = rig.pair();
    for _ in 0..10 {
        let now = rig.now();
        assert!(now <= rig.clock());
        drop(rig.submit(send(client, b"x")));
        drop(rig.submit(recv(server, 1)));
        let (extra, _) = rig.datagrams();
        rig.close(extra, Close::Now);
        rig.random();
        assert_eq!(rig.now(), now);
        let until = rig.clock() + Duration::from_micros(100);
        while rig.now() < until {
            rig.turn(Some(until));
        }
        assert!(rig.now() > now);
    }
}

fn time_never_runs_backwards(rig: &mut Rig) {
    let (mut clock, mut now) = (rig.clock(), rig.now());
    for round in 0..500_u64 {
        let random = rig.random();
        let until = match random % 3 {
            0 => rig.clock(),
            1 => rig.clock() + Duration::from_micros(random >> 8 & 0xff),
            _ => now.checked_sub(Duration::from_millis(round)).unwrap_or(now),
        };
        rig.turn(Some(until));
        assert!(rig.clock() >= clock && rig.now() >= now && rig.now() <= rig.clock());
        (clock, now) = (rig.clock(), rig.now());
    }
}

fn a_gentle_close_is_due_to_the_nanosecond(rig: &mut Rig) {
    for nanos in [1, 999, 1_000_001, 3_333_333] {
        let time = Duration::from_nanos(nanos);
        let (_client, server) = rig.pair();
        let before = rig.clock();
        rig.close(server, Close::Gently { bytes: 1000, time });
        assert!(rig.due().is_some_and(|due| due >= before + time && due <= rig.clock() + time));
        rig.until("the close is over", |rig| rig.closing() == 0);
        assert!(rig.clock() >= before + time);
    }
}

/// D2: rounding up is one unit at most; of a hundred waits on a busy machine one is on time.
fn d2_a_wait_is_hardly_late(rig: &mut Rig) {
    let time = Duration::from_millis(2);
    let late = (0..100).map(|_| {
        let until = rig.clock() + time;
        rig.turn(Some(until));
        rig.clock() - until
    });
    let least = late.min().unwrap();
    assert!(least < Duration::from_millis(1), "{least:?} late at best");
}

/// D3, D4: past 2³¹ ms a timeout turned negative somewhere, which means for ever, or zero, which means a spin.
fn d3_a_wait_for_centuries_neither_panics_nor_returns(rig: &mut Rig) {
    let days = |days: u64| Duration::from_secs(days * 86_400);
    let millis = [(1 << 31) - 1, 1 << 31, 1 << 32, (1 << 32) + 1].map(Duration::from_millis);
    for time in [days(1), days(25), days(50), days(36_500)].into_iter().chain(millis) {
        let until = rig.clock() + time;
        let bell = rig.bell();
        let start = real_now();
        let in_wait = rig.in_wait();
        let ringer = rig::beside(move || {
            rig::spin_until(|| in_wait.load(std::sync::atomic::Ordering::SeqCst));
            let ring_at = real_now() + Duration::from_millis(5);
            rig::spin_until(|| real_now() >= ring_at);
            bell.ring();
        });
        rig.turn(Some(until));
        if rig::may_happen(Fault::Spurious) && start.elapsed() < Duration::from_millis(5) {
            rig.turn(Some(until));
        }
        assert!(start.elapsed() >= Duration::from_millis(5), "it did not sleep for {time:?}");
        ringer.join().unwrap();
    }
}

fn now_lags_behind_a_long_pass_and_clock_does_not(rig: &mut Rig) {
    rig.glance();
    let now = rig.now();
    pass_for(Duration::from_millis(5));
    assert_eq!(rig.now(), now);
    assert!(rig.clock() >= now + Duration::from_millis(5));
}

fn a_gentle_close_counts_from_the_clock_after_a_long_pass(rig: &mut Rig) {
    let (client, server) = rig.pair();
    rig.glance();
    pass_for(Duration::from_millis(30));
    let closed = rig.clock();
    rig.close(server, Close::Gently { bytes: 1000, time: Duration::from_millis(20) });
    let part: Lease = b"still read away".as_slice().into();
    drop(rig.submit(Op::Send { socket: client, parts: vec![part] }));
    rig.glance();
    if rig.clock() < closed + Duration::from_millis(20) {
        assert_eq!(rig.closing(), 1, "given up before its time");
    }
    rig.until("the close is over", |rig| rig.closing() == 0);
    assert!(rig.clock() >= closed + Duration::from_millis(20));
}

/// A pass of the loop that takes its time.
fn pass_for(time: Duration) {
    let end: Instant = real_now() + time;
    rig::spin_until(|| real_now() >= end);
}
