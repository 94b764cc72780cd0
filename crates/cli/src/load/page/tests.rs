//! What the page of a load must tell.

use super::*;
use crate::load::failure::Failure;
use crate::load::tally::{Doubt, Interval, Phase, Share};

#[test]
fn the_figures_of_a_load_are_on_its_page_unrounded() {
    let tally = tally();
    let page = account(&tally, &seconds(20), &[]).page().to_string();
    for value in [tally.rate(), tally.failures.total() as f64, tally.exchange.percentile(99.0).as_secs_f64()]
    {
        assert!(page.contains(&format!("<data value=\"{value}\">")), "{value}");
    }
    assert!(page.contains("half of them within"));
    // The latency and the course, for wide and narrow screens.
    assert_eq!(page.matches("<svg").count(), 4);
    assert!(page.contains("class=\"warmup\"") && page.contains("class=\"failures\""));
}

#[test]
fn a_doubt_stands_at_the_top() {
    let page = account(&tally(), &[], &["the generator had no time left".to_owned()]).page().to_string();
    let (doubt, heading) = (page.find("no time left").unwrap(), page.find("At a glance").unwrap());
    assert!(page.contains("Not trustworthy") && doubt < heading);
}

#[test]
fn an_open_loop_shows_both_ways_to_count() {
    let tally = tally();
    let page = account(&tally, &[], &[]).page().to_string();
    assert!(page.contains("from when due") && page.contains("from when sent"));
    let page = Account { is_open: false, ..account(&tally, &[], &[]) }.page().to_string();
    assert!(!page.contains("from when due") && page.contains("closed loop"));
}

#[test]
fn a_load_of_which_nothing_came_has_a_page_too() {
    let tally = Tally::default();
    let page = account(&tally, &[], &[]).page().to_string();
    assert!(page.contains("Nothing was answered. Nothing failed."), "{page}");
    assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
}

#[test]
fn a_long_load_is_drawn_with_few_points_and_loses_nothing() {
    let all = seconds(3_600);
    let few = Second::thinned(&all);
    assert!(few.len() <= 300, "{}", few.len());
    let sum = |seconds: &[Second]| seconds.iter().map(|second| second.answered).sum::<u64>();
    assert_eq!(sum(&few), sum(&all));
    assert_eq!(few.iter().map(|second| second.slow).max(), all.iter().map(|second| second.slow).max());
    assert_eq!(few.last().unwrap().end, all.last().unwrap().end);
}

#[test]
fn the_rest_of_a_second_at_the_end_is_no_second() {
    let mut all = seconds(5);
    let rest = Interval {
        length: Duration::from_millis(3),
        phase: Phase::Ending,
        answered: 7,
        ..Interval::default()
    };
    let answered = all[4].answered;
    Second::follow(&mut all, &rest);
    assert_eq!((all.len(), all[4].answered), (5, answered + 7));
    assert!((all[4].end - 5.003).abs() < 1e-9);
}

fn account<'a>(tally: &'a Tally, seconds: &'a [Second], doubts: &'a [String]) -> Account<'a> {
    Account {
        target: "127.0.0.1:8000".to_owned(),
        is_open: true,
        setup: vec![
            ("Connections".to_owned(), Cell::count(50)),
            ("Pace".to_owned(), Cell::text("open loop, 20000 a second")),
        ],
        tally,
        seconds,
        sought: None,
        doubts,
        notes: Vec::new(),
        origin: "switchboard 0.1.0".to_owned(),
    }
}

/// Of a server that stands still now and then.
fn tally() -> Tally {
    let mut tally = Tally {
        window: Duration::from_secs(10),
        answered: 200_000,
        sent: 12_800_000,
        received: 12_800_000,
        connections: 50,
        doubt: Doubt { threads: vec![Share { ran: 0.61, waited: 0.02 }], ..Doubt::default() },
        ..Tally::default()
    };
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        // Exponentially distributed, mostly.
        let service = Duration::from_secs_f64(0.000_1 - 0.000_08 * (1.0 - random.f64()).ln());
        let stall =
            if random.u32(0..400) == 0 { Duration::from_millis(random.u64(1..180)) } else { Duration::ZERO };
        tally.exchange.record(service + stall);
        tally.uncorrected.record(if random.u32(0..30) == 0 { service + stall } else { service });
        tally.first_byte.record((service + stall).mul_f64(0.98));
        tally.doubt.slip.record(Duration::from_nanos(random.u64(800..9_000)));
        tally.doubt.lag.record(Duration::from_nanos(random.u64(5_000..90_000)));
    }
    for _ in 0..50 {
        tally.connect.record(Duration::from_micros(random.u64(60..400)));
    }
    tally.failures.count(Failure::Timeout, 12);
    tally.failures.count(Failure::Reset, 3);
    tally.first_error = Some("connection reset by peer".to_owned());
    tally
}

fn seconds(count: u64) -> Vec<Second> {
    let mut random = fastrand::Rng::with_seed(11);
    let mut seconds = Vec::new();
    for number in 1..=count {
        let is_stalled = number % 9 == 7;
        let mut interval = Interval {
            number,
            length: Duration::from_secs(1),
            phase: if number <= 2 { Phase::WarmUp } else { Phase::Measuring },
            open: 50,
            answered: if is_stalled { random.u64(12_000..14_000) } else { random.u64(19_500..20_500) },
            ..Interval::default()
        };
        for _ in 0..20 {
            let stall = if is_stalled && random.bool() { 120_000 } else { 0 };
            interval.exchange.record(Duration::from_micros(random.u64(120..900) + stall));
        }
        interval.failures.count(Failure::Timeout, if is_stalled { 6 } else { 0 });
        Second::follow(&mut seconds, &interval);
    }
    seconds
}
