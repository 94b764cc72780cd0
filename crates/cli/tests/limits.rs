//! What bounds `switchboard serve`: `--limit`, `--idle-timeout`, `--threads`, and the descriptors it may have.
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside the runtime and has clocks and threads"
)]

mod server;

use std::io::{self, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use server::{Server, assert_echoes, assert_ends_after, on_every_engine};

on_every_engine!(
    past_the_limit_a_client_waits_and_is_served_later,
    an_idle_connection_is_ended_and_a_busy_one_is_not,
    e1_e2_e3_out_of_descriptors_all_wait_and_are_served_when_some_come_free,
    several_threads_serve_and_share_one_receipt,
);

fn past_the_limit_a_client_waits_and_is_served_later(engine: &str) {
    let server = Server::start_json(engine, &["--limit", "1", "--grace", "500ms"]);
    let first = server.connect();
    assert_echoes(&first, b"one at a time");
    let mut second = server.connect();
    second.write_all(b"may I?").unwrap();
    second.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let kept_waiting = second.read(&mut [0]).expect_err("there is no room");
    assert!(matches!(kept_waiting.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut));
    assert_echoes(&first, b"still me");
    drop(first);
    second.set_read_timeout(Some(server::DEADLINE)).unwrap();
    let mut answer = [0; 6];
    second.read_exact(&mut answer).expect("now there is room");
    assert_eq!(&answer, b"may I?");
    drop(second);
    let receipt = server.stop().receipt();
    assert_eq!((&receipt["accepted"], &receipt["most_at_once"]), (&2.into(), &1.into()), "{receipt}");
}

fn an_idle_connection_is_ended_and_a_busy_one_is_not(engine: &str) {
    let server = Server::with(engine, &["--idle-timeout", "400ms"]);
    let (idle, busy) = (server.connect(), server.connect());
    assert_echoes(&idle, b"hello");
    let begun = Instant::now();
    thread::scope(|scope| {
        let ended = scope.spawn(|| {
            assert_ends_after(&idle, b"");
            begun.elapsed()
        });
        while begun.elapsed() < Duration::from_millis(1200) {
            assert_echoes(&busy, b"busy");
            thread::sleep(Duration::from_millis(20));
        }
        let took = ended.join().unwrap();
        let bounds = Duration::from_millis(380)..Duration::from_millis(1200);
        assert!(bounds.contains(&took), "ended after {took:?}");
    });
    drop((idle, busy));
    assert!(server.stop().stderr.contains(" 2 finished, 0 failed, 0 cancelled"));
}

fn e1_e2_e3_out_of_descriptors_all_wait_and_are_served_when_some_come_free(engine: &str) {
    let server = Server::on(engine);
    server.limit_descriptors(30);
    let inside: Vec<_> = (0..30).map(|_| server.connect()).collect();
    server.wait_for_log("cannot accept for now");
    let mut waiting: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for client in &mut waiting {
        client.write_all(b"in the queue").unwrap();
    }

    // What it costs to be full, and nobody in the queue hears anything.
    let before = server.cpu();
    thread::sleep(Duration::from_secs(1));
    match before.zip(server.cpu()) {
        Some((before, now)) => {
            let spent = now.saturating_sub(before);
            assert!(spent <= Duration::from_millis(50), "being full cost {spent:?} in a second");
        }
        None => eprintln!("skipped: this system does not tell the processor time of a process"),
    }
    for client in &mut waiting {
        client.set_nonblocking(true).unwrap();
        let heard = client.read(&mut [0]).expect_err("nobody was served, and nobody closed");
        assert_eq!(heard.kind(), io::ErrorKind::WouldBlock);
        client.set_nonblocking(false).unwrap();
    }

    // Nobody new has to come for those who wait to be served.
    drop(inside);
    for mut client in waiting {
        let mut answer = [0; 12];
        client.read_exact(&mut answer).expect("those who waited are served");
        assert_eq!(&answer, b"in the queue");
    }
    let ended = server.stop();
    assert!(
        ended.stderr.starts_with("ended; 50 accepted: 50 finished"),
        "the one line was read already: {}",
        ended.stderr
    );
    assert!(ended.stderr.ends_with("; out of descriptors once\n"), "{}", ended.stderr);
}

fn several_threads_serve_and_share_one_receipt(engine: &str) {
    let server = Server::start_json(engine, &["--threads", "3", "--grace", "500ms"]);
    assert!(server.ready.contains("\"threads\":3,"), "{}", server.ready);
    let clients: Vec<_> = (0..30).map(|_| server.connect()).collect();
    for round in 0..10 {
        for client in &clients {
            assert_echoes(client, format!("round {round}").as_bytes());
        }
    }
    server.wait_for_threads(3);
    drop(clients);
    let receipt = server.stop().receipt();
    for (name, count) in [("accepted", 30), ("finished", 30), ("received", 30 * 70), ("sent", 30 * 70)] {
        assert_eq!(receipt[name], count, "{name}: {receipt}");
    }
}
