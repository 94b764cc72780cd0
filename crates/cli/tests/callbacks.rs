//! `switchboard serve --model callbacks`: what is particular to it, on every engine. What all models have in common is
//! tested elsewhere.
#![allow(clippy::disallowed_methods, reason = "a real server is tested in real time")]

mod server;

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use server::{
    DEADLINE, Server, assert_echoes, assert_ends_after, fill, on_every_engine, run_to_end, switchboard,
};

on_every_engine! {
    connections_are_dealt_out_evenly_and_every_loop_serves,
    whoever_has_come_when_it_drains_is_served_whatever_the_loop,
    the_limit_is_one_for_all_loops,
    a_client_that_never_reads_stops_itself_and_loses_nothing,
    many_who_never_read_cost_little_memory,
    a_partial_send_is_gone_on_with_and_explained,
    late_answers_are_neither_early_nor_much_too_late,
    a_reset_comes_when_all_before_it_has_gone,
    an_endless_answer_leaves_others_their_turn,
}

fn start(engine: &str, arguments: &[&str]) -> Server {
    Server::with(engine, &[&["--model", "callbacks"], arguments].concat())
}

fn connections_are_dealt_out_evenly_and_every_loop_serves(engine: &str) {
    let server = start(engine, &["--threads", "3", "--explain"]);
    assert!(
        server.ready.contains("callbacks on ") && server.ready.contains(", 3 threads)"),
        "{}",
        server.ready
    );
    let clients: Vec<_> = (0..12).map(|_| server.connect()).collect();
    for round in 0..3 {
        for client in &clients {
            assert_echoes(client, format!("round {round}").as_bytes());
        }
    }
    server.wait_for_threads(3);
    drop(clients);
    let ended = server.stop();
    for number in 1..=3 {
        let dealt = ended.stderr.matches(&format!("; loop {number} of 3 has it\n")).count();
        assert_eq!(dealt, 4, "to loop {number}: {}", ended.stderr);
    }
    assert!(ended.stderr.contains("12 accepted: 12 finished, 0 failed, 0 cancelled"), "{}", ended.stderr);
    assert_eq!(ended.code, Some(0));
}

/// They connect while the server stands still, so that all of them are in the queue when the signal is heard.
fn whoever_has_come_when_it_drains_is_served_whatever_the_loop(engine: &str) {
    let server = start(engine, &["--threads", "4", "--grace", "10s"]);
    let before = server.connect();
    assert_echoes(&before, b"before");
    server.signal(Signal::STOP);
    let mut waiting: Vec<_> = (0..100).map(|_| server.connect()).collect();
    server.signal(Signal::TERM);
    server.signal(Signal::CONT);
    for (number, client) in waiting.iter_mut().enumerate() {
        client.write_all(format!("{number}").as_bytes()).unwrap();
    }
    for (number, client) in waiting.iter().enumerate() {
        let expected = number.to_string();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_ends_after(client, expected.as_bytes());
    }
    assert_echoes(&before, b"and still");
    drop((before, waiting));
    let ended = server.end();
    assert!(
        ended.stderr.starts_with("ended; 101 accepted: 101 finished, 0 failed, 0 cancelled"),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.code, Some(0));
}

fn the_limit_is_one_for_all_loops(engine: &str) {
    let server = start(engine, &["--threads", "3", "--limit", "2", "--explain"]);
    let (first, second) = (server.connect(), server.connect());
    assert_echoes(&first, b"one");
    assert_echoes(&second, b"two");
    let mut third = server.connect();
    third.write_all(b"three").unwrap();
    server.wait_for_log("nobody more can be served");
    third.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let kept_waiting = third.read(&mut [0]).expect_err("two are there already");
    assert!(matches!(kept_waiting.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut));
    third.set_read_timeout(Some(DEADLINE)).unwrap();
    // The second is on a loop that does not accept.
    drop(second);
    let mut answer = [0; 5];
    third.read_exact(&mut answer).expect("now there is room");
    assert_eq!(&answer, b"three");
    drop((first, third));
    let ended = server.stop();
    assert!(ended.stderr.contains("3 accepted: 3 finished, 0 failed, 0 cancelled; at most 2 at once"));
}

fn a_client_that_never_reads_stops_itself_and_loses_nothing(engine: &str) {
    let server = start(engine, &["--explain"]);
    let (mut deaf, sent) = fill(server.connect());
    server.wait_for_log("paused: ");
    // Others notice nothing.
    assert_echoes(&server.connect(), b"hello");
    let mut echoed = vec![0; sent.len()];
    deaf.set_read_timeout(Some(DEADLINE)).unwrap();
    deaf.read_exact(&mut echoed).expect("what was sent comes back");
    assert!(echoed == sent, "some of it was lost, doubled or exchanged");
    server.wait_for_log("resumed: ");
    assert_echoes(&deaf, b"and on it goes");
    drop(deaf);
    assert!(server.stop().stderr.contains("2 accepted: 2 finished"));
}

fn many_who_never_read_cost_little_memory(engine: &str) {
    let server = start(engine, &["--read-size", "64KiB"]);
    assert_echoes(&server.connect(), b"warm");
    let before = server.memory();
    let clients: Vec<_> = (0..10).map(|_| fill(server.connect()).0).collect();
    match before.zip(server.memory()) {
        Some((before, now)) => {
            let each = now.saturating_sub(before) / clients.len();
            // What waits in the session, what one receive adds to that, and one message in the connection.
            assert!(each <= 512 << 10, "{each} bytes for each who never reads");
        }
        None => eprintln!("skipped: this system does not tell the memory of a process"),
    }
    let cpu = server.cpu();
    std::thread::sleep(Duration::from_millis(500));
    if let Some((before, now)) = cpu.zip(server.cpu()) {
        assert!(now - before <= Duration::from_millis(50), "waiting for them cost {:?}", now - before);
    }
}

fn a_partial_send_is_gone_on_with_and_explained(engine: &str) {
    let server = start(engine, &["--explain", "--read-size", "4MiB"]);
    let (mut client, sent) = fill(server.connect());
    server.wait_for_log("bytes found no room and wait, for on_sent");
    let mut echoed = vec![0; sent.len()];
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.read_exact(&mut echoed).unwrap();
    assert!(echoed == sent);
    server.wait_for_log("all that waited has been taken over by the system");
}

fn late_answers_are_neither_early_nor_much_too_late(engine: &str) {
    let server = start(engine, &["--delay", "300ms", "--threads", "2"]);
    let clients: Vec<_> = (0..4).map(|_| server.connect()).collect();
    let begun: Vec<_> = clients
        .iter()
        .map(|mut client| {
            let begun = Instant::now();
            client.write_all(b"when?").unwrap();
            begun
        })
        .collect();
    for (mut client, begun) in clients.iter().zip(begun) {
        let mut answer = [0; 5];
        client.read_exact(&mut answer).unwrap();
        let took = begun.elapsed();
        assert_eq!(&answer, b"when?");
        assert!((300..600).contains(&took.as_millis()), "{took:?}");
    }
}

/// A reset throws away what waits, so it must not come before that has gone. It is to come a little after what the system
/// takes over from a server whose client does not read, which is found out first.
fn a_reset_comes_when_all_before_it_has_gone(engine: &str) {
    let chargen = ["--service", "chargen", "--explain"];
    let server = start(engine, &[&chargen[..], &["--grace", "0s"]].concat());
    let unread = server.connect();
    server.wait_for_log("found no room and wait");
    let room = sent(&server.stop());
    drop(unread);

    // How much the system takes over is not the same each time: it is tried until the end comes in what waits.
    let (server, mut client, after) = (0..50)
        .find_map(|tries| {
            let after = room + 500 + tries * 4096;
            let reset = ["-v", "--reset-after", &after.to_string()];
            let server = start(engine, &[&chargen[..], &reset].concat());
            let client = server.connect();
            loop {
                let line = server.next_log();
                if line.contains("found no room and wait") {
                    return Some((server, client, after));
                } else if line.contains(" is done") {
                    return None;
                }
            }
        })
        .expect("something has to wait for room");
    let mut piece = vec![0; 64 << 10];
    let ended = loop {
        match client.read(&mut piece) {
            Ok(0) => panic!("it ended in good order"),
            Ok(_) => {}
            Err(error) => break error.kind(),
        }
    };
    assert_eq!(ended, io::ErrorKind::ConnectionReset);
    let ended = server.stop();
    assert_eq!(sent(&ended), after);
    assert!(ended.stderr.contains("1 accepted: 1 finished, 0 failed, 0 cancelled"), "{}", ended.stderr);
}

/// How many bytes were sent, as it is told at the end.
fn sent(ended: &server::Ended) -> u64 {
    let (_, after) = ended.stderr.split_once(" bytes received, ").expect("it tells");
    after.split(' ').next().unwrap().parse().unwrap()
}

fn an_endless_answer_leaves_others_their_turn(engine: &str) {
    let server = start(engine, &["--service", "chargen", "--grace", "100ms"]);
    let (mut greedy, mut modest) = (server.connect(), server.connect());
    let reading = std::thread::spawn(move || {
        let mut piece = vec![0; 1 << 20];
        while greedy.read(&mut piece).is_ok_and(|count| count > 0) {}
    });
    let mut line = [0; 74];
    for _ in 0..1000 {
        modest.read_exact(&mut line).expect("there is always more");
    }
    let ended = server.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    reading.join().unwrap();
}

#[test]
fn threads_that_cannot_begin_are_an_error_that_says_so() {
    let mut command = switchboard(&["serve", "--listen", "127.0.0.1:0", "--model", "callbacks"]);
    // Found on each thread only: the first loop has an engine by then.
    command.args(["--threads", "48"]);
    let limited = run_to_end_limited(command);
    assert!(
        limited.stderr.contains("a thread of the server cannot go on, give fewer with --threads"),
        "{}",
        limited.stderr
    );
    assert_eq!((limited.code, limited.stdout.as_str()), (Some(1), ""));
}

/// With so few descriptors that the engines of all threads cannot be opened.
fn run_to_end_limited(command: std::process::Command) -> server::Ended {
    let mut shell = std::process::Command::new("sh");
    shell
        .arg("-c")
        .arg("ulimit -n 40; exec \"$0\" \"$@\"")
        .arg(command.get_program())
        .args(command.get_args());
    shell.stdin(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
    run_to_end(shell)
}
