//! The services: the same bytes on every model, however the input is cut.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use time::{Duration, OffsetDateTime};

use crate::server::{assert_echoes, assert_ends_after, expect, pattern};
use crate::table::Model;

on_every_model!(
    every_service_answers_the_same_bytes_however_they_are_cut,
    the_greeting_comes_first_on_every_service,
    line_answers_many_lines_in_one_piece,
    hello_says_hello_and_hangs_up_whatever_was_sent,
    a_long_greeting_arrives_whole_although_nobody_reads_what_the_client_sends,
    boom_fails_once_and_everybody_else_lives_on,
    chargen_sends_the_pattern_for_as_long_as_somebody_reads,
    daytime_and_time_tell_the_time_and_hang_up,
);

fn every_service_answers_the_same_bytes_however_they_are_cut(model: &Model) {
    for size in ["1", "2", "3", "16KiB"] {
        for (service, sent, answer) in TALKS {
            let server = model.serve(&["--service", service, "--read-size", size]);
            let mut client = server.connect();
            client.write_all(sent.as_bytes()).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            assert_ends_after(&client, answer.as_bytes());
        }
    }
}

fn the_greeting_comes_first_on_every_service(model: &Model) {
    for (service, sent, answer) in TALKS {
        let server = model.serve(&["--service", service, "--greeting", "Grüß Gott! "]);
        let mut client = server.connect();
        // Before anything was sent.
        expect(&client, "Grüß Gott! ".as_bytes());
        client.write_all(sent.as_bytes()).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_ends_after(&client, answer.as_bytes());
    }
}

fn line_answers_many_lines_in_one_piece(model: &Model) {
    let server = model.serve(&["--service", "line"]);
    let client = server.connect();
    let lines: Vec<_> = (0..20_000).map(|number| format!("line {number}")).collect();
    let answers: String = lines.iter().map(|line| format!("Echo: {line}\r\n")).collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            (&client).write_all(lines.join("\n").as_bytes()).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        });
        assert_ends_after(&client, [WELCOME, &answers].concat().as_bytes());
    });
}

fn hello_says_hello_and_hangs_up_whatever_was_sent(model: &Model) {
    let server = model.serve_telling_json(&["--service", "hello"]);
    assert_ends_after(&server.connect(), b"Hello from server!\r\n");
    for _ in 0..10 {
        let mut client = server.connect();
        client.write_all(&pattern(1, 100_000)).expect("the server does not break the connection off");
        assert_ends_after(&client, b"Hello from server!\r\n");
    }
    assert_eq!(server.stop().receipt()["finished"], 11);
}

fn a_long_greeting_arrives_whole_although_nobody_reads_what_the_client_sends(model: &Model) {
    // As much as an argument may be (execve(2)).
    let greeting = "x".repeat(128 * 1024 - 1);
    let server = model.serve(&["--service", "hello", "--greeting", &greeting]);
    for _ in 0..10 {
        let mut client = server.connect();
        client.write_all(&pattern(1, 100_000)).unwrap();
        assert_ends_after(&client, format!("{greeting}Hello from server!\r\n").as_bytes());
    }
}

fn boom_fails_once_and_everybody_else_lives_on(model: &Model) {
    let server = model.serve_telling_json(&["--service", "boom"]);
    let others: Vec<_> = (0..model.at_once(5) - 1).map(|_| server.connect()).collect();
    others.iter().for_each(|other| assert_echoes(other, b"boom? no, hello\r\n"));
    let mut client = server.connect();
    client.write_all(b"hello\nbo").unwrap();
    expect(&client, b"hello\nbo");
    client.write_all(b"om\r\nnever echoed").unwrap();
    assert_ends_after(&client, b"om\r\n");
    let name = client.local_addr().unwrap();
    drop(client);
    others.iter().for_each(|other| assert_echoes(other, b"still here\r\n"));
    assert_echoes(&server.connect(), b"and somebody new\r\n");
    let well = others.len() + 1;
    drop(others);
    let ended = server.stop();
    let (log, receipt) = ended.log_and_receipt();
    assert_eq!(log, format!(" WARN client {name} failed: boom\n"));
    assert_eq!((&receipt["failed"], &receipt["finished"]), (&1.into(), &well.into()), "{receipt}");
    assert_eq!(ended.code, Some(0));
}

fn chargen_sends_the_pattern_for_as_long_as_somebody_reads(model: &Model) {
    let server = model.serve(&["--service", "chargen"]);
    for _ in 0..2 {
        let mut client = server.connect();
        client.write_all(b"thrown away").unwrap();
        let mut read = Vec::new();
        // Their end is not its own: who half-closes may go on to listen.
        while read.len() < 300_000 {
            let mut piece = [0; 7_777];
            client.read_exact(&mut piece).unwrap();
            read.extend_from_slice(&piece);
            if read.len() == 14 * 7_777 {
                client.shutdown(Shutdown::Write).unwrap();
            }
        }
        // RFC 864: 95 characters in a ring, 72 of them a line, each line beginning one later.
        let ring: Vec<_> = (b'!'..=b'~').chain([b' ']).collect();
        for (number, line) in read.chunks(74).enumerate() {
            let expected: Vec<_> =
                (0..72).map(|at| ring[(number + at) % 95]).chain(*b"\r\n").take(line.len()).collect();
            assert!(line == expected, "line {number}: {}", String::from_utf8_lossy(line));
        }
    }
}

fn daytime_and_time_tell_the_time_and_hang_up(model: &Model) {
    let server = model.serve(&["--service", "daytime"]);
    let before = OffsetDateTime::now_utc();
    let told = read_to_end(&server.connect());
    let seconds = (OffsetDateTime::now_utc() - before).whole_seconds() + 1;
    let words = |now: OffsetDateTime| {
        let (hour, minute, second) = now.to_hms();
        let (weekday, month, day, year) = (now.weekday(), now.month(), now.day(), now.year());
        format!("{weekday}, {month} {day}, {year} {hour:02}:{minute:02}:{second:02}-UTC\r\n")
    };
    let in_time = (0..=seconds).any(|late| told == words(before + Duration::seconds(late)).as_bytes());
    assert!(in_time, "{}", String::from_utf8_lossy(&told));

    // RFC 868: seconds since 1900, which was 70 years with 17 leap days before 1970.
    let since_1900 = || {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        u32::try_from(since_1970 + (70 * 365 + 17) * 86_400).unwrap()
    };
    let server = model.serve(&["--service", "time"]);
    let before = since_1900();
    let told = read_to_end(&server.connect());
    let told = u32::from_be_bytes(told.try_into().expect("four bytes"));
    assert!((before..=since_1900()).contains(&told), "{told} is not about {before}");
}

fn read_to_end(mut client: &std::net::TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    client.read_to_end(&mut all).expect("the server ends the connection in good order");
    all
}

const WELCOME: &str = "Welcome! Every line you send comes back.\r\n";

/// Of each service that says the same whenever it is asked: what a client sends, and what comes back.
const TALKS: [(&str, &str, &str); 6] = [
    ("echo", "hello\r\nGrüße\0, 🙂\n\rend", "hello\r\nGrüße\0, 🙂\n\rend"),
    ("upper", "hello\r\nstraße, привет, ŉ ﬃ 日本 🙂\nend", "HELLO\r\nSTRASSE, ПРИВЕТ, ʼN FFI 日本 🙂\nEND"),
    (
        "line",
        "one\r\ntwo\n\n\rthree\r\r\nfünf\r\nend",
        "Welcome! Every line you send comes back.\r\n\
         Echo: one\r\nEcho: two\r\nEcho: \r\nEcho: \rthree\r\r\nEcho: fünf\r\nEcho: end\r\n",
    ),
    ("hello", "what you say does not matter\r\n", "Hello from server!\r\n"),
    ("discard", "into the void\r\n", ""),
    ("boom", "bo\nom\nboom!\r\nboom\r\nafter", "bo\nom\nboom!\r\nboom\r\n"),
];
