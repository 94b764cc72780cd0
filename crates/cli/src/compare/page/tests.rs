//! What the page of a comparison must tell.

use super::*;
use crate::compare::results::{Entrant, Figure, Machine, Row, Settings, Turn, Versions};
use crate::compare::statistics::Ratio;

#[test]
fn the_figures_of_a_comparison_are_on_its_page_unrounded() {
    let page = page(&results(&["tasks/epoll", "threads"], 1)).to_string();
    for value in [7.5 * MICROSECOND, 180_000.0, 310.0 * MICROSECOND, 1.3 * 1024.0] {
        assert!(page.contains(&format!("<data value=\"{value}\">")), "{value}");
    }
    assert!(page.contains("Take tasks/epoll") && page.contains("2 servers compared"));
    // CPU, rate, latency, percentiles and memory, for wide and narrow screens.
    assert_eq!(page.matches("<svg").count(), 10);
    assert!(page.contains("class=\"whisker\""), "eight rounds are enough for an interval");
}

#[test]
fn a_name_is_no_markup() {
    let page = page(&results(&["tasks/epoll", "<script>alert(1)</script>"], 2)).to_string();
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[test]
fn who_failed_is_shown_as_such_and_is_not_the_best() {
    let mut results = results(&["tasks/epoll", "blocking"], 1);
    let row = &mut results.scenarios[0].rows[1];
    row.failures.insert("timeout".to_owned(), 49);
    let page = page(&results).to_string();
    assert!(page.contains("blocking (failed)") && page.contains("blocking: 49 × timeout."));
}

#[test]
fn a_comparison_of_which_nothing_came_has_a_page_too() {
    let mut results = results(&["tasks/epoll"], 1);
    results.contestants[0].idle =
        Figure { missing: Some("not on this system".to_owned()), ..Figure::default() };
    results.noise.clear();
    let row = &mut results.scenarios[0].rows[0];
    *row = Row { contestant: "tasks/epoll".to_owned(), ..Row::default() };
    results.scenarios[0].best = None;
    results.signal = Some("SIGINT".to_owned());
    let page = page(&results).to_string();
    assert!(page.contains("Nothing was measured that could be drawn here."));
    assert!(page.contains("not on this system") && page.contains("interrupted by SIGINT"));
    assert!(!page.contains("NaN"), "{page}");
}

#[test]
fn several_scenarios_have_a_summary() {
    let page = page(&results(&["a", "b"], 3)).to_string();
    assert!(
        page.contains("The best of each scenario")
            && page.contains("With echo, 50 connections, 64 B: Take a.")
    );
    assert_eq!(page.matches("<svg").count(), (3 * 4 + 1) * 2);
}

/// With ever higher costs.
fn results(names: &[&str], scenarios: usize) -> Results {
    let outcome = |size: usize| Outcome {
        service: "echo".to_owned(),
        connections: 50,
        size: 64 << size,
        best: Some(names[0].to_owned()),
        sentence: format!("Take {}.", names[0]),
        rows: names.iter().enumerate().map(|(index, name)| row(name, 1.0 + 0.3 * index as f64)).collect(),
    };
    let idle = Figure { value: Some(1.3), means: Some("pss".to_owned()), missing: None };
    let entrant = |name: &&str| Entrant {
        name: (*name).to_owned(),
        command: vec!["switchboard".to_owned(), "serve".to_owned(), (*name).to_owned()],
        idle: idle.clone(),
    };
    Results {
        event: "compared".to_owned(),
        format: 1,
        versions: Versions {
            switchboard: "0.1.0".to_owned(),
            build: "release".to_owned(),
            kernel: "6.12".to_owned(),
        },
        machine: Machine { processor: None, cores: 2, server_core: Some(0), generator_core: Some(1) },
        date: "2026-01-01T00:00:00Z".to_owned(),
        settings: Settings { rounds: 8, seconds: 1.0, warm_up_seconds: 0.2 },
        contestants: names.iter().map(entrant).collect(),
        scenarios: (0..scenarios).map(outcome).collect(),
        noise: vec![0.01; 8],
        repeated: 1,
        doubts: Vec::new(),
        notes: vec!["A note.".to_owned()],
        signal: None,
    }
}

fn row(name: &str, factor: f64) -> Row {
    let turn = |round: usize| Turn {
        round,
        messages: 180_000,
        seconds: 1.0 + 0.01 * round as f64,
        cpu: Some(factor * (7.0 + 0.1 * round as f64)),
        ..Turn::default()
    };
    let ratio = Ratio { median: factor, low: Some(factor * 0.97), high: Some(factor * 1.04) };
    let percentiles =
        [(0.0, 20.0), (50.0, 210.0), (90.0, 240.0), (99.0, 310.0), (99.9, 900.0), (100.0, 2_000.0)];
    Row {
        contestant: name.to_owned(),
        messages_per_second: Some(180_000.0 / factor),
        p50: Some(210.0 * factor),
        p99: Some(310.0 * factor),
        p999: Some(900.0 * factor),
        cpu: Some(7.5 * factor),
        user: Some(1.5 * factor),
        system: Some(6.0 * factor),
        switches: Some(0.2),
        cpu_ratio: Some(ratio),
        percentiles: percentiles.map(|(percent, value)| (percent, value * factor)).to_vec(),
        rounds: (0..8).map(turn).collect(),
        ..Row::default()
    }
}
