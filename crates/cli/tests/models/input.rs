//! Input that no service hopes for: nothing, half a line, far too much of one, bytes that are no text. Each service has
//! an answer to it, the same on every model, and nothing is lost of what came before.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use crate::server::{Server, assert_echoes, assert_ends_after, assert_hears_nothing, expect, pattern};
use crate::table::Model;

on_every_model!(
    odd_bytes_come_back_as_they_are,
    who_sends_nothing_and_leaves_is_done,
    a_line_of_10_mib_gets_an_error_and_the_end_and_what_came_before_its_answer,
    ten_mib_without_a_line_end_are_nothing_special_elsewhere,
    who_has_ended_and_is_still_sent_to_costs_no_time,
);

fn odd_bytes_come_back_as_they_are(model: &Model) {
    for service in ["echo", "boom", "discard", "upper", "line"] {
        let server = model.serve_telling_json(&["--service", service]);
        for Odd { sent, upper, line, .. } in &ODD {
            let answer = match service {
                "echo" | "boom" => *sent,
                "discard" => b"",
                "upper" => *upper,
                _ => {
                    expect_welcome(&server, sent, line);
                    continue;
                }
            };
            let mut client = server.connect();
            client.write_all(sent).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            assert_ends_after(&client, answer);
        }
        let receipt = server.stop().receipt();
        assert_eq!(receipt["finished"], ODD.len(), "{service}: {receipt}");
    }
}

fn expect_welcome(server: &Server, sent: &[u8], answer: &[u8]) {
    let mut client = server.connect();
    expect(&client, WELCOME);
    client.write_all(sent).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_ends_after(&client, answer);
}

fn who_sends_nothing_and_leaves_is_done(model: &Model) {
    for service in ["echo", "upper", "line", "boom", "discard"] {
        let server = model.serve_telling_json(&["--service", service]);
        let silent = server.connect();
        silent.shutdown(Shutdown::Write).unwrap();
        assert_ends_after(&silent, if service == "line" { WELCOME } else { b"" });
        drop(silent);
        let gone = server.connect();
        if service == "line" {
            // What was not read would make of the end a reset.
            expect(&gone, WELCOME);
        }
        drop(gone);
        let receipt = server.stop().receipt();
        assert_eq!(
            (&receipt["accepted"], &receipt["finished"]),
            (&2.into(), &2.into()),
            "{service}: {receipt}"
        );
    }
}

fn a_line_of_10_mib_gets_an_error_and_the_end_and_what_came_before_its_answer(model: &Model) {
    let server = model.serve_telling_json(&["--service", "line"]);
    let client = server.connect();
    let lines = "a line\r\n".repeat(1000);
    thread::scope(|scope| {
        scope.spawn(|| {
            (&client).write_all(lines.as_bytes()).unwrap();
            // Where the server has heard enough of it, the rest is refused.
            (&client).write_all(&vec![b'x'; 10 << 20]).ok();
        });
        let answers = "Echo: a line\r\n".repeat(1000);
        let error = b"Error: a line has at most 65536 bytes\r\n";
        assert_ends_after(&client, &[WELCOME, answers.as_bytes(), error].concat());
    });
    drop(client);
    let client = server.connect();
    expect(&client, WELCOME);
    (&client).write_all(b"next\n").unwrap();
    expect(&client, b"Echo: next\r\n");
    drop(client);
    assert_eq!(server.stop().receipt()["finished"], 2);
}

fn ten_mib_without_a_line_end_are_nothing_special_elsewhere(model: &Model) {
    let mut bytes = pattern(1, 10 << 20);
    bytes.iter_mut().for_each(|byte| *byte = b'a' + *byte % 26);
    let capitals = bytes.to_ascii_uppercase();
    for (service, answer) in [("echo", &bytes[..]), ("upper", &capitals), ("boom", &bytes), ("discard", b"")]
    {
        let server = model.serve(&["--service", service]);
        let client = server.connect();
        thread::scope(|scope| {
            scope.spawn(|| {
                (&client).write_all(&bytes).unwrap();
                client.shutdown(Shutdown::Write).unwrap();
            });
            let mut read = Vec::new();
            (&client).read_to_end(&mut read).expect("the server ends the connection in good order");
            assert!(read == answer, "{service}: {} bytes came back, or others", read.len());
        });
        if service == "echo" {
            assert_echoes(&server.connect(), b"next");
        }
    }
}

fn who_has_ended_and_is_still_sent_to_costs_no_time(model: &Model) {
    let server = model.serve(&["--service", "chargen", "--drip", "10/1h"]);
    let mut client = server.connect();
    client.shutdown(Shutdown::Write).unwrap();
    client.read_exact(&mut [0; 10]).unwrap();
    let before = server.cpu();
    assert_hears_nothing(&client);
    if let (Some(before), Some(after), false) = (before, server.cpu(), model.polls) {
        let cost = after - before;
        assert!(cost <= Duration::from_millis(50), "150 ms of waiting has cost {cost:?}");
    }
}

/// Something odd, and what comes back of it.
struct Odd {
    sent: &'static [u8],
    upper: &'static [u8],
    /// After the welcome.
    line: &'static [u8],
}

const ODD: [Odd; 7] = [
    Odd { sent: b"", upper: b"", line: b"" },
    // Half a line.
    Odd { sent: b"half a li", upper: b"HALF A LI", line: b"Echo: half a li\r\n" },
    // NULs.
    Odd { sent: b"\0\0a\0\r\n\0", upper: b"\0\0A\0\r\n\0", line: b"Echo: \0\0a\0\r\nEcho: \0\r\n" },
    // No UTF-8, and the first half of a character at the end.
    Odd {
        sent: b"\xff\xfe\xc3(\n\x80x\xe2\x82",
        upper: b"\xff\xfe\xc3(\n\x80X\xe2\x82",
        line: b"Echo: \xff\xfe\xc3(\r\nEcho: \x80x\xe2\x82\r\n",
    },
    // Telnet: DO TERMINAL-TYPE, WILL NAWS and a subnegotiation (RFC 854), and a CR as telnet sends it.
    Odd {
        sent: b"\xff\xfd\x18\xff\xfb\x1f\xff\xfa\x18\0xterm\xff\xf0hi\r\0\r\n",
        upper: b"\xff\xfd\x18\xff\xfb\x1f\xff\xfa\x18\0XTERM\xff\xf0HI\r\0\r\n",
        line: b"Echo: \xff\xfd\x18\xff\xfb\x1f\xff\xfa\x18\0xterm\xff\xf0hi\r\0\r\n",
    },
    // Line ends and nothing else.
    Odd { sent: b"\n\r\n\r\r", upper: b"\n\r\n\r\r", line: b"Echo: \r\nEcho: \r\nEcho: \r\r\r\n" },
    // Control-C and Control-D, as a terminal would understand them.
    Odd { sent: b"\x03\x04\x1b[2J", upper: b"\x03\x04\x1b[2J", line: b"Echo: \x03\x04\x1b[2J\r\n" },
];

const WELCOME: &[u8] = b"Welcome! Every line you send comes back.\r\n";
