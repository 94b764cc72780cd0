//! What bounds a server: `--limit`, `--idle-timeout`, and the descriptors it may have. Whoever cannot be served waits,
//! and is served later.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::server::{DEADLINE, Server, assert_echoes, assert_ends_after, assert_hears_nothing, expect};
use crate::table::Model;

on_every_model!(
    past_the_limit_a_client_waits_and_is_served_when_another_leaves,
    an_idle_client_is_ended_and_an_active_one_is_not,
    an_idle_client_who_does_not_read_is_cancelled,
    out_of_descriptors_nobody_is_closed_and_all_are_served_when_some_come_free,
);

fn past_the_limit_a_client_waits_and_is_served_when_another_leaves(model: &Model) {
    let server = model.serve_telling_json(&["--limit", "2"]);
    let mut inside: Vec<_> = (0..model.at_once(2)).map(|_| server.connect()).collect();
    inside.iter().for_each(|client| assert_echoes(client, b"there is room"));
    let (mut third, mut fourth) = (server.connect(), server.connect());
    third.write_all(b"may I?").unwrap();
    fourth.write_all(b"and I?").unwrap();
    assert_hears_nothing(&third);
    inside.iter().for_each(|client| assert_echoes(client, b"still here"));
    inside.remove(0);
    expect(&third, b"may I?");
    assert_hears_nothing(&fourth);
    drop((third, inside));
    expect(&fourth, b"and I?");
    drop(fourth);
    let receipt = server.stop().receipt();
    let most = model.at_once(2);
    assert_eq!(
        (&receipt["finished"], &receipt["most_at_once"]),
        (&(most + 2).into(), &most.into()),
        "{receipt}"
    );
}

fn an_idle_client_is_ended_and_an_active_one_is_not(model: &Model) {
    let server = model.serve_telling_json(&["--idle-timeout", "400ms", "--service", "line"]);
    let idle = server.connect();
    expect(&idle, WELCOME);
    (&idle).write_all(b"half a line").unwrap();
    let begun = Instant::now();
    let end = || {
        // In good order, as if it had ended its side: what was still to be said is said.
        assert_ends_after(&idle, b"Echo: half a line\r\n");
        begun.elapsed()
    };
    let took = if model.one_at_a_time {
        let took = end();
        be_active(&server.connect());
        took
    } else {
        thread::scope(|scope| {
            let ended = scope.spawn(end);
            be_active(&server.connect());
            ended.join().unwrap()
        })
    };
    let bounds = Duration::from_millis(380)..Duration::from_millis(1200);
    assert!(bounds.contains(&took), "ended after {took:?}");
    drop(idle);
    let receipt = server.stop().receipt();
    // Its service had said all there was to say.
    assert_eq!((&receipt["finished"], &receipt["cancelled"]), (&2.into(), &0.into()), "{receipt}");
}

/// Says something now and then, for three times the idle timeout.
fn be_active(mut client: &TcpStream) {
    expect(client, WELCOME);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1200) {
        client.write_all(b"busy\n").unwrap();
        expect(client, b"Echo: busy\r\n");
        thread::sleep(Duration::from_millis(20));
    }
}

fn an_idle_client_who_does_not_read_is_cancelled(model: &Model) {
    let server = model.serve_telling_json(&["--service", "chargen", "--idle-timeout", "400ms"]);
    let mut deaf = server.connect();
    deaf.read_exact(&mut [0; 100]).unwrap();
    let (name, begun) = (deaf.local_addr().unwrap(), Instant::now());
    // It is told, rather than left to wonder.
    while deaf.take_error().unwrap().is_none() {
        assert!(begun.elapsed() < DEADLINE, "it was not cut off");
        thread::sleep(Duration::from_millis(5));
    }
    let receipt = server.stop().receipt();
    assert_eq!((&receipt["accepted"], &receipt["cancelled"]), (&1.into(), &1.into()), "{receipt}");
    let left = &receipt["left"][0];
    assert_eq!((&left["peer"], &left["why"]), (&name.to_string().into(), &"idle".into()), "{receipt}");
    assert!(left["unsent"].as_u64().unwrap() > 0, "{receipt}");
}

fn out_of_descriptors_nobody_is_closed_and_all_are_served_when_some_come_free(model: &Model) {
    let pause: &[_] = if model.polls { &["--pause", "50ms"] } else { &[] };
    let server = model.serve_telling_json(pause);
    let room = if model.one_at_a_time { 0 } else { 10 };
    let Some(next) = server.next_descriptor() else {
        return eprintln!("skipped: this system does not tell the descriptors of a process");
    };
    server.limit_descriptors(next + room as u64);
    // How many of them fit is the model's affair; not all do.
    let inside: Vec<_> = (0..room + 10).map(|_| server.connect()).collect();
    let line = server.next_log();
    let said = line.to_lowercase();
    assert!(said.contains(" for now: ") && said.contains("too many open files"), "{line}");
    let mut waiting: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for client in &mut waiting {
        client.write_all(b"in the queue").unwrap();
    }
    assert_being_full_costs_little(&server);
    for client in &mut waiting {
        client.set_nonblocking(true).unwrap();
        let heard = client.read(&mut [0]).expect_err("nobody was served, and nobody closed");
        assert_eq!(heard.kind(), ErrorKind::WouldBlock);
        client.set_nonblocking(false).unwrap();
    }
    // Nobody new has to come for those who wait to be served.
    drop(inside);
    if model.one_at_a_time {
        server.limit_descriptors(1000);
    }
    for client in waiting {
        expect(&client, b"in the queue");
    }
    let ended = server.stop();
    let (log, receipt) = ended.log_and_receipt();
    assert_eq!(log, "", "there was one line, which was read already");
    assert_eq!(
        (&receipt["accepted"], &receipt["finished"], &receipt["exhausted"]),
        (&(30 + room).into(), &(30 + room).into(), &1.into()),
        "{receipt}"
    );
}

fn assert_being_full_costs_little(server: &Server) {
    let before = server.cpu();
    thread::sleep(Duration::from_millis(500));
    match before.zip(server.cpu()) {
        Some((before, now)) => {
            let spent = now.saturating_sub(before);
            assert!(spent <= Duration::from_millis(30), "being full cost {spent:?} in half a second");
        }
        None => eprintln!("skipped: this system does not tell the processor time of a process"),
    }
}

const WELCOME: &[u8] = b"Welcome! Every line you send comes back.\r\n";
