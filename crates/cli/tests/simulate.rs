//! `switchboard simulate` as its users meet it: what it finds, how it tells it, and that the same seed does the same.
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside the runtime and has clocks and threads"
)]

mod server;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::{env, fs, process};

use rustix::process::Signal;
use serde_json::Value;
use server::{Ended, Server, run_to_end, switchboard};

/// Runs it with these arguments.
fn simulate(arguments: &str) -> Ended {
    run_to_end(switchboard(&[&["simulate"], &*arguments.split_whitespace().collect::<Vec<_>>()].concat()))
}

/// The same, and what it tells as JSON.
fn simulate_telling_json(arguments: &str) -> (Option<i32>, Value) {
    let ended = simulate(&format!("{arguments} --json"));
    let told = serde_json::from_str(&ended.stdout);
    (ended.code, told.unwrap_or_else(|error| panic!("{error}: {ended:?}")))
}

/// A file of this test's own, removed when it is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(env::temp_dir().join(format!("switchboard-simulate-{}-{name}", process::id())))
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.0).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

#[test]
fn every_service_on_both_models_keeps_every_invariant_whatever_goes_wrong() {
    for model in ["tasks", "callbacks"] {
        for service in ["echo", "upper", "line", "hello", "discard", "chargen", "daytime", "time", "boom"] {
            let arguments = format!("--model {model} --service {service} --seeds 0..8 --messages 30");
            let (code, told) = simulate_telling_json(&arguments);
            assert_eq!((code, &told["failures"]), (Some(0), &Value::Array(vec![])), "{arguments}: {told}");
            assert_eq!((&told["model"], &told["service"]), (&model.into(), &service.into()));
            let counts = ["connections", "messages", "seeds"].map(|name| told[name].as_u64().unwrap());
            assert!(counts[0] >= 80 && counts[1] >= 1000 && counts[2] == 8, "{arguments}: {told}");
            assert!(told["injected"]["short"].as_u64().unwrap() > 0, "{arguments}: {told}");
            assert!(service == "discard" || told["bytes"].as_u64().unwrap() > 5_000, "{arguments}: {told}");
        }
    }
}

#[test]
fn what_the_server_is_told_to_do_is_borne_in_mind() {
    for model in ["tasks", "callbacks"] {
        for more in [
            "--limit 2",
            "--idle-timeout 100ms",
            "--delay 50ms --jitter 50ms",
            "--chop --drip 100/10ms",
            "--close-after 300",
            "--reset-after 300",
            "--greeting hi --read-size 2",
            "--grace 0s --faults default,signal=0.1",
            "--link latency=20ms,jitter=80ms,bandwidth=100KiB,loss=5%,reordering=5%",
            "--faults default,reset=0.02:50,aborted=0.2:20,emfile=0.1:20",
            "--faults none --size 4KiB",
            "--clients 1 --size 1",
        ] {
            let arguments = format!("--model {model} --service line --seeds 100..105 --messages 30 {more}");
            let ended = simulate(&arguments);
            assert_eq!(ended.code, Some(0), "{arguments}: {ended:?}");
            assert!(ended.stdout.ends_with("all invariants held\n"), "{arguments}: {ended:?}");
            assert_eq!(ended.stderr, "", "{arguments}");
        }
    }
}

#[test]
fn with_unseen_faults_nothing_is_cut_off() {
    for model in ["tasks", "callbacks"] {
        let (code, told) = simulate_telling_json(&format!("--model {model} --faults unseen --seeds 0..20"));
        assert_eq!((code, &told["cut"], &told["connections"]), (Some(0), &0.into(), &200.into()), "{told}");
    }
}

#[test]
fn the_report_says_what_was_run_and_what_went_wrong() {
    let ended = simulate("--seeds 3..13 --service line --messages 20");
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert!(lines[0].starts_with("10 seeds of tasks serving line in "), "{ended:?}");
    assert!(lines[0].contains(" a second; ") && lines[0].ends_with(" s of virtual time"), "{ended:?}");
    assert!(lines[1].contains(" connections, ") && lines[1].contains(" bytes verified"), "{ended:?}");
    assert!(lines[2].starts_with("injected: short "), "{ended:?}");
    assert_eq!(lines[3..], ["all invariants held"], "{ended:?}");
}

#[test]
fn the_same_seed_does_the_same_in_every_process() {
    for model in ["tasks", "callbacks"] {
        let traces = ["one", "other"].map(|name| {
            let trace = Scratch::new(&format!("{model}-{name}"));
            let arguments = "--service line --seeds 7 --messages 20 --delay 1ms --jitter 9ms --chop --model";
            let ended = simulate(&format!("{arguments} {model} --trace {}", trace.path()));
            assert_eq!(ended.code, Some(0), "{ended:?}");
            trace.text()
        });
        assert!(traces[0].lines().count() > 1_000, "{}", traces[0]);
        assert!(
            traces[0].contains("server") && traces[0].contains("clients 3") && traces[0].contains("Echo: ")
        );
        assert!(traces[0] == traces[1], "it is another trace");
        let other = Scratch::new(&format!("{model}-other-seed"));
        simulate(&format!("--seeds 8 --model {model} --trace {}", other.path()));
        assert!(other.text() != traces[0]);
    }
}

#[test]
fn what_is_checked_is_the_same_twice_and_threads_make_no_difference() {
    let tell = |more: &str| {
        let (code, mut told) = simulate_telling_json(&format!("--seeds 0..20 --messages 20 {more}"));
        assert_eq!(code, Some(0), "{told}");
        let told = told.as_object_mut().unwrap();
        told.remove("seconds");
        told.remove("seeds_per_second");
        told.clone()
    };
    let plain = tell("");
    assert_eq!(tell("--check"), plain);
    assert_eq!(tell("--threads 3"), plain);
}

#[test]
fn an_invariant_that_does_not_hold_is_told_with_the_command_that_repeats_it() {
    // An answer that takes longer than anybody waits for, by the network's clock, breaks the promise of one.
    let trace = Scratch::new("failing");
    let broken = "--service echo --faults none --delay 1h --clients 2 --messages 2";
    let ended = simulate(&format!("{broken} --seeds 5..9 --max-failures 2 --trace {}", trace.path()));
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stdout.contains("2 of 4 seeds of tasks"), "{ended:?}");
    assert!(ended.stdout.contains("\nseed 5 failed:\n  silent: client "), "{ended:?}");
    assert!(ended.stdout.ends_with("2 of 2 seeds failed\n"), "{ended:?}");
    let again = format!("  to see it: switchboard simulate {broken} --seeds 5 --trace seed-5.txt\n");
    assert!(ended.stdout.contains(&again), "{ended:?}");
    assert!(trace.text().contains("clients 2"));
    let (code, told) = simulate_telling_json(&format!("{broken} --seeds 5"));
    assert_eq!(code, Some(3));
    let failure = &told["failures"][0];
    assert_eq!(
        (&failure["seed"], &failure["broken"][0]["invariant"]),
        (&5.into(), &"silent".into()),
        "{told}"
    );
    assert!(again.contains(failure["command"].as_str().unwrap()), "{told}");
}

#[test]
fn all_seeds_are_run_if_that_is_asked_for() {
    let broken = "--faults none --delay 1h --clients 4 --messages 1 --seeds 0..12";
    let (code, told) = simulate_telling_json(&format!("{broken} --keep-going"));
    assert_eq!((code, told["failures"].as_array().unwrap().len()), (Some(3), 12), "{told}");
    let (_, told) = simulate_telling_json(broken);
    assert_eq!(told["failures"].as_array().unwrap().len(), 10, "{told}");
}

#[test]
fn ctrl_c_ends_it_and_what_was_found_is_told() {
    let mut command = switchboard(&["simulate", "--seeds", "0..100000000", "-vv"]);
    command.stdout(Stdio::piped());
    let running = Server::spawn(command, SocketAddr::from(([127, 0, 0, 1], 0)));
    running.wait_for_log("seed 2: INFO ");
    running.signal(Signal::INT);
    let ended = running.end();
    assert_eq!(ended.code, Some(130), "{}", ended.stdout);
    assert!(ended.stdout.contains(" of 100000000 seeds of tasks"), "{}", ended.stdout);
    assert!(ended.stdout.contains("\nSIGINT: not all seeds were run\n"), "{}", ended.stdout);
}

#[test]
fn a_trace_that_cannot_be_written_is_one_line() {
    for (path, code, said) in [
        (
            "/nowhere/at/all",
            Some(1),
            "cannot write the trace to /nowhere/at/all: no such file or directory; give",
        ),
        ("/dev/full", Some(1), "cannot write the trace to /dev/full: no space left on device; give"),
        ("/", Some(1), "cannot write the trace to /: is a directory; give"),
    ] {
        let ended = simulate(&format!("--seeds 1 --messages 2 --trace {path}"));
        assert_eq!(ended.code, code, "{ended:?}");
        assert!(ended.stderr.starts_with(&format!("error: {said} ")), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    }
}

#[test]
fn wrong_use_is_one_line_and_exit_code_2() {
    for (arguments, said) in [
        ("--seeds 5..5", "--seeds 5..5: no seed is in this range; give A..B, such as 0..100, or one seed"),
        ("--seeds 7..3", "--seeds 7..3: no seed is in this range; give"),
        ("--seeds -1", "--seeds -1: not a seed; give"),
        ("--seeds 1..", "--seeds 1..: not a seed; give"),
        ("--seeds x", "--seeds x: not a seed; give"),
        ("--seeds 99999999999999999999", "--seeds 99999999999999999999: too large a seed; give"),
        ("--faults tea=0.1", "--faults tea=0.1: unknown fault \"tea\": one of short, eintr,"),
        ("--faults short=1.5", "--faults short=1.5: probability 1.5 of fault short is outside 0..=1"),
        ("--faults short=-0.1", "--faults short=-0.1: probability -0.1 of fault short is outside 0..=1"),
        ("--faults short", "--faults short: fault short has no probability: give one in 0..=1"),
        ("--link loss=101%", "--link loss=101%: loss=101%: outside 0..=1; give such as 0.1% or 0.001"),
        ("--link loss=NaN", "--link loss=NaN: loss=NaN: outside 0..=1; give"),
        ("--link reordering=x", "--link reordering=x: reordering=x: not a probability; give"),
        ("--link latency=5", "--link latency=5: latency=5: a duration without a unit; give"),
        ("--link bandwidth=0", "--link bandwidth=0: bandwidth=0: nothing would ever arrive; give"),
        (
            "--link colour=red",
            "--link colour=red: colour: a link has latency, jitter, bandwidth, loss and reordering",
        ),
        ("--link latency", "--link latency: latency has no value; give such as latency=5ms"),
        (
            "--model threads",
            "--model threads: it waits in system calls, where no simulated network is; give callbacks or tasks",
        ),
        ("--model tea", "--model tea: no such model; give one of "),
        ("--service tea", "--service tea: no such service; give one of "),
        ("--clients 0", "--clients 0: nobody would come; give 1 or more"),
        ("--messages 0", "--messages 0: nothing would be said; give 1 or more"),
        ("--size 0", "--size 0: nothing would be said; give 1 or more"),
        ("--size 65KiB", "--size 65KiB: too long a message; give at most 64KiB"),
        ("--max-failures 0", "--max-failures 0: nothing would be run; give 1 or more"),
        ("--threads 0", "--threads 0: give 1 to 48, or auto"),
        ("--limit 0", "--limit 0: nobody would be served; give 1 or more, or leave it out"),
        ("--never-read", "--never-read: clients would wait for ever; leave it out"),
        ("--lsit", "unexpected argument '--lsit' found; "),
    ] {
        let ended = simulate(arguments);
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{arguments}: {ended:?}");
        assert!(ended.stderr.starts_with(&format!("error: {said}")), "{arguments}: {ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{arguments}: {ended:?}");
    }
}

#[test]
fn the_help_shows_examples_and_exit_codes() {
    let ended = simulate("--help");
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
    for part in ["switchboard simulate --seeds 17 --trace", "Exit codes:", "an invariant did not hold"] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
}
