//! The services of `switchboard serve`, as clients meet them.
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside the runtime and has clocks and threads"
)]

mod server;

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::thread;

use server::{Server, assert_echoes, assert_ends_after, expect, on_every_engine, pattern};

on_every_engine!(
    line_answers_each_line_however_it_ends_and_however_it_is_cut,
    line_answers_a_line_of_64_kib_and_hangs_up_on_a_longer_one,
    upper_answers_in_capitals_and_leaves_no_character_half,
    discard_reads_all_and_answers_nothing,
    boom_fails_once_and_everybody_else_lives_on,
);

fn line_answers_each_line_however_it_ends_and_however_it_is_cut(engine: &str) {
    let server = Server::with(engine, &["--service", "line"]);
    let mut client = welcomed(&server);
    client.write_all(b"one\r\ntwo\n\n\rthree\r\r\nfo").unwrap();
    expect(&client, b"Echo: one\r\nEcho: two\r\nEcho: \r\nEcho: \rthree\r\r\n");
    for byte in b"ur\r\nfive" {
        client.write_all(&[*byte]).unwrap();
    }
    client.shutdown(Shutdown::Write).unwrap();
    assert_ends_after(&client, b"Echo: four\r\nEcho: five\r\n");

    // Many lines in one piece, from one who reads meanwhile.
    let client = welcomed(&server);
    let lines: Vec<_> = (0..20_000).map(|number| format!("line {number}")).collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            (&client).write_all(lines.join("\n").as_bytes()).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        });
        let answers: String = lines.iter().map(|line| format!("Echo: {line}\r\n")).collect();
        assert_ends_after(&client, answers.as_bytes());
    });
}

fn line_answers_a_line_of_64_kib_and_hangs_up_on_a_longer_one(engine: &str) {
    let server = Server::with(engine, &["--service", "line"]);
    let mut client = welcomed(&server);
    let longest = [b'x'; 64 << 10];
    for end in [&b"\n"[..], b"\r\n"] {
        client.write_all(&[&longest[..], end].concat()).unwrap();
        expect(&client, &[b"Echo: ", &longest[..], b"\r\n"].concat());
    }
    // What comes after is not waited for, and hinders nobody to read the answer.
    client.write_all(&[&longest[..], b"x", &longest[..]].concat()).unwrap();
    assert_ends_after(&client, b"Error: a line has at most 65536 bytes\r\n");
    assert!(server.stop().stderr.contains("1 finished, 0 failed"));
}

fn upper_answers_in_capitals_and_leaves_no_character_half(engine: &str) {
    let server = Server::with(engine, &["--service", "upper"]);
    let mut client = server.connect();
    client.write_all(b"hello\r\n").unwrap();
    expect(&client, b"HELLO\r\n");
    let (small, large) = ("straße, привет, 🙂\n", "STRASSE, ПРИВЕТ, 🙂\n");
    for half in 1..small.len() {
        client.write_all(&small.as_bytes()[..half]).unwrap();
        // What is whole comes at once, so that the rest is a receive of its own.
        let whole = small.floor_char_boundary(half);
        let capitals = small[..whole].to_uppercase();
        expect(&client, capitals.as_bytes());
        client.write_all(&small.as_bytes()[half..]).unwrap();
        expect(&client, &large.as_bytes()[capitals.len()..]);
    }
    client.write_all(b"bytes: \xff\xc3(\xe2\x82").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_ends_after(&client, b"BYTES: \xff\xc3(\xe2\x82");
}

fn discard_reads_all_and_answers_nothing(engine: &str) {
    let server = Server::with(engine, &["--service", "discard"]);
    let mut client = server.connect();
    client.write_all(&pattern(1, 20 << 20)).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_ends_after(&client, b"");
    let stderr = server.stop().stderr;
    assert!(stderr.ends_with("; 20971520 bytes received, 0 sent\n"), "{stderr}");
}

fn boom_fails_once_and_everybody_else_lives_on(engine: &str) {
    for threads in ["1", "3"] {
        let server = Server::with(engine, &["--service", "boom", "--threads", threads]);
        let others: Vec<_> = (0..4).map(|_| server.connect()).collect();
        others.iter().for_each(|other| assert_echoes(other, b"boom? no, hello\r\n"));
        let mut client = server.connect();
        client.write_all(b"hello\nbo").unwrap();
        expect(&client, b"hello\nbo");
        client.write_all(b"om\r\nnever echoed").unwrap();
        assert_ends_after(&client, b"om\r\n");
        others.iter().for_each(|other| assert_echoes(other, b"still here\r\n"));
        let name = client.local_addr().unwrap();
        drop(others);
        let ended = server.stop();
        let mut lines = ended.stderr.lines();
        assert_eq!(lines.next(), Some(format!(" WARN client {name} failed: boom").as_str()));
        let sum = lines.next().unwrap();
        assert!(sum.starts_with("ended; 5 accepted: 4 finished, 1 failed, 0 cancelled"), "{sum}");
        assert_eq!((lines.next(), ended.code), (None, Some(0)));
    }
}

/// A client of *line* that has been welcomed.
fn welcomed(server: &Server) -> TcpStream {
    let client = server.connect();
    expect(&client, b"Welcome! Every line you send comes back.\r\n");
    client
}
