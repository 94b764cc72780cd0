//! `switchboard serve` as its users meet it: real processes, real sockets, every engine.
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside the runtime and has clocks and threads"
)]

mod server;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use server::{Server, assert_echoes, assert_ends_after, fill, lonely_address, on_every_engine, pattern};

on_every_engine!(
    the_first_line_tells_the_address_with_the_real_port,
    what_is_sent_comes_back,
    two_hundred_clients_at_once_get_their_own_bytes,
    a_client_that_has_ended_its_side_gets_everything_back_before_the_end,
    clients_that_never_read_cost_little_and_hinder_nobody,
    a_reset_by_a_client_is_logged_and_ends_nothing_else,
    a_server_can_be_started_again_on_the_same_port_at_once,
    json_tells_the_start_and_the_end,
);

fn the_first_line_tells_the_address_with_the_real_port(engine: &str) {
    let server = Server::on(engine);
    let port = server.address.port();
    assert_ne!(port, 0);
    assert_eq!(
        server.ready,
        format!("listening on 127.0.0.1:{port} (tcp, echo, tasks on {engine}); try: telnet 127.0.0.1 {port}")
    );
    assert_echoes(&server.connect(), b"hello\r\n");
    let ended = server.stop();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
    assert_eq!(
        ended.stderr,
        "ended; 1 accepted: 1 finished, 0 failed, 0 cancelled; at most 1 at once; 7 bytes received, 7 sent\n"
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
    assert!(ended.stderr.starts_with("ended; 200 accepted: 200 finished"), "{}", ended.stderr);
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
    let server = Server::on(engine);
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
    assert_eq!(
        ended.stderr,
        format!(
            " WARN client {name} failed: connection reset by peer\n\
             ended; 2 accepted: 1 finished, 1 failed, 0 cancelled; at most 2 at once; 16 bytes received, 16 sent\n"
        )
    );
}

fn a_server_can_be_started_again_on_the_same_port_at_once(engine: &str) {
    let number = engine.len() as u8;
    let mut address = lonely_address(number).to_string();
    for _ in 0..3 {
        let server = Server::start(&["--listen", &address, "--engine", engine, "--grace", "0s"]);
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
    let server = Server::start_json(engine, &["--listen", "127.0.0.1:0"]);
    let ready: Value = serde_json::from_str(&server.ready).unwrap();
    for (key, value) in [
        ("event", "listening"),
        ("address", "127.0.0.1"),
        ("protocol", "tcp"),
        ("service", "echo"),
        ("model", "tasks"),
        ("engine", engine),
    ] {
        assert_eq!(ready[key], value);
    }
    assert_eq!(ready["port"], server.address.port());
    let listeners = ready["listeners"].as_array().unwrap();
    assert_eq!((listeners.len(), &listeners[0]["port"]), (2, &ready["port"]));
    assert_ne!(listeners[0]["port"], listeners[1]["port"]);
    assert_echoes(&server.connect(), b"hello");
    let ended = server.stop();
    assert_eq!(ended.stdout, "");
    assert_eq!(
        ended.stderr,
        "{\"event\":\"ended\",\"accepted\":1,\"finished\":1,\"failed\":0,\"cancelled\":0,\"most_at_once\":1,\
         \"received\":5,\"sent\":5,\"lost\":0,\"exhausted\":0,\"left\":[]}\n"
    );
}
