//! The models that block, `blocking`, `threads` and `processes`: who waits for whom, and how a thread that blocks is ended.
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside the runtime and has clocks and threads"
)]

mod server;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use server::{DEADLINE, Server, assert_echoes, assert_ends_after, fill};

/// Makes one test per model of each body.
macro_rules! on_every_model_that_blocks {
    ($($body:ident),+ $(,)?) => {
        mod blocking { $(#[test] fn $body() { super::$body("blocking"); })+ }
        mod threads { $(#[test] fn $body() { super::$body("threads"); })+ }
        mod processes { $(#[test] fn $body() { super::$body("processes"); })+ }
    };
}

on_every_model_that_blocks!(
    when_nobody_comes_for_the_accept_timeout_it_ends_in_good_order,
    who_comes_before_the_accept_timeout_is_served_for_longer_than_it,
    a_silent_and_a_deaf_client_run_into_the_idle_timeout,
    a_client_that_is_waited_for_is_let_go_after_the_grace_period,
    a_client_that_does_not_read_is_cut_off_after_the_grace_period,
    a_client_whose_answer_is_late_is_cut_off_after_the_grace_period,
    last_words_reach_a_client_that_is_waited_for,
    a_second_signal_ends_whatever_blocks,
    a_partial_send_is_resumed_where_it_stopped,
);

#[test]
fn on_blocking_the_second_client_waits_and_explain_says_for_whom() {
    let server = start("blocking", &["--service", "hello", "--delay", "500ms", "--explain"]);
    let begun = Instant::now();
    let first = server.connect();
    server.wait_for_log(&format!("explain: {} is served; whoever comes meanwhile waits", name(&first)));
    let second = server.connect();
    let waits = format!("explain: somebody waits in the queue: {} is served, for ", name(&first));
    server.wait_for_log(&waits);
    assert_ends_after(&first, HELLO);
    assert!(begun.elapsed() >= Duration::from_millis(500));
    drop(first);
    server.wait_for_log(&format!("explain: {} was taken from the queue, having waited for ", name(&second)));
    assert_ends_after(&second, HELLO);
    assert!(begun.elapsed() >= Duration::from_secs(1), "both at once, after {:?}", begun.elapsed());
}

#[test]
fn on_threads_and_processes_the_second_client_waits_for_nobody() {
    for model in ["threads", "processes"] {
        // A busy machine may need several goes.
        let in_time = (0..5).any(|_| {
            let server = start(model, &["--service", "hello", "--delay", "1s"]);
            let begun = Instant::now();
            let clients = [server.connect(), server.connect()];
            for client in &clients {
                assert_ends_after(client, HELLO);
            }
            let took = begun.elapsed();
            assert!(took >= Duration::from_secs(1), "{model}: took only {took:?}");
            took < Duration::from_millis(1900)
        });
        assert!(in_time, "{model}: one has waited for the other");
    }
}

#[test]
fn on_blocking_the_queue_is_served_one_by_one_in_the_grace_period() {
    let server = start("blocking", &["--service", "hello", "--delay", "200ms", "--grace", "20s", "-v"]);
    let first = server.connect();
    server.wait_for_log("connected");
    let others = [server.connect(), server.connect()];
    server.signal(Signal::TERM);
    server.wait_for_log("accepting no more");
    for client in [first].into_iter().chain(others) {
        assert_ends_after(&client, HELLO);
    }
    let ended = server.end();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("ended; 3 accepted: 3 finished"), "{}", ended.stderr);
}

#[test]
fn on_blocking_who_is_in_the_queue_when_the_grace_period_is_over_is_refused() {
    let server = start("blocking", &["--grace", "300ms", "--explain"]);
    let first = server.connect();
    assert_echoes(&first, b"hello");
    let mut second = server.connect();
    server.wait_for_log("somebody waits in the queue");
    server.signal(Signal::TERM);
    assert_ends_after(&first, b"");
    drop(first);
    let refused = second.read(&mut [0]).expect_err("the connection was never accepted");
    assert_eq!(refused.kind(), ErrorKind::ConnectionReset);
    let ended = server.end();
    assert!(ended.stderr.contains("whoever is still in the queue is refused"), "{}", ended.stderr);
    assert!(ended.stderr.contains("ended; 1 accepted: 1 finished"), "{}", ended.stderr);
}

#[test]
fn other_models_have_no_accept_timeout() {
    for model in ["polling", "tasks"] {
        let command = server::switchboard(&["serve", "--model", model, "--accept-timeout", "1s"]);
        let ended = server::run_to_end(command);
        assert_eq!(ended.code, Some(2));
        assert!(ended.stderr.starts_with("error: --accept-timeout: the model "), "{}", ended.stderr);
    }
}

fn when_nobody_comes_for_the_accept_timeout_it_ends_in_good_order(model: &str) {
    let begun = Instant::now();
    let ended = start(model, &["--accept-timeout", "300ms", "--grace", "1h"]).end();
    assert_eq!(ended.code, Some(0));
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert!(ended.stderr.contains("nobody has come for 300ms"), "{}", ended.stderr);
    assert!(ended.stderr.contains("ended; 0 accepted"), "{}", ended.stderr);
}

fn who_comes_before_the_accept_timeout_is_served_for_longer_than_it(model: &str) {
    let server = start(model, &["--accept-timeout", "400ms", "--grace", "1h"]);
    let client = server.connect();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(900) {
        assert_echoes(&client, b"still here");
        thread::sleep(Duration::from_millis(50));
    }
    let left = Instant::now();
    drop(client);
    let ended = server.end();
    assert!(left.elapsed() >= Duration::from_millis(390), "it began to count before: {:?}", left.elapsed());
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("ended; 1 accepted: 1 finished"), "{}", ended.stderr);
}

fn a_silent_and_a_deaf_client_run_into_the_idle_timeout(model: &str) {
    let server = start_json(model, &["--idle-timeout", "300ms"]);
    let silent = server.connect();
    assert_echoes(&silent, b"hello");
    let begun = Instant::now();
    // In good order, as after its own end.
    assert_ends_after(&silent, b"");
    drop(silent);
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(280) && took < Duration::from_secs(5), "took {took:?}");
    let mut deaf = server.connect();
    deaf.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
    let begun = Instant::now();
    while deaf.write(&[7; 50_000]).map_or_else(|error| error.kind() == ErrorKind::WouldBlock, |_| true) {
        assert!(begun.elapsed() < DEADLINE, "it is still served");
    }
    let receipt = server.stop().receipt();
    assert_eq!((&receipt["finished"], &receipt["cancelled"]), (&1.into(), &1.into()), "{receipt}");
    let left = left_of(&receipt, &deaf);
    assert!(left["unsent"].as_u64() > Some(0) && left["why"] == "idle", "{receipt}");
}

fn a_client_that_is_waited_for_is_let_go_after_the_grace_period(model: &str) {
    let server = start_json(model, &["--grace", "300ms"]);
    let client = server.connect();
    assert_echoes(&client, b"hello");
    let begun = Instant::now();
    server.signal(Signal::TERM);
    // In good order, as after its own end.
    assert_ends_after(&client, b"");
    drop(client);
    let receipt = server.end().receipt();
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(5), "took {took:?}");
    assert_eq!(receipt["finished"], 1, "{receipt}");
}

fn a_client_that_does_not_read_is_cut_off_after_the_grace_period(model: &str) {
    let server = start_json(model, &["--grace", "300ms"]);
    let (deaf, sent) = fill(server.connect());
    let receipt = server.stop().receipt();
    let left = left_of(&receipt, &deaf);
    assert_eq!(left["why"], "drain");
    assert!(left["unsent"].as_u64() > Some(0), "{receipt}");
    // Nothing is counted twice, or lost: it has received what it has sent, or has still to send.
    let (received, sent_back) = (receipt["received"].as_u64().unwrap(), receipt["sent"].as_u64().unwrap());
    assert!(sent_back <= received && received <= sent.len() as u64, "{receipt}");
    assert!(left["unsent"].as_u64().unwrap() >= received - sent_back, "{receipt}");
}

fn a_client_whose_answer_is_late_is_cut_off_after_the_grace_period(model: &str) {
    let server = start_json(model, &["--grace", "300ms", "--service", "hello", "--delay", "1h"]);
    let mut client = server.connect();
    // Even if it was not taken yet: a drain begins with the queue.
    let receipt = server.stop().receipt();
    let left = left_of(&receipt, &client);
    assert!(left["unsent"] == HELLO.len() && left["why"] == "drain", "{receipt}");
    assert_eq!(client.read(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset));
}

fn last_words_reach_a_client_that_is_waited_for(model: &str) {
    let server = start(model, &["--grace", "300ms", "--service", "line"]);
    let mut client = server.connect();
    client.write_all(b"whole\nhalf").unwrap();
    let welcome = b"Welcome! Every line you send comes back.\r\nEcho: whole\r\n";
    let mut heard = vec![0; welcome.len()];
    client.read_exact(&mut heard).unwrap();
    server.signal(Signal::TERM);
    assert_ends_after(&client, b"Echo: half\r\n");
    drop(client);
    assert!(server.end().stderr.contains("ended; 1 accepted: 1 finished"));
}

fn a_second_signal_ends_whatever_blocks(model: &str) {
    let blocked: [Blocked<'_>; 3] = [
        (&[], |server| {
            let client = server.connect();
            assert_echoes(&client, b"hello");
            client
        }),
        (&[], |server| fill(server.connect()).0),
        (&["--service", "hello", "--delay", "1h"], |server| {
            let client = server.connect();
            server.wait_for_log("connected");
            client
        }),
    ];
    for (arguments, block) in blocked {
        let server = start(model, &[&["--grace", "1h", "-v"], arguments].concat());
        let client = block(&server);
        server.signal(Signal::TERM);
        server.wait_for_log("accepting no more");
        let begun = Instant::now();
        server.signal(Signal::TERM);
        let ended = server.end();
        assert_eq!(ended.code, Some(143));
        assert!(begun.elapsed() < Duration::from_secs(1), "took {:?}", begun.elapsed());
        assert!(ended.stderr.ends_with("ended at once, by a second signal (SIGTERM)\n"), "{}", ended.stderr);
        drop(client);
    }
}

/// The timeout on a send cuts it in two: neither part is lost or sent again.
fn a_partial_send_is_resumed_where_it_stopped(model: &str) {
    let server = start(model, &["--idle-timeout", "2s"]);
    let (client, sent) = fill(server.connect());
    // By now a send has returned with a part of what it was to send: after a quarter of the idle timeout.
    thread::sleep(Duration::from_millis(700));
    client.shutdown(Shutdown::Write).unwrap();
    assert_ends_after(&client, &sent);
    drop(client);
    assert!(server.stop().stderr.contains("ended; 1 accepted: 1 finished"));
}

/// With a short grace period, unless told otherwise.
fn start(model: &str, arguments: &[&str]) -> Server {
    let grace: &[_] = if arguments.contains(&"--grace") { &[] } else { &["--grace", "500ms"] };
    Server::start(&[&["--listen", "127.0.0.1:0", "--model", model], grace, arguments].concat())
}

fn start_json(model: &str, arguments: &[&str]) -> Server {
    Server::start_json("auto", &[&["--model", model], arguments].concat())
}

/// What a client that was cancelled left behind.
fn left_of<'a>(receipt: &'a Value, client: &TcpStream) -> &'a Value {
    let left = receipt["left"].as_array().unwrap();
    left.iter().find(|left| left["peer"] == name(client).as_str()).expect("it was left")
}

fn name(client: &TcpStream) -> String {
    client.local_addr().unwrap().to_string()
}

/// How a server is started, and what a client does for it to block.
type Blocked<'a> = (&'a [&'a str], fn(&Server) -> TcpStream);

const HELLO: &[u8] = b"Hello from server!\r\n";
