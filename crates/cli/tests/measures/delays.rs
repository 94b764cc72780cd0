//! Against a server that knows how long it held each answer back, every percentile is right to 2 %.

use std::time::Duration;

use crate::measured::peer::Delaying;
use crate::measured::{Load, Measured, PERCENTILES, measure, merge, percentile};
use crate::{assert_near, is_required, trusted};

#[test]
fn an_open_loop_reports_the_delays_that_the_server_knows_of() {
    if !is_required() {
        return;
    }
    // From 10 ms on, with a tail that gets ever thinner.
    let delays = (0..COUNT).map(|at| 0.010 - 0.015 * (1.0 - (at as f64 + 0.5) / COUNT as f64).ln());
    let server = Delaying::new(64, shuffled(delays.map(Duration::from_secs_f64).collect()));
    let (measured, delays) = trusted(|| {
        let measured = measure(&server.address.to_string(), "-c 64 -R 400 -d 10s -s 64");
        (measured, server.take())
    });
    assert_right(&measured, &delays);
}

#[test]
fn a_closed_loop_reports_the_delays_that_the_server_knows_of() {
    if !is_required() {
        return;
    }
    let delays = (0..COUNT).map(|at| match at * 100 / COUNT {
        ..85 => 20,
        85..98 => 50,
        _ => 200,
    });
    let server = Delaying::new(64, shuffled(delays.map(Duration::from_millis).collect()));
    let (measured, delays) = trusted(|| {
        let measured = measure(&server.address.to_string(), "-c 16 -n 4000 -s 64");
        (measured, server.take())
    });
    assert_right(&measured, &delays);
}

#[test]
fn two_halves_that_are_merged_are_as_right_as_a_whole() {
    if !is_required() {
        return;
    }
    let delays = (0..COUNT).map(|at| 0.010 + 0.090 * at as f64 / COUNT as f64);
    let server = Delaying::new(64, shuffled(delays.map(Duration::from_secs_f64).collect()));
    let (measured, delays) = trusted(|| {
        let target = server.address.to_string();
        let halves = [(), ()].map(|()| Load::start(&target, "-c 32 -R 200 -d 5s -s 64"));
        (merge(&halves.map(Load::end)), server.take())
    });
    assert_eq!(measured.number("loads"), 2);
    assert_right(&measured, &delays);
}

/// That the report says what the server has written down.
fn assert_right(measured: &Measured, delays: &[Duration]) {
    assert_eq!(measured.number("exchange/count"), delays.len() as u64, "{}", measured.report);
    for (name, percent) in PERCENTILES {
        let (is, should_be) = (measured.seconds(&format!("exchange/{name}")), percentile(delays, percent));
        println!("{name}: {:.3} ms, by the server {:.3} ms", is * 1e3, should_be * 1e3);
        assert_near(name, is, should_be, 0.02);
    }
    let mean = delays.iter().sum::<Duration>().as_secs_f64() / delays.len() as f64;
    assert_near("the mean", measured.seconds("exchange/mean"), mean, 0.02);
    let (min, max) = (delays[0].as_secs_f64(), delays[delays.len() - 1].as_secs_f64());
    assert_near("the minimum", measured.seconds("exchange/min"), min, 0.02);
    assert_near("the maximum", measured.seconds("exchange/max"), max, 0.02);
}

/// In an order that has nothing to do with their length, and is the same each time.
fn shuffled(mut delays: Vec<Duration>) -> Vec<Duration> {
    fastrand::Rng::with_seed(7).shuffle(&mut delays);
    delays
}

const COUNT: usize = 4000;
