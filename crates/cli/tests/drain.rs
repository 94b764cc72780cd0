//! The end of `switchboard serve`, by a signal and by a second one, as clients and scripts meet it.
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside the runtime and has clocks and threads"
)]

mod server;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use server::{DEADLINE, ReservedPort, Server, assert_echoes, assert_ends_after, fill, on_every_engine};

on_every_engine!(
    idle_connections_end_after_the_grace_period_and_new_ones_are_refused,
    the_grace_period_is_two_seconds_unless_told_otherwise,
    what_came_before_a_signal_is_served_even_if_it_was_not_seen_yet,
    who_waits_for_a_descriptor_at_a_signal_is_served,
    e17_one_idle_one_busy_and_one_deaf_client_end_in_time,
    two_signals_at_once_are_a_second_signal,
);

fn idle_connections_end_after_the_grace_period_and_new_ones_are_refused(engine: &str) {
    assert_in_time(GRACE, || end_with_an_idle_client(engine));
}

fn end_with_an_idle_client(engine: &str) -> Duration {
    let port = ReservedPort::new();
    let listen = port.address().to_string();
    let server = Server::start(&["--listen", &listen, "--engine", engine, "--grace", "500ms", "-v"]);
    let client = server.connect();
    assert_echoes(&client, b"hello");
    let begun = Instant::now();
    server.signal(Signal::TERM);
    server.wait_for_log("SIGTERM: accepting no more, and waiting for clients for 500ms at most");
    assert_echoes(&client, b"still here");
    let deadline = begun + GRACE;
    while TcpStream::connect_timeout(&server.address, DEADLINE).map_err(|error| error.kind()).err()
        != Some(io::ErrorKind::ConnectionRefused)
    {
        assert!(Instant::now() < deadline, "somebody still listens");
    }
    assert_ends_after(&client, b"");
    let ended = server.end();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("0 failed, 0 cancelled"), "{}", ended.stderr);
    begun.elapsed()
}

fn the_grace_period_is_two_seconds_unless_told_otherwise(engine: &str) {
    assert_in_time(Duration::from_secs(2), || {
        let server = Server::start(&["--listen", "127.0.0.1:0", "--engine", engine]);
        let client = server.connect();
        assert_echoes(&client, b"hello");
        let begun = Instant::now();
        assert_eq!(server.stop().code, Some(0));
        begun.elapsed()
    });
}

fn what_came_before_a_signal_is_served_even_if_it_was_not_seen_yet(engine: &str) {
    let server = Server::on(engine);
    let old = server.connect();
    assert_echoes(&old, b"hello");
    server.signal(Signal::STOP);
    let mut clients: Vec<_> = (0..100).map(|_| server.connect()).collect();
    clients.push(old);
    for client in &mut clients {
        client.write_all(b"in the queue").unwrap();
    }
    server.signal(Signal::TERM);
    server.signal(Signal::CONT);
    for client in clients {
        assert_ends_after(&client, b"in the queue");
    }
    let ended = server.end();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.starts_with("ended; 101 accepted: 101 finished"), "{}", ended.stderr);
}

fn who_waits_for_a_descriptor_at_a_signal_is_served(engine: &str) {
    let server = Server::with(engine, &["--grace", "20s"]);
    server.limit_descriptors(20);
    let clients: Vec<_> = (0..40).map(|_| server.connect()).collect();
    for mut client in &clients {
        client.write_all(b"in the queue").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
    }
    server.wait_for_log("cannot accept for now");
    server.signal(Signal::TERM);
    for client in clients {
        assert_ends_after(&client, b"in the queue");
    }
    let ended = server.end();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("ended; 40 accepted: 40 finished"), "{}", ended.stderr);
}

fn e17_one_idle_one_busy_and_one_deaf_client_end_in_time(engine: &str) {
    for threads in ["1", "3"] {
        assert_in_time(GRACE, || end_with_three_clients(engine, threads));
    }
}

fn end_with_three_clients(engine: &str, threads: &str) -> Duration {
    let server = Server::start_json(engine, &["--grace", "500ms", "--threads", threads]);
    let idle = server.connect();
    assert_echoes(&idle, b"hello");
    let (deaf, _) = fill(server.connect());
    let (busy, is_busy, is_over) = (server.connect(), AtomicBool::new(false), AtomicBool::new(false));
    let (ended, took) = thread::scope(|scope| {
        scope.spawn(|| {
            let mut answer = [0; 1000];
            while !is_over.load(Ordering::Relaxed)
                && (&busy).write_all(&[7; 1000]).is_ok()
                && (&busy).read_exact(&mut answer).is_ok()
            {
                is_busy.store(true, Ordering::Relaxed);
            }
        });
        while !is_busy.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        let begun = Instant::now();
        server.signal(Signal::TERM);
        let ended = server.end();
        is_over.store(true, Ordering::Relaxed);
        (ended, begun.elapsed())
    });
    assert_eq!(ended.code, Some(0));
    let receipt = ended.receipt();
    assert_eq!(receipt["accepted"], 3, "{receipt}");
    let left = receipt["left"].as_array().unwrap();
    let name = deaf.local_addr().unwrap().to_string();
    let deaf = left.iter().find(|left| left["peer"] == name.as_str()).expect("the deaf one was left");
    assert!(deaf["unsent"].as_u64().unwrap() > 0 && deaf["why"] == "drain", "{receipt}");
    let name = idle.local_addr().unwrap().to_string();
    assert!(left.iter().all(|left| left["peer"] != name.as_str()), "{receipt}");
    took
}

fn two_signals_at_once_are_a_second_signal(engine: &str) {
    let server = Server::start_json(engine, &["--grace", "1h"]);
    let client = server.connect();
    assert_echoes(&client, b"hello");
    // Stopped, it sees both in one look.
    server.signal(Signal::STOP);
    server.signal(Signal::TERM);
    server.signal(Signal::INT);
    server.signal(Signal::CONT);
    let ended = server.end();
    assert!(matches!(ended.code, Some(130 | 143)), "{ended:?}");
    assert!(ended.stderr.starts_with("{\"event\":\"ended at once\",\"signal\":\"SIG"), "{}", ended.stderr);
}

/// That an end, tried until a busy machine lets it, takes the grace period and no longer than was promised.
fn assert_in_time(grace: Duration, end: impl Fn() -> Duration) {
    let in_time = (0..5).any(|_| {
        let took = end();
        assert!(took >= grace, "took only {took:?}");
        let is_in_time = took < grace + Duration::from_millis(300);
        if !is_in_time {
            eprintln!("took {took:?}");
        }
        is_in_time
    });
    assert!(in_time, "never done within {grace:?} and 300 ms");
}

/// What [`Server::on`] has.
const GRACE: Duration = Duration::from_millis(500);
