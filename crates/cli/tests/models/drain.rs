//! The end, by a signal and by a second one: whoever has come is served, whoever does not end is cut off in time, and the
//! receipt adds up.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::server::{DEADLINE, ReservedPort, Server, assert_echoes, assert_ends_after, fill, pattern};
use crate::table::Model;

on_every_model!(
    without_clients_it_ends_at_once,
    it_ends_as_soon_as_its_last_client_does,
    an_idle_client_is_ended_in_good_order_and_new_ones_are_refused,
    a_busy_client_is_ended_in_time,
    a_client_who_never_reads_is_cut_off_in_time,
    idle_busy_and_deaf_clients_end_in_time_together,
    half_an_answer_does_not_end_like_a_whole,
    the_limit_holds_to_the_end,
    who_waits_in_the_queue_at_a_signal_is_served,
    what_is_under_way_at_a_signal_is_finished,
    who_reads_late_gets_all_that_was_under_way_at_a_signal,
    who_still_sends_at_the_end_gets_all_that_was_said_before_it,
    a_long_pause_does_not_outlast_the_end,
    a_second_signal_ends_it_at_once,
);

fn without_clients_it_ends_at_once(model: &Model) {
    for signal in [Signal::INT, Signal::TERM] {
        let server = model.serve_telling_json(&["--grace", "1h"]);
        let begun = Instant::now();
        server.signal(signal);
        let ended = server.end();
        assert_eq!(ended.code, Some(0));
        assert!(begun.elapsed() < BARELY, "took {:?}", begun.elapsed());
        assert_eq!(ended.receipt()["accepted"], 0);
    }
}

fn it_ends_as_soon_as_its_last_client_does(model: &Model) {
    let server = model.serve(&["--grace", "1h", "-v"]);
    let client = server.connect();
    assert_echoes(&client, b"hello");
    server.signal(Signal::TERM);
    server.wait_for_log("SIGTERM: accepting no more, and waiting for clients for 3600s at most");
    assert_echoes(&client, b"goodbye");
    let begun = Instant::now();
    drop(client);
    let ended = server.end();
    assert_eq!(ended.code, Some(0));
    assert!(begun.elapsed() < BARELY, "took {:?}", begun.elapsed());
    assert!(ended.stderr.contains("1 accepted: 1 finished, 0 failed, 0 cancelled"), "{}", ended.stderr);
}

fn an_idle_client_is_ended_in_good_order_and_new_ones_are_refused(model: &Model) {
    assert_in_time(|| {
        let port = ReservedPort::new();
        let server = model.serve_at(port.address());
        let idle = server.connect();
        assert_echoes(&idle, b"hello");
        let begun = Instant::now();
        server.signal(Signal::TERM);
        if !model.one_at_a_time {
            assert_refuses_soon(&server, begun + GRACE);
        }
        assert_echoes(&idle, b"still here");
        assert_ends_after(&idle, b"");
        drop(idle);
        let ended = server.end();
        assert_eq!(ended.code, Some(0));
        let receipt = ended.receipt();
        assert_eq!((&receipt["failed"], &receipt["cancelled"]), (&0.into(), &0.into()), "{receipt}");
        begun.elapsed()
    });
}

/// Whoever comes before that is taken: the last of the queue.
fn assert_refuses_soon(server: &Server, deadline: Instant) {
    while TcpStream::connect_timeout(&server.address, DEADLINE).map_err(|error| error.kind()).err()
        != Some(ErrorKind::ConnectionRefused)
    {
        assert!(Instant::now() < deadline, "somebody still listens");
        thread::sleep(Duration::from_millis(5));
    }
}

fn a_busy_client_is_ended_in_time(model: &Model) {
    assert_in_time(|| {
        let server = model.serve_telling_json(&[]);
        let (took, receipt) = end_busy(server);
        assert_eq!(receipt["accepted"], 1, "{receipt}");
        took
    });
}

fn a_client_who_never_reads_is_cut_off_in_time(model: &Model) {
    assert_in_time(|| {
        let server = model.serve_telling_json(&["--service", "chargen"]);
        let mut deaf = server.connect();
        deaf.read_exact(&mut [0; 100]).unwrap();
        let begun = Instant::now();
        server.signal(Signal::TERM);
        let ended = server.end();
        let took = begun.elapsed();
        assert_eq!(ended.code, Some(0));
        assert_was_left(&deaf, &ended.receipt());
        // What ends is no answer that is whole, and is told to be none.
        let error = deaf.read_to_end(&mut Vec::new()).expect_err("a reset");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        took
    });
}

fn idle_busy_and_deaf_clients_end_in_time_together(model: &Model) {
    assert_in_time(|| {
        let server = model.serve_telling_json(&[]);
        let idle = server.connect();
        assert_echoes(&idle, b"hello");
        if model.one_at_a_time {
            // The others wait in the queue for as long as there is grace; then there is nobody to serve them.
            let begun = Instant::now();
            let _others = (server.connect(), server.connect());
            server.signal(Signal::TERM);
            let ended = server.end();
            assert_eq!((ended.code, &ended.receipt()["failed"]), (Some(0), &0.into()), "{}", ended.stderr);
            return begun.elapsed();
        }
        let (deaf, _) = fill(server.connect());
        let (took, receipt) = end_busy(server);
        assert_eq!(receipt["accepted"], 3, "{receipt}");
        assert_was_left(&deaf, &receipt);
        let name = idle.local_addr().unwrap().to_string();
        let left = receipt["left"].as_array().unwrap();
        assert!(left.iter().all(|left| left["peer"] != name.as_str()), "it could be ended well: {receipt}");
        took
    });
}

/// Ends a server with a client who sends and receives all the time.
fn end_busy(server: Server) -> (Duration, Value) {
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
    (took, ended.receipt())
}

fn assert_was_left(deaf: &TcpStream, receipt: &Value) {
    let name = deaf.local_addr().unwrap().to_string();
    let left = receipt["left"].as_array().unwrap();
    let deaf = left.iter().find(|left| left["peer"] == name.as_str()).expect("the deaf one was left");
    assert!(deaf["unsent"].as_u64().unwrap() > 0 && deaf["why"] == "drain", "{receipt}");
}

fn half_an_answer_does_not_end_like_a_whole(model: &Model) {
    let server = model.serve_telling_json(&["--service", "hello", "--drip", "1/100ms"]);
    let mut client = server.connect();
    client.read_exact(&mut [0]).unwrap();
    server.signal(Signal::TERM);
    let error = client.read_to_end(&mut Vec::new()).expect_err("it looked like the end of the answer");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let receipt = server.end().receipt();
    assert_eq!(receipt["cancelled"], 1, "{receipt}");
}

fn the_limit_holds_to_the_end(model: &Model) {
    let server = model.serve_telling_json(&["--limit", "1"]);
    let old = server.connect();
    assert_echoes(&old, b"hello");
    let waiting: Vec<_> = (0..5).map(|_| server.connect()).collect();
    for mut client in &waiting {
        client.write_all(b"in the queue").unwrap();
    }
    server.signal(Signal::TERM);
    let ended = server.end();
    let receipt = ended.receipt();
    assert_eq!((&receipt["accepted"], &receipt["most_at_once"]), (&1.into(), &1.into()), "{receipt}");
    for mut client in waiting {
        // Refused, as the grace period was over with nobody having left.
        assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)), "somebody was served beyond the limit");
    }
    drop(old);
}

fn who_waits_in_the_queue_at_a_signal_is_served(model: &Model) {
    // The limit holds them there until the signal has come.
    let server = model.serve_telling_json(&["--grace", "20s", "--limit", "1"]);
    let old = server.connect();
    assert_echoes(&old, b"hello");
    let mut clients: Vec<_> = (0..model.most.min(50)).map(|_| server.connect()).collect();
    clients.insert(0, old);
    // The first stays until the signal has been heard.
    for client in &mut clients[1..] {
        client.write_all(b"in the queue").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
    }
    server.signal(Signal::TERM);
    let count = clients.len();
    drop(clients.remove(0));
    for client in clients {
        assert_ends_after(&client, b"in the queue");
    }
    let ended = server.end();
    let receipt = ended.receipt();
    assert_eq!((ended.code, &receipt["finished"]), (Some(0), &count.into()), "{receipt}");
}

fn what_is_under_way_at_a_signal_is_finished(model: &Model) {
    let server = model.serve_telling_json(&["--grace", "20s"]);
    let (client, bytes) = (server.connect(), pattern(1, 4 << 20));
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
    assert_eq!((ended.code, &ended.receipt()["finished"]), (Some(0), &1.into()), "{}", ended.stderr);
}

fn who_reads_late_gets_all_that_was_under_way_at_a_signal(model: &Model) {
    let server = model.serve(&["-v", "--grace", "20s"]);
    let (client, sent) = fill(server.connect());
    server.signal(Signal::TERM);
    server.wait_for_log("accepting no more");
    client.shutdown(Shutdown::Write).unwrap();
    assert_ends_after(&client, &sent);
    drop(client);
    let ended = server.end();
    assert!(ended.stderr.contains("1 finished, 0 failed, 0 cancelled"), "{}", ended.stderr);
}

fn who_still_sends_at_the_end_gets_all_that_was_said_before_it(model: &Model) {
    let bytes = pattern(1, 400_000);
    // A client that a busy machine has kept from reading for all of the last words is cut off rightly.
    let has_all = (0..5).any(|_| {
        let server = model.serve(&[]);
        let mut client = server.connect();
        // More than the client takes without reading, and less than the system takes from the server.
        socket2::SockRef::from(&client).set_recv_buffer_size(20_000).unwrap();
        client.write_all(&bytes).unwrap();
        let mut answer = vec![0; bytes.len()];
        client.read_exact(&mut answer[..1]).unwrap();
        server.signal(Signal::TERM);
        thread::sleep(GRACE + Duration::from_millis(20));
        client.write_all(b"more").ok();
        client.read_exact(&mut answer[1..]).is_ok() && answer == bytes
    });
    assert!(has_all, "what was said before the end never came");
}

fn a_long_pause_does_not_outlast_the_end(model: &Model) {
    if !model.polls {
        return;
    }
    let server = model.serve_telling_json(&["--pause", "1h", "--grace", "500ms"]);
    let idle = server.connect();
    server.signal(Signal::TERM);
    assert_ends_after(&idle, b"");
    drop(idle);
    assert_eq!(server.end().receipt()["finished"], 1);
}

fn a_second_signal_ends_it_at_once(model: &Model) {
    for (first, second, code, name) in [
        (Signal::TERM, Signal::TERM, 143, "SIGTERM"),
        (Signal::INT, Signal::INT, 130, "SIGINT"),
        (Signal::TERM, Signal::INT, 130, "SIGINT"),
    ] {
        let server = model.serve(&["-v", "--grace", "1h"]);
        let idle = server.connect();
        assert_echoes(&idle, b"hello");
        let is_crowded = !model.one_at_a_time && (first, second) == (Signal::TERM, Signal::TERM);
        let deaf = is_crowded.then(|| fill(server.connect()));
        server.signal(first);
        server.wait_for_log("accepting no more");
        let begun = Instant::now();
        server.signal(second);
        let ended = server.end();
        assert_eq!(ended.code, Some(code));
        assert!(begun.elapsed() < BARELY, "took {:?}", begun.elapsed());
        let told = format!("ended at once, by a second signal ({name})\n");
        assert!(ended.stderr.ends_with(&told), "{}", ended.stderr);
        drop((idle, deaf));
    }
}

/// That an end, tried until a busy machine lets it, takes the grace period and no longer than was promised.
fn assert_in_time(end: impl Fn() -> Duration) {
    let in_time = (0..5).any(|_| {
        let took = end();
        assert!(took >= GRACE, "took only {took:?}");
        let is_in_time = took < GRACE + Duration::from_millis(300);
        if !is_in_time {
            eprintln!("took {took:?}");
        }
        is_in_time
    });
    assert!(in_time, "never done within {GRACE:?} and 300 ms");
}

/// What a server of the table has by default.
const GRACE: Duration = Duration::from_millis(500);

/// What takes no time takes less than this, even on a busy machine.
const BARELY: Duration = Duration::from_secs(1);
