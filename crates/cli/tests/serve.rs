//! `switchboard serve` as its users meet it: real processes, real sockets, every engine.
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside the runtime and has clocks and threads"
)]

mod server;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use server::{DEADLINE, Server, assert_echoes, assert_ends_after, lonely_address, on_every_engine, pattern};

on_every_engine!(
    the_first_line_tells_the_address_with_the_real_port,
    what_is_sent_comes_back,
    two_hundred_clients_at_once_get_their_own_bytes,
    a_client_that_has_ended_its_side_gets_everything_back_before_the_end,
    clients_that_never_read_cost_little_and_hinder_nobody,
    a_reset_by_a_client_is_logged_and_ends_nothing_else,
    an_idle_server_ends_at_once,
    a_signal_closes_idle_connections_and_refuses_new_ones,
    what_is_under_way_at_a_signal_is_finished,
    what_came_before_a_signal_is_served_even_if_it_was_not_seen_yet,
    what_comes_just_after_a_signal_is_served_too,
    who_waits_for_a_descriptor_at_a_signal_is_served,
    what_comes_while_a_draining_server_is_stopped_is_served,
    a_client_that_reads_late_gets_all_that_was_under_way_at_a_signal,
    those_who_cannot_finish_are_cut_off_when_the_time_is_over,
    a_second_signal_ends_the_server_at_once,
    a_server_can_be_started_again_on_the_same_port_at_once,
    json_tells_the_start_and_the_end,
);

fn the_first_line_tells_the_address_with_the_real_port(engine: &str) {
    let server = Server::on(engine);
    let port = server.address.port();
    assert_ne!(port, 0);
    assert_eq!(
        server.ready,
        format!(
            "listening on 127.0.0.1:{port} (tcp, echo, callbacks on {engine}); try: telnet 127.0.0.1 {port}"
        )
    );
    assert_echoes(&server.connect(), b"hello\r\n");
    let ended = server.stop();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
    assert_eq!(
        ended.stderr,
        "ended: 1 connection accepted, 1 finished, 0 failed, 0 cancelled; 7 bytes in, 7 bytes out\n"
    );
}

fn what_is_sent_comes_back(engine: &str) {
    let server = Server::on(engine);
    let client = server.connect();
    for length in [1, 2, 3, 1_000, 1, 40_000, 7] {
        assert_echoes(&client, &pattern(length as u64, length));
    }
    drop(client);
    assert_eq!(server.stop().code, Some(0));
}

fn two_hundred_clients_at_once_get_their_own_bytes(engine: &str) {
    let server = Server::on(engine);
    let mut clients: Vec<_> = (0..200_u64).map(|number| (number, server.connect())).collect();
    for round in 0..4 {
        // All have sent before the first reads.
        for (number, client) in &mut clients {
            client.write_all(&pattern(*number * 4 + round, 10_000 + *number as usize)).unwrap();
        }
        for (number, client) in &mut clients {
            let mut answer = vec![0; 10_000 + *number as usize];
            client.read_exact(&mut answer).unwrap();
            assert!(answer == pattern(*number * 4 + round, answer.len()), "client {number} got other bytes");
        }
    }
    drop(clients);
    let ended = server.stop();
    assert!(ended.stderr.starts_with("ended: 200 connections accepted, 200 finished"), "{}", ended.stderr);
}

fn a_client_that_has_ended_its_side_gets_everything_back_before_the_end(engine: &str) {
    let server = Server::on(engine);
    let (client, bytes) = (server.connect(), pattern(1, 5_000_000));
    thread::scope(|scope| {
        scope.spawn(|| {
            (&client).write_all(&bytes).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        });
        assert_ends_after(&client, &bytes);
    });
    // And with nothing sent at all.
    let silent = server.connect();
    silent.shutdown(Shutdown::Write).unwrap();
    assert_ends_after(&silent, b"");
}

fn clients_that_never_read_cost_little_and_hinder_nobody(engine: &str) {
    let server = Server::on(engine);
    let other = server.connect();
    assert_echoes(&other, b"before");
    let before = server.memory();
    let greedy = thread::scope(|scope| {
        let clients = std::iter::repeat_with(|| server.connect()).take(4);
        let fillers: Vec<_> = clients.map(|client| scope.spawn(|| fill(client))).collect();
        fillers.into_iter().map(|filler| filler.join().unwrap()).collect::<Vec<_>>()
    });
    assert_echoes(&other, &pattern(1, 40_000));
    match before.zip(server.memory()) {
        Some((before, now)) => {
            let grown = now.saturating_sub(before);
            assert!(grown < 4 << 20, "{} clients cost {grown} bytes", greedy.len());
        }
        None => eprintln!("skipped: this system does not tell the memory of a process"),
    }
    drop(greedy);
    assert_echoes(&other, b"after");
}

fn a_reset_by_a_client_is_logged_and_ends_nothing_else(engine: &str) {
    let server = Server::start(&["--listen", "127.0.0.1:0", "--engine", engine, "-v"]);
    let (other, client) = (server.connect(), server.connect());
    assert_echoes(&other, b"before");
    assert_echoes(&client, b"hello");
    let name = client.local_addr().unwrap();
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    assert_echoes(&other, b"after");
    drop(other);
    let ended = server.stop();
    assert_eq!(ended.code, Some(0));
    let said = format!(" INFO {name} failed: connection reset by peer; 5 bytes in, 5 bytes out\n");
    assert!(ended.stderr.contains(&said), "{}", ended.stderr);
    assert!(ended.stderr.contains("2 connections accepted, 1 finished, 1 failed"), "{}", ended.stderr);
}

fn an_idle_server_ends_at_once(engine: &str) {
    for signal in [Signal::INT, Signal::TERM] {
        let server = Server::on(engine);
        let begun = Instant::now();
        server.signal(signal);
        assert_eq!(server.end().code, Some(0));
        assert!(begun.elapsed() < BARELY, "took {:?}", begun.elapsed());
    }
}

fn a_signal_closes_idle_connections_and_refuses_new_ones(engine: &str) {
    let server = Server::on(engine);
    let client = server.connect();
    assert_echoes(&client, b"hello");
    let begun = Instant::now();
    server.signal(Signal::TERM);
    assert_ends_after(&client, b"");
    let refused = TcpStream::connect_timeout(&server.address, DEADLINE).expect_err("nobody listens any more");
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    drop(client);
    assert_eq!(server.end().code, Some(0));
    assert!(begun.elapsed() < BARELY, "took {:?}", begun.elapsed());
}

fn what_is_under_way_at_a_signal_is_finished(engine: &str) {
    let server = Server::on(engine);
    let (client, bytes) = (server.connect(), pattern(1, 8 << 20));
    thread::scope(|scope| {
        scope.spawn(|| {
            (&client).write_all(&bytes).unwrap();
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

fn what_came_before_a_signal_is_served_even_if_it_was_not_seen_yet(engine: &str) {
    let server = Server::on(engine);
    let old = server.connect();
    assert_echoes(&old, b"hello");
    // So that it has been quiet for long.
    thread::sleep(Duration::from_millis(150));
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
    assert!(ended.stderr.contains("101 connections accepted, 101 finished"), "{}", ended.stderr);
}

fn what_comes_while_a_draining_server_is_stopped_is_served(engine: &str) {
    let server = Server::start(&["--listen", "127.0.0.1:0", "--engine", engine, "-v"]);
    let client = server.connect();
    assert_echoes(&client, b"hello");
    server.signal(Signal::TERM);
    server.wait_for_log("accepting no more");
    server.signal(Signal::STOP);
    (&client).write_all(b"while it is stopped").unwrap();
    // For longer than a client must be quiet to be closed.
    thread::sleep(Duration::from_millis(300));
    server.signal(Signal::CONT);
    assert_ends_after(&client, b"while it is stopped");
    drop(client);
    assert_eq!(server.end().code, Some(0));
}

fn who_waits_for_a_descriptor_at_a_signal_is_served(engine: &str) {
    let server = Server::on(engine);
    server.limit_descriptors(20);
    let clients: Vec<_> = (0..40).map(|_| server.connect()).collect();
    for mut client in &clients {
        client.write_all(b"in the queue").unwrap();
    }
    server.wait_for_log("cannot accept for now");
    server.signal(Signal::TERM);
    for client in clients {
        assert_ends_after(&client, b"in the queue");
    }
    let ended = server.end();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("40 connections accepted, 40 finished"), "{}", ended.stderr);
}

fn what_comes_just_after_a_signal_is_served_too(engine: &str) {
    // It has a tenth of a second to come, so on a busy machine this test can be too late.
    for _ in 0..20 {
        let server = Server::start(&["--listen", "127.0.0.1:0", "--engine", engine, "-v"]);
        let mut client = server.connect();
        assert_echoes(&client, b"hello");
        thread::sleep(Duration::from_millis(150));
        let begun = Instant::now();
        server.signal(Signal::TERM);
        server.wait_for_log("SIGTERM: accepting no more");
        client.write_all(b"on the wire").unwrap();
        if begun.elapsed() < Duration::from_millis(50) {
            return assert_ends_after(&client, b"on the wire");
        }
    }
    eprintln!("skipped: this machine is too busy");
}

fn a_client_that_reads_late_gets_all_that_was_under_way_at_a_signal(engine: &str) {
    let server = Server::on(engine);
    let idle = server.connect();
    assert_echoes(&idle, b"hello");
    let (client, sent) = fill(server.connect());
    server.signal(Signal::TERM);
    // By this it is known that the quiet have been closed.
    assert_ends_after(&idle, b"");
    drop(idle);
    assert_ends_after(&client, &sent);
    drop(client);
    let ended = server.end();
    assert!(ended.stderr.contains("2 finished, 0 failed, 0 cancelled"), "{}", ended.stderr);
}

fn those_who_cannot_finish_are_cut_off_when_the_time_is_over(engine: &str) {
    let server = Server::start_json(engine);
    let (client, _) = fill(server.connect());
    let begun = Instant::now();
    server.signal(Signal::TERM);
    let ended = server.end();
    assert_eq!(ended.code, Some(0));
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(2) + BARELY, "took {took:?}");
    let sum: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&sum["accepted"], &sum["cancelled"]), (&1.into(), &1.into()), "{sum}");
    drop(client);
}

fn a_second_signal_ends_the_server_at_once(engine: &str) {
    for (second, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let server = Server::on(engine);
        let idle = server.connect();
        assert_echoes(&idle, b"hello");
        let (client, _) = fill(server.connect());
        server.signal(Signal::TERM);
        // By this it is known that the first has been seen.
        assert_ends_after(&idle, b"");
        let begun = Instant::now();
        server.signal(second);
        let ended = server.end();
        assert_eq!(ended.code, Some(code));
        assert!(begun.elapsed() < BARELY, "took {:?}", begun.elapsed());
        assert!(ended.stderr.contains("1 finished, 0 failed, 1 cancelled"), "{}", ended.stderr);
        drop(client);
    }
}

fn a_server_can_be_started_again_on_the_same_port_at_once(engine: &str) {
    let number = engine.len() as u8;
    let mut address = lonely_address(number).to_string();
    for _ in 0..3 {
        let server = Server::start(&["--listen", &address, "--engine", engine]);
        address = server.address.to_string();
        let client = server.connect();
        assert_echoes(&client, b"hello");
        server.signal(Signal::TERM);
        // The server's side closes first, so TIME_WAIT is on its port.
        assert_ends_after(&client, b"");
        drop(client);
        assert_eq!(server.end().code, Some(0));
    }
}

fn json_tells_the_start_and_the_end(engine: &str) {
    let server = Server::start_json(engine);
    let ready: Value = serde_json::from_str(&server.ready).unwrap();
    for (key, value) in [
        ("event", "listening"),
        ("address", "127.0.0.1"),
        ("protocol", "tcp"),
        ("service", "echo"),
        ("model", "callbacks"),
        ("engine", engine),
    ] {
        assert_eq!(ready[key], value);
    }
    assert_eq!(ready["port"], server.address.port());
    assert_echoes(&server.connect(), b"hello");
    let ended = server.stop();
    assert_eq!(ended.stderr, "");
    assert_eq!(
        ended.stdout,
        "{\"event\":\"ended\",\"accepted\":1,\"finished\":1,\"failed\":0,\"cancelled\":0,\
         \"bytes_in\":5,\"bytes_out\":5}\n"
    );
}

/// A client that sends until nothing more goes, and reads nothing; and what it has sent.
fn fill(mut client: TcpStream) -> (TcpStream, Vec<u8>) {
    client.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    // Of no round length, so that a piece lost would be seen.
    let piece = pattern(1, 99_991);
    let mut sent = 0;
    loop {
        assert!(sent < 64 << 20, "the server took {sent} bytes that nobody reads");
        match client.write(&piece[sent % piece.len()..]) {
            Ok(count) => sent += count,
            Err(error) => {
                assert!(
                    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
                    "{error}"
                );
                break;
            }
        }
    }
    let mut bytes = piece.repeat(sent / piece.len() + 1);
    bytes.truncate(sent);
    (client, bytes)
}

/// What takes no time takes less than this, even on a busy machine; and less than the two seconds of a drain.
const BARELY: Duration = Duration::from_secs(1);
