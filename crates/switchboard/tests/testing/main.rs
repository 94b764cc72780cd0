//! `#[switchboard::test]`: where bodies run, what fails, and what is said then.
//!
//! What fails has to fail somewhere: `bodies.rs` has tests that do so in a process of their own, in which the environment
//! is what a test here wants it to be.

mod bodies;

use std::collections::BTreeSet;
use std::io;
use std::panic::{catch_unwind, panic_any};
use std::process::Command;

use switchboard::Mechanism;
use switchboard::net::Stream;
use switchboard::server::{Client, Server};
use switchboard::testing::Test;

/// How a process ended that ran one test of `bodies.rs`.
struct Ended {
    passed: bool,
    /// All it wrote, as its harness shows it.
    said: String,
}

/// Runs a test of `bodies.rs`, with these variables and no others of ours.
fn run(name: &str, variables: &[(&str, &str)]) -> Ended {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([&format!("bodies::{name}"), "--exact", "--show-output"]);
    for ours in ["ENGINE", "SEED", "SEEDS", "CHAOS", "REQUIRE"] {
        command.env_remove(format!("SWITCHBOARD_{ours}"));
    }
    command.env("THESE_BODIES_ARE_RUN", "").env("RUST_BACKTRACE", "0");
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("running 1 test\n"), "there is no test {name}: {said}");
    Ended { passed: output.status.success(), said }
}

/// What a test wrote that passes: its lines.
fn lines(name: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let ended = run(name, variables);
    assert!(ended.passed, "{}", ended.said);
    let lines = ended.said.lines().filter_map(|line| line.strip_prefix("it "));
    lines.map(ToOwned::to_owned).collect()
}

/// What a test said that fails.
fn failure(name: &str, variables: &[(&str, &str)]) -> String {
    let ended = run(name, variables);
    assert!(!ended.passed, "{}", ended.said);
    ended.said
}

/// Where it ran.
fn places(lines: &[String]) -> Vec<&str> {
    lines.iter().map(|line| line.split(':').next().unwrap()).collect()
}

fn available() -> Vec<&'static str> {
    Mechanism::available().map(Mechanism::name).collect()
}

/// The command that repeats a failure.
fn command(engine: &str, name: &str) -> String {
    format!("{engine} cargo test -p switchboard --test testing bodies::{name} -- --exact\n")
}

async fn shout(mut stream: Stream, _: Client) -> io::Result<()> {
    loop {
        let data = stream.recv().await?;
        if data.is_empty() {
            return Ok(());
        }
        stream.write_all(&data.to_ascii_uppercase()).await?;
    }
}

#[switchboard::test(seeds = 50)]
async fn a_server_and_its_client_are_one_test_everywhere() -> io::Result<()> {
    let server = Server::bind("127.0.0.1:0").await?;
    let address = server.addresses()[0].clone();
    let serving = switchboard::spawn(server.serve(shout));
    let mut client = Stream::connect(address).await?;
    client.write_all(b"hello").await?;
    let mut answer = [0; 5];
    client.read_exact(&mut answer).await?;
    assert_eq!(&answer, b"HELLO");
    serving.cancel().await;
    Ok(())
}

#[switchboard::test]
#[should_panic(expected = "this is expected")]
async fn a_panic_that_is_expected_is_that_of_the_body() {
    switchboard::yield_now().await;
    panic!("this is expected, and this is not looked at");
}

#[switchboard::test]
#[should_panic = "cannot connect"]
async fn a_failure_that_is_expected_is_a_panic() -> io::Result<()> {
    Stream::connect("127.0.0.1:1").await.map(drop)
}

#[test]
fn it_runs_on_each_mechanism_and_with_ten_seeds() {
    let lines = lines("tells_where_it_runs", &[]);
    let expected: Vec<_> = available().into_iter().chain(["sim"; 10]).collect();
    assert_eq!(places(&lines), expected);
}

#[test]
fn what_is_left_to_chance_follows_from_the_seed() {
    let sim = ("SWITCHBOARD_ENGINE", "sim");
    let all = lines("tells_where_it_runs", &[sim, ("SWITCHBOARD_SEEDS", "20")]);
    assert_eq!(all, lines("tells_where_it_runs", &[sim, ("SWITCHBOARD_SEEDS", "20")]));
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 20, "{all:?}");
    assert_eq!(lines("tells_where_it_runs", &[sim, ("SWITCHBOARD_SEEDS", "5..8")]), all[5..8]);
    assert_eq!(lines("tells_where_it_runs", &[sim, ("SWITCHBOARD_SEED", "17")]), all[17..18]);
}

#[test]
fn orders_of_events_differ_by_the_seed() {
    let sim = ("SWITCHBOARD_ENGINE", "sim");
    let orders = lines("tells_who_came_first", &[sim, ("SWITCHBOARD_SEEDS", "20")]);
    assert_eq!(orders, lines("tells_who_came_first", &[sim, ("SWITCHBOARD_SEEDS", "20")]));
    let different: BTreeSet<_> = orders.into_iter().collect();
    assert!(different.len() > 3, "{different:?}");
}

#[test]
fn an_attribute_narrows_where_it_runs() {
    assert_eq!(places(&lines("runs_on_two", &[])), ["poll", "select"]);
    assert_eq!(places(&lines("runs_on_two", &[("SWITCHBOARD_SEEDS", "5")])), ["poll", "select"]);
    assert_eq!(places(&lines("runs_on_one_and_three_seeds", &[])), ["poll", "sim", "sim", "sim"]);
    assert_eq!(places(&lines("runs_on_sim", &[("SWITCHBOARD_SEEDS", "2")])), ["sim", "sim"]);
}

#[test]
fn the_environment_narrows_where_it_runs() {
    assert_eq!(places(&lines("tells_where_it_runs", &[("SWITCHBOARD_ENGINE", "poll")])), ["poll"]);
    assert_eq!(places(&lines("tells_where_it_runs", &[("SWITCHBOARD_ENGINE", "sim")])), ["sim"; 10]);
    let ended = run("runs_on_two", &[("SWITCHBOARD_ENGINE", "sim")]);
    let said = "skipped: this test does not run on sim, the only engine that is asked for\n";
    assert!(ended.passed && ended.said.contains(said), "{}", ended.said);
}

#[test]
fn a_mechanism_that_is_absent_is_skipped_aloud() {
    let ended = run("runs_on_devpoll_and_sim", &[]);
    assert!(ended.passed && ended.said.contains("\nskipped on devpoll: "), "{}", ended.said);
    assert!(ended.said.contains("\nit sim: "), "{}", ended.said);
}

#[test]
fn a_mechanism_that_is_required_is_not_skipped() {
    for variable in [("SWITCHBOARD_REQUIRE", "poll, devpoll"), ("SWITCHBOARD_ENGINE", "devpoll")] {
        let said = failure("runs_on_devpoll_and_sim", &[variable]);
        assert!(said.contains("\ndevpoll is required here, but cannot be opened: "), "{said}");
        let place = command("SWITCHBOARD_ENGINE=devpoll", "runs_on_devpoll_and_sim");
        assert!(said.contains(&format!("\nfailed on devpoll; repeat it with: {place}")), "{said}");
    }
}

#[test]
fn what_cannot_be_understood_is_said_before_anything_runs() {
    for (name, value, expected) in [
        ("SWITCHBOARD_SEEDS", "0", "\nSWITCHBOARD_SEEDS=0: there is no seed in it; "),
        ("SWITCHBOARD_ENGINE", "x", "\nSWITCHBOARD_ENGINE=x: no such engine; "),
    ] {
        let said = failure("tells_where_it_runs", &[(name, value)]);
        assert!(said.contains(expected) && !said.contains("\nit "), "{said}");
    }
}

#[test]
fn a_panic_is_shown_with_the_seed_and_the_command_that_repeats_it() {
    let said = failure("panics_with_some_seeds", &[]);
    assert!(said.contains(".rs:") && said.contains("\nan unlucky number\n"), "{said}");
    let (_, after) = said.split_once("\nfailed on sim with seed ").expect(&said);
    let (seed, after) = after.split_once("; repeat it with: ").expect(&said);
    let variables = format!("SWITCHBOARD_ENGINE=sim SWITCHBOARD_SEED={seed}");
    assert!(after.starts_with(&command(&variables, "panics_with_some_seeds")), "{said}");
    assert_eq!(
        said.matches("\nit sim: ").count().to_string(),
        format!("{}", seed.parse::<u64>().unwrap() + 1)
    );

    let again = [("SWITCHBOARD_ENGINE", "sim"), ("SWITCHBOARD_SEED", seed)];
    let said_again = failure("panics_with_some_seeds", &again);
    assert!(said_again.contains(&format!("\nfailed on sim with seed {seed}; ")), "{said_again}");
    assert_eq!(said_again.matches("\nit ").count(), 1, "{said_again}");
}

#[test]
fn faults_of_a_mechanism_are_part_of_the_command() {
    let chaos = ("SWITCHBOARD_CHAOS", "seed=7,short=0.2");
    let said = failure("returns_a_failure", &[chaos, ("SWITCHBOARD_ENGINE", "poll")]);
    let variables = "SWITCHBOARD_ENGINE=poll SWITCHBOARD_CHAOS=seed=7,short=0.2";
    assert!(said.contains(&command(variables, "returns_a_failure")), "{said}");
}

#[test]
fn a_failure_that_is_returned_fails() {
    let said = failure("returns_a_failure", &[("SWITCHBOARD_ENGINE", "poll")]);
    let place = command("SWITCHBOARD_ENGINE=poll", "returns_a_failure");
    let expected =
        format!("\nthe test returned a failure: the disk is full\nfailed on poll; repeat it with: {place}");
    assert!(said.contains(&expected), "{said}");
}

#[test]
fn a_panic_that_nobody_sees_fails_at_once() {
    for engine in ["poll", "sim"] {
        let said = failure("loses_a_panic", &[("SWITCHBOARD_ENGINE", engine)]);
        let expected = "\nnobody waited for this: task \"forgotten\" (spawned at crates/switchboard/tests/testing/bodies.rs:";
        assert!(said.contains(expected) && said.contains(") panicked: out of cheese\nfailed on "), "{said}");
    }
}

#[test]
fn a_panic_while_the_loop_ends_fails_too() {
    let said = failure("panics_when_cancelled", &[("SWITCHBOARD_ENGINE", "sim")]);
    assert!(
        said.contains("\nnobody waited for this: ") && said.contains("never mind\nfailed on sim"),
        "{said}"
    );
}

#[test]
fn an_error_that_nobody_sees_is_told_and_fails_nothing() {
    let ended = run("loses_an_error", &[("SWITCHBOARD_ENGINE", "sim"), ("SWITCHBOARD_SEED", "1")]);
    assert!(ended.passed && ended.said.contains("failed: no matter\n"), "{}", ended.said);
}

#[test]
fn a_lost_wake_up_is_told_with_all_who_wait() {
    let said = failure("loses_a_wake_up", &[("SWITCHBOARD_ENGINE", "sim")]);
    let file = "crates/switchboard/tests/testing/bodies.rs";
    for expected in [
        "\nnothing can ever happen again, and these wait:\n",
        &format!("\n  task \"the test\" (spawned at {file}:"),
        " waits for the end of task \"forgetful\" (spawned at ",
        &format!("\n  task \"forgetful\" (spawned at {file}:"),
        " waits to be woken, by a channel, a lock or the like\n",
        "\nfailed on sim with seed 0; repeat it with: ",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn a_hang_on_a_mechanism_is_told_with_all_who_wait() {
    let said = failure("hangs", &[("SWITCHBOARD_ENGINE", "poll")]);
    for expected in [
        "\nit has not come to an end after 300ms, and these wait:\n",
        " waits to accept on 127.0.0.1:",
        "\n  task \"sleeper\" (spawned at ",
        " sleeps, for ",
        "\nfailed on poll; repeat it with: ",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn what_goes_on_for_ever_in_a_simulated_network_ends_by_its_clock() {
    let sim = ("SWITCHBOARD_ENGINE", "sim");
    let said = failure("hangs", &[sim]);
    assert!(said.contains("\nit has not come to an end after 300ms, and these wait:\n"), "{said}");
    let said = failure("sleeps_for_ever", &[sim]);
    assert!(said.contains("\nit has not come to an end after 3600s, and these wait:\n"), "{said}");
    let said = failure("never_sleeps", &[sim]);
    let expected = "\nit has not come to an end after 20ms; nobody waits, so something is always about to run\nfailed on sim";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn who_expects_a_panic_expects_it_of_each_run() {
    let said = failure("panics_on_poll_only", &[]);
    assert!(said.contains("\ndid not panic on sim with seed 0; repeat it with: "), "{said}");
    assert!(said.contains("test did not panic as expected"), "{said}");
    let said = failure("panics_differently", &[]);
    assert!(said.contains("panic did not contain expected string\n"), "{said}");
    assert!(said.contains("sim is no fun") && said.contains("failed on sim with seed 0; "), "{said}");
}

#[test]
fn who_expects_a_panic_is_skipped_as_all_are() {
    let ended = run("panics_on_poll", &[("SWITCHBOARD_ENGINE", "sim")]);
    assert!(ended.passed && ended.said.contains("\nskipped: "), "{}", ended.said);
}

#[test]
fn a_thread_is_not_waited_for_for_ever() {
    let said = failure("waits_for_a_thread", &[]);
    let expected = "\nnothing can happen but by another thread, and none does anything, and these wait:\n  task \"the test\" (";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_thread_that_takes_part_is_told() {
    let ended = run("is_woken_by_a_thread", &[("SWITCHBOARD_SEED", "3")]);
    let said =
        "\nanother thread took part on sim with seed 3: what happens does not follow from the seed alone\n";
    assert!(ended.passed && ended.said.contains(said), "{}", ended.said);
    let ended = run("tells_where_it_runs", &[("SWITCHBOARD_SEED", "3")]);
    assert!(!ended.said.contains("another thread"), "{}", ended.said);
}

#[test]
fn faults_happen_in_the_simulated_network() {
    assert_eq!(lines("tells_what_became_of_a_connection", &[]), ["sim: connection reset"; 10]);
    assert_eq!(lines("tells_who_came_uninvited", &[]), ["sim: 3 uninvited"; 10]);
}

#[switchboard::test(faults = "rest=0")]
#[should_panic(expected = "faults = \"rest=0\": unknown fault \"rest\": one of short, ")]
async fn faults_that_there_are_not_are_refused() {}

#[test]
fn what_a_body_throws_comes_out_as_it_is() {
    let thrown = catch_unwind(|| Test::new().run(async || panic_any(7_u8))).unwrap_err();
    assert_eq!(thrown.downcast_ref(), Some(&7_u8));
}
