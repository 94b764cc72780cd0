//! What is particular to the models that ask their sockets in turn, and to those that are told: urgent data, the limit of
//! select, connections that break unasked, who waits for whom, and that nobody is woken for nothing.
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside the runtime and has clocks and threads"
)]

mod server;

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use server::{DEADLINE, Server, assert_echoes, assert_ends_after, fill};
use socket2::SockRef;

/// Makes one test per model that is told.
macro_rules! on_every_selector {
    ($($body:ident),+ $(,)?) => {
        mod select { $(#[test] fn $body() { super::$body("select"); })+ }
        mod poll { $(#[test] fn $body() { super::$body("poll"); })+ }
        mod epoll { $(#[test] fn $body() { crate::server::run("epoll", super::$body); })+ }
    };
}

on_every_selector!(
    urgent_data_is_told_of_and_no_part_of_the_stream,
    what_came_in_one_go_is_noticed_to_its_end,
    nobody_is_woken_while_all_are_idle,
    whoever_waits_at_the_limit_is_told_of_once,
    a_client_that_floods_and_one_that_never_reads_starve_nobody,
    an_endless_answer_starves_nobody,
    what_is_more_than_one_turn_is_for_is_taken_up_again,
    b10_a_reset_is_noticed_though_nothing_is_asked_for_and_costs_nothing,
    what_was_not_sent_waits_and_is_told_of,
    pieces_that_find_no_room_wait_without_waking,
    late_answers_come_in_time_though_nothing_else_happens,
);

fn urgent_data_is_told_of_and_no_part_of_the_stream(model: &str) {
    let server = serve(model, &["--explain"]);
    let client = server.connect();
    for byte in [b'!', b'?'] {
        assert_echoes(&client, b"before");
        SockRef::from(&client).send_out_of_band(&[byte]).unwrap();
        server.wait_for_log(&format!("sent the urgent byte {byte}"));
        assert_echoes(&client, b"after");
    }
    assert_sleeps_well(&server);
    client.shutdown(Shutdown::Write).unwrap();
    assert_ends_after(&client, b"");
    assert!(server.stop().stderr.contains(" 1 finished, 0 failed"));
}

fn what_came_in_one_go_is_noticed_to_its_end(model: &str) {
    let server = serve(model, &["--explain"]);
    for urgent in [false, true] {
        let mut client = server.connect();
        assert_echoes(&client, b"hello");
        // It is told of all that at once.
        server.signal(Signal::STOP);
        client.write_all(b"before").unwrap();
        if urgent {
            SockRef::from(&client).send_out_of_band(b"!").unwrap();
        }
        client.write_all(b"after").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        server.signal(Signal::CONT);
        assert_ends_after(&client, b"beforeafter");
    }
    server.wait_for_log("sent the urgent byte 33");
    assert!(server.stop().stderr.contains(" 2 finished, 0 failed"));
}

fn nobody_is_woken_while_all_are_idle(model: &str) {
    let server = serve(model, &["--idle-timeout", "1h", "--limit", "20"]);
    let clients: Vec<_> = (0..20).map(|_| server.connect()).collect();
    clients.iter().for_each(|client| assert_echoes(client, b"hello"));
    assert_sleeps_well(&server);
    drop(clients);
    server.stop();
}

fn whoever_waits_at_the_limit_is_told_of_once(model: &str) {
    let server = serve(model, &["--limit", "1", "--explain"]);
    let first = server.connect();
    assert_echoes(&first, b"hello");
    let mut second = server.connect();
    second.write_all(b"may I?").unwrap();
    server.wait_for_log("somebody waits in the queue");
    let _third = server.connect();
    assert_sleeps_well(&server);
    assert_echoes(&first, b"still me");
    drop(first);
    second.read_exact(&mut [0; 6]).expect("there is room now");
    server.wait_for_log("somebody waits in the queue");
    server.stop();
}

fn a_client_that_floods_and_one_that_never_reads_starve_nobody(model: &str) {
    let server = serve(model, &["--read-size", "64"]);
    let (_deaf, _) = fill(server.connect());
    let (mut flood, polite) = (server.connect(), server.connect());
    let mut drain = flood.try_clone().unwrap();
    // They end with the server.
    thread::spawn(move || while flood.write_all(&[b'x'; 1 << 16]).is_ok() {});
    thread::spawn(move || while drain.read(&mut [0; 1 << 16]).is_ok_and(|count| count > 0) {});
    (0..100).for_each(|_| assert_echoes(&polite, b"one of many"));
    server.stop();
}

fn an_endless_answer_starves_nobody(model: &str) {
    let server = serve(model, &["--service", "chargen", "--grace", "0s"]);
    let mut greedy = server.connect();
    thread::spawn(move || {
        let mut much = vec![0; 1 << 20];
        while greedy.read(&mut much).is_ok_and(|count| count > 0) {}
    });
    for _ in 0..20 {
        server.connect().read_exact(&mut [0; 74]).expect("everybody gets a line");
    }
    server.stop();
}

fn what_is_more_than_one_turn_is_for_is_taken_up_again(model: &str) {
    let server = serve(model, &["--read-size", "2"]);
    assert_echoes(&server.connect(), &[b'x'; 5000]);
    server.stop();
}

fn b10_a_reset_is_noticed_though_nothing_is_asked_for_and_costs_nothing(model: &str) {
    let server = serve(model, &["--never-read", "-v"]);
    let client = server.connect();
    (&client).write_all(b"is anybody there?").unwrap();
    server.wait_for_log("connected");
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    // select(2) does not tell: it only must not spin.
    if model != "select" {
        server.wait_for_log("failed: connection reset by peer");
    }
    assert_sleeps_well(&server);
    server.stop();
}

fn what_was_not_sent_waits_and_is_told_of(model: &str) {
    let server = serve(model, &["--explain"]);
    let (mut client, bytes) = fill(server.connect());
    server.wait_for_log("; the rest waits");
    server.wait_for_log("nothing more is received from it");
    assert_sleeps_well(&server);
    let mut back = vec![0; bytes.len()];
    client.read_exact(&mut back).unwrap();
    assert!(back == bytes, "what came back is not what was sent");
    server.wait_for_log("it is received from again");
    server.stop();
}

fn pieces_that_find_no_room_wait_without_waking(model: &str) {
    let server = serve(model, &["--chop", "--service", "chargen", "--grace", "0s"]);
    let client = server.connect();
    SockRef::from(&client).set_recv_buffer_size(4096).unwrap();
    wait_until_quiet(&server);
    assert_sleeps_well(&server);
    drop(client);
    server.stop();
}

fn late_answers_come_in_time_though_nothing_else_happens(model: &str) {
    let server = serve(model, &["--delay", "300ms", "--drip", "2/50ms"]);
    let client = server.connect();
    let begun = Instant::now();
    assert_echoes(&client, b"eight...");
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(450) && took < Duration::from_secs(5), "{took:?}");
    server.stop();
}

#[test]
fn past_1024_descriptors_select_has_whoever_comes_wait_and_serves_them_later() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let server = serve("select", &[]);
    let mut clients: Vec<_> = (0..1100).map(|_| server.connect()).collect();
    server.wait_for_log("cannot accept for now");
    clients.iter_mut().for_each(|client| client.write_all(b"hello").unwrap());
    for client in &mut clients[..900] {
        client.read_exact(&mut [0; 5]).expect("they are served");
    }
    let before = server.cpu();
    thread::sleep(Duration::from_secs(1));
    if let Some((before, now)) = before.zip(server.cpu()) {
        let spent = now.saturating_sub(before);
        assert!(spent <= Duration::from_millis(200), "being full cost {spent:?} in a second");
    }
    for client in &mut clients[1050..] {
        client.set_nonblocking(true).unwrap();
        let heard = client.read(&mut [0]).expect_err("nobody was served, and nobody closed");
        assert_eq!(heard.kind(), io::ErrorKind::WouldBlock);
        client.set_nonblocking(false).unwrap();
    }
    // Nobody was dropped to make room.
    let rest = clients.split_off(900);
    clients.iter().for_each(|client| assert_echoes(client, b"still here"));
    drop(clients);
    for mut client in rest {
        client.read_exact(&mut [0; 5]).expect("those who waited are served");
    }
    let ended = server.stop();
    assert!(ended.stderr.contains("ended; 1100 accepted: 1100 finished"), "{}", ended.stderr);
    assert!(ended.stderr.contains("; out of descriptors once"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("cannot accept"), "told more than once: {}", ended.stderr);
}

#[test]
fn an_answer_is_late_by_one_pause_and_not_by_two() {
    for model in ["polling", "buffered"] {
        let server = serve(model, &["--pause", "400ms"]);
        let client = server.connect();
        assert_echoes(&client, b"in step with the rounds now");
        let begun = Instant::now();
        (0..4).for_each(|_| assert_echoes(&client, b"hello"));
        let took = begun.elapsed();
        assert!(took < Duration::from_millis(2600), "{model}: four answers took {took:?}");
        server.stop();
    }
}

#[test]
fn a_buffered_client_is_heard_while_its_last_answer_waits() {
    let second = Duration::from_secs(1);
    let ask_twice = |model| {
        let server = serve(model, &["--delay", "1s", "--pause", "5ms"]);
        let mut client = server.connect();
        let begun = Instant::now();
        client.write_all(b"a").unwrap();
        thread::sleep(second / 5);
        client.write_all(b"b").unwrap();
        let mut answer = [0; 2];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"ab");
        let took = begun.elapsed();
        server.stop();
        took
    };
    let took = ask_twice("polling");
    assert!(took >= 2 * second, "question, answer: {took:?}");
    let took = ask_twice("buffered");
    assert!(took < 2 * second, "both are heard at once: {took:?}");
}

#[test]
fn a_server_out_of_descriptors_ends_though_it_slept_through_its_last_words() {
    let server = serve("polling", &["--pause", "1s", "--grace", "100ms"]);
    server.limit_descriptors(20);
    let clients: Vec<_> = (0..40).map(|_| server.connect()).collect();
    server.wait_for_log("cannot accept for now");
    server.signal(Signal::TERM);
    assert_eq!(server.end().code, Some(0));
    drop(clients);
}

fn serve(model: &str, arguments: &[&str]) -> Server {
    let grace: &[_] = if arguments.contains(&"--grace") { &[] } else { &["--grace", "300ms"] };
    Server::start(&[&["--listen", "127.0.0.1:0", "--model", model], grace, arguments].concat())
}

/// Waits until it sleeps, and goes on doing so.
fn wait_until_quiet(server: &Server) {
    let begun = Instant::now();
    loop {
        let before = (server.sleeps(), server.cpu());
        thread::sleep(Duration::from_millis(200));
        if before == (server.sleeps(), server.cpu()) {
            return;
        }
        assert!(begun.elapsed() < DEADLINE, "it does not come to rest");
    }
}

/// In a second in which nothing happens it is not woken, and does not work.
fn assert_sleeps_well(server: &Server) {
    wait_until_quiet(server);
    let before = server.sleeps().zip(server.cpu());
    thread::sleep(Duration::from_secs(1));
    let Some((before, now)) = before.zip(server.sleeps().zip(server.cpu())) else {
        eprintln!("skipped: this system does not tell how often a process sleeps");
        return;
    };
    assert_eq!(before, now, "(times it slept, processor time) before and after a second of nothing");
}
