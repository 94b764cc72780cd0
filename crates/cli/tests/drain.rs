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
use server::{DEADLINE, Server, assert_echoes, assert_ends_after, fill, on_every_engine, pattern};

on_every_engine!(
    a_server_without_clients_ends_at_once,
    idle_connections_end_after_the_grace_period_and_new_ones_are_refused,
    the_grace_period_is_two_seconds_unless_told_otherwise,
    what_is_under_way_at_a_signal_is_finished,
    a_server_ends_as_soon_as_its_last_client_does,
    what_came_before_a_signal_is_served_even_if_it_was_not_seen_yet,
    who_waits_for_a_descriptor_at_a_signal_is_served,
    a_client_that_reads_late_gets_all_that_was_under_way_at_a_signal,
    e17_one_idle_one_busy_and_one_deaf_client_end_in_time,
    a_second_signal_ends_the_server_at_once,
    two_signals_at_once_are_a_second_signal,
);

fn a_server_without_clients_ends_at_once(engine: &str) {
    for signal in [Signal::INT, Signal::TERM] {
        let server = Server::with(engine, &["--grace", "1h"]);
        let begun = Instant::now();
        server.signal(signal);
        assert_eq!(server.end().code, Some(0));
        assert!(begun.elapsed() < BARELY, "took {:?}", begun.elapsed());
    }
}

fn idle_connections_end_after_the_grace_period_and_new_ones_are_refused(engine: &str) {
    let server = Server::with(engine, &["-v"]);
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
    drop(client);
    let ended = server.end();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("0 failed, 0 cancelled"), "{}", ended.stderr);
    assert_took(begun.elapsed(), GRACE);
}

fn the_grace_period_is_two_seconds_unless_told_otherwise(engine: &str) {
    let server = Server::start(&["--listen", "127.0.0.1:0", "--engine", engine]);
    let client = server.connect();
    assert_echoes(&client, b"hello");
    let begun = Instant::now();
    assert_eq!(server.stop().code, Some(0));
    assert_took(begun.elapsed(), Duration::from_secs(2));
}

fn what_is_under_way_at_a_signal_is_finished(engine: &str) {
    let server = Server::with(engine, &["--grace", "20s"]);
    let (client, bytes) = (server.connect(), pattern(1, 8 << 20));
    thread::scope(|scope| {
        scope.spawn(|| {
            (&client).write_all(&bytes).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        });
        let mut answer = vec![0; bytes.len()];
        (&client).read_exact(&mut answer[..100_000]).unwrap();
        server.signal(Signal::TERM);
        (&client).read_exact(&mut answer[100_000..]).unwrap();
        assert!(answer == bytes, "what came back is not what was sent");
        assert_ends_after(&client, b"");
    });
    drop(client);
    let ended = server.end();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("1 finished, 0 failed, 0 cancelled"), "{}", ended.stderr);
}

fn a_server_ends_as_soon_as_its_last_client_does(engine: &str) {
    let server = Server::with(engine, &["--grace", "1h", "-v"]);
    let client = server.connect();
    assert_echoes(&client, b"hello");
    server.signal(Signal::TERM);
    server.wait_for_log("accepting no more");
    assert_echoes(&client, b"goodbye");
    let begun = Instant::now();
    drop(client);
    assert_eq!(server.end().code, Some(0));
    assert!(begun.elapsed() < BARELY, "took {:?}", begun.elapsed());
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

fn a_client_that_reads_late_gets_all_that_was_under_way_at_a_signal(engine: &str) {
    let server = Server::with(engine, &["-v", "--grace", "20s"]);
    let (client, sent) = fill(server.connect());
    server.signal(Signal::TERM);
    server.wait_for_log("accepting no more");
    client.shutdown(Shutdown::Write).unwrap();
    assert_ends_after(&client, &sent);
    drop(client);
    let ended = server.end();
    assert!(ended.stderr.contains("1 finished, 0 failed, 0 cancelled"), "{}", ended.stderr);
}

fn e17_one_idle_one_busy_and_one_deaf_client_end_in_time(engine: &str) {
    for threads in ["1", "3"] {
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
        assert_took(took, GRACE);
        assert_eq!(ended.code, Some(0));
        let receipt = ended.receipt();
        assert_eq!(receipt["accepted"], 3, "{receipt}");
        let left = receipt["left"].as_array().unwrap();
        let name = deaf.local_addr().unwrap().to_string();
        let deaf = left.iter().find(|left| left["peer"] == name.as_str()).expect("the deaf one was left");
        assert!(deaf["unsent"].as_u64().unwrap() > 0 && deaf["why"] == "drain", "{receipt}");
        let name = idle.local_addr().unwrap().to_string();
        assert!(left.iter().all(|left| left["peer"] != name.as_str()), "{receipt}");
    }
}

fn a_second_signal_ends_the_server_at_once(engine: &str) {
    for (first, second, code, name) in [
        (Signal::TERM, Signal::INT, 130, "SIGINT"),
        (Signal::TERM, Signal::TERM, 143, "SIGTERM"),
        (Signal::INT, Signal::INT, 130, "SIGINT"),
        (Signal::INT, Signal::TERM, 143, "SIGTERM"),
    ] {
        for threads in ["1", "2"] {
            let server = Server::with(engine, &["-v", "--grace", "1h", "--threads", threads]);
            let idle = server.connect();
            assert_echoes(&idle, b"hello");
            let (deaf, _) = fill(server.connect());
            server.signal(first);
            server.wait_for_log("accepting no more");
            let begun = Instant::now();
            server.signal(second);
            let ended = server.end();
            assert_eq!(ended.code, Some(code));
            assert!(begun.elapsed() < BARELY, "took {:?}", begun.elapsed());
            assert_eq!(ended.stderr, format!("ended at once, by a second signal ({name})\n"));
            drop((idle, deaf));
        }
    }
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

/// That the end came after the grace period and no later than promised, on a machine that may be busy.
fn assert_took(took: Duration, grace: Duration) {
    assert!(took >= grace && took < grace + Duration::from_millis(300), "took {took:?}");
}

/// What [`Server::on`] has.
const GRACE: Duration = Duration::from_millis(500);

/// What takes no time takes less than this, even on a busy machine.
const BARELY: Duration = Duration::from_secs(1);
