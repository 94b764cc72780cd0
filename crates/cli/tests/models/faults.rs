//! What a server does wrong on purpose: late, slow, in pieces, deaf, cut short. The same on every model.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::server::{
    DEADLINE, Server, assert_ends_after, assert_hears_nothing, expect, fill, pattern, reset,
};
use crate::table::Model;

on_every_model!(
    an_answer_is_late_by_the_delay_and_hardly_more,
    jitter_makes_answers_late_at_random_and_never_exchanges_them,
    a_drip_lets_so_many_bytes_go_in_so_much_time,
    chopped_answers_come_in_small_pieces_and_whole,
    a_server_that_never_reads_says_its_own_and_hears_nothing,
    after_so_many_bytes_comes_the_end_and_not_one_byte_more,
    after_so_many_bytes_comes_a_reset,
    faults_go_together,
);

fn an_answer_is_late_by_the_delay_and_hardly_more(model: &Model) {
    let delay = Duration::from_millis(200);
    let server = model.serve(&["--service", "hello", "--delay", "200ms"]);
    assert_takes(delay, || assert_ends_after(&server.connect(), b"Hello from server!\r\n"));
    let server = model.serve(&["--delay", "200ms"]);
    let mut client = server.connect();
    assert_takes(delay, || {
        client.write_all(b"are you there?").unwrap();
        expect(&client, b"are you there?");
    });
    // Who has ended their side gets what is late all the same.
    assert_takes_at_least(delay, || {
        client.write_all(b"goodbye").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_ends_after(&client, b"goodbye");
    });
}

fn jitter_makes_answers_late_at_random_and_never_exchanges_them(model: &Model) {
    let server = model.serve(&["--jitter", "60ms"]);
    let mut client = server.connect();
    let mut times: Vec<_> = (0..10)
        .map(|_| {
            let begun = Instant::now();
            client.write_all(b"are you there?").unwrap();
            expect(&client, b"are you there?");
            begun.elapsed()
        })
        .collect();
    times.sort();
    assert!(times[5] < Duration::from_millis(60 + 40), "{times:?}");
    assert!(times[9] - times[0] > Duration::from_millis(6), "at random: {times:?}");
    for number in 0..20 {
        client.write_all(format!("{number} ").as_bytes()).unwrap();
    }
    client.shutdown(Shutdown::Write).unwrap();
    let all: String = (0..20).map(|number| format!("{number} ")).collect();
    assert_ends_after(&client, all.as_bytes());
}

fn a_drip_lets_so_many_bytes_go_in_so_much_time(model: &Model) {
    let server = model.serve(&["--drip", "100/20ms"]);
    let bytes = pattern(1, 1000);
    // The first hundred go at once.
    assert_takes(Duration::from_millis(9 * 20), || {
        let mut client = server.connect();
        client.write_all(&bytes).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let begun = Instant::now();
        let mut read = Vec::new();
        let mut piece = [0; 1000];
        loop {
            let count = client.read(&mut piece).unwrap();
            if count == 0 {
                break;
            }
            read.extend_from_slice(&piece[..count]);
            let periods = begun.elapsed().as_millis() / 20 + 2;
            assert!(read.len() as u128 <= periods * 100, "{} bytes in {:?}", read.len(), begun.elapsed());
        }
        assert!(read == bytes, "other bytes");
    });
}

fn chopped_answers_come_in_small_pieces_and_whole(model: &Model) {
    // The system joins what is not read fast enough; without the fault there are one or two.
    let most = (0..5).map(|_| count_pieces(model)).find(|pieces| *pieces >= 4);
    assert!(most.is_some(), "never in more than three pieces");

    let server = model.serve(&["--chop", "--service", "line", "--greeting", "Hi! "]);
    let mut client = server.connect();
    client.write_all(b"one\ntwo\n").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_ends_after(&client, b"Hi! Welcome! Every line you send comes back.\r\nEcho: one\r\nEcho: two\r\n");
}

/// In how many an answer of 10 kB comes.
fn count_pieces(model: &Model) -> usize {
    let server = model.serve(&["--chop"]);
    let mut client = server.connect();
    let bytes = pattern(1, 10_000);
    client.write_all(&bytes).unwrap();
    let (mut read, mut pieces, mut piece) = (Vec::new(), 0, [0; 10_000]);
    while read.len() < bytes.len() {
        let count = client.read(&mut piece).unwrap();
        assert!(count > 0, "the end after {} bytes", read.len());
        read.extend_from_slice(&piece[..count]);
        pieces += 1;
    }
    assert!(read == bytes, "other bytes");
    pieces
}

fn a_server_that_never_reads_says_its_own_and_hears_nothing(model: &Model) {
    let server = model.serve(&["--never-read", "--service", "hello"]);
    assert_ends_after(&server.connect(), b"Hello from server!\r\n");

    let server = model.serve_telling_json(&["--never-read", "--service", "line", "--grace", "100ms"]);
    let client = server.connect();
    expect(&client, b"Welcome! Every line you send comes back.\r\n");
    // It is stopped after what the system takes.
    let (client, _) = fill(client);
    client.shutdown(Shutdown::Write).unwrap();
    assert_hears_nothing(&client);
    server.signal(Signal::TERM);
    let ended = server.end();
    let receipt = ended.receipt();
    assert_eq!((ended.code, &receipt["cancelled"]), (Some(0), &1.into()), "{receipt}");
    assert_eq!((&receipt["received"], &receipt["left"][0]["why"]), (&0.into(), &"drain".into()), "{receipt}");
}

fn after_so_many_bytes_comes_the_end_and_not_one_byte_more(model: &Model) {
    let bytes = pattern(1, 50_000);
    for (after, service, sent, answer) in [
        ("0", "hello", &b""[..], &b""[..]),
        ("5", "hello", b"", b"Hello"),
        ("500", "hello", b"", b"Hello from server!\r\n"),
        ("50", "line", b"a line\nanother\n", b"Welcome! Every line you send comes back.\r\nEcho: a "),
        ("1000", "echo", &bytes, &bytes[..1000]),
        ("49999", "echo", &bytes, &bytes[..49_999]),
        ("20000", "discard", &bytes, b""),
    ] {
        let server =
            model.serve_telling_json(&["--service", service, "--close-after", after, "--grace", "20s"]);
        let mut client = server.connect();
        client.write_all(sent).expect("what was sent is read to its end");
        assert_ends_after(&client, answer);
        drop(client);
        let begun = Instant::now();
        let receipt = server.stop().receipt();
        // What was left unsaid keeps nobody from seeing that the client has gone.
        assert!(begun.elapsed() < Duration::from_secs(1), "{service} {after}: took {:?}", begun.elapsed());
        let expected = (&1.into(), &answer.len().into());
        assert_eq!((&receipt["finished"], &receipt["sent"]), expected, "{service} {after}: {receipt}");
    }
    let server = model.serve(&["--service", "chargen", "--close-after", "100000"]);
    let mut read = Vec::new();
    server.connect().read_to_end(&mut read).expect("an end in good order");
    assert_eq!(read.len(), 100_000);
}

fn after_so_many_bytes_comes_a_reset(model: &Model) {
    let bytes = pattern(1, 50_000);
    for (after, service, sent, answer) in [
        ("0", "hello", &b""[..], &b""[..]),
        ("5", "hello", b"", b"Hello"),
        ("50", "line", b"a line\nanother\n", b"Welcome! Every line you send comes back.\r\nEcho: a "),
        ("1000", "echo", &bytes, &bytes[..1000]),
        ("20000", "discard", &bytes, b""),
    ] {
        let server = model.serve_telling_json(&["--service", service, "--reset-after", after]);
        let (read, error) = meet_reset(&server, sent);
        assert!(answer.starts_with(&read), "{service} {after}: {} bytes, or others", read.len());
        assert_eq!(error, Some(ErrorKind::ConnectionReset), "{service} {after}");
        let receipt = server.stop().receipt();
        assert_eq!(receipt["finished"], 1, "as was asked for: {service} {after}: {receipt}");
    }
}

/// What a client gets before the server resets the connection, and the error: it may come while the client still
/// connects or sends, and is told once.
fn meet_reset(server: &Server, sent: &[u8]) -> (Vec<u8>, Option<ErrorKind>) {
    let mut read = Vec::new();
    let mut meet = || {
        let mut client = TcpStream::connect(server.address)?;
        client.set_read_timeout(Some(DEADLINE))?;
        let outcome = client.write_all(sent);
        client.read_to_end(&mut read)?;
        // Told while it was sending, it is EPIPE as soon as the system has forgotten why.
        outcome.map_err(|_| ErrorKind::ConnectionReset.into())
    };
    let outcome: io::Result<()> = meet();
    (read, outcome.map_err(|error| error.kind()).err())
}

fn faults_go_together(model: &Model) {
    let server = model.serve(&[
        "--service",
        "line",
        "--greeting",
        "Hi! ",
        "--delay",
        "50ms",
        "--drip",
        "20/10ms",
        "--chop",
        "--close-after",
        "55",
    ]);
    let begun = Instant::now();
    let mut client = server.connect();
    client.write_all(b"a line\nanother\n").unwrap();
    assert_ends_after(&client, b"Hi! Welcome! Every line you send comes back.\r\nEcho: a l");
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(50 + 20), "took only {took:?}");
    drop(client);

    // A client who leaves while its answer is late has failed or is done, and others are served.
    let server = model.serve_telling_json(&["--delay", "30ms"]);
    let mut client = server.connect();
    client.write_all(b"never to be read").unwrap();
    reset(client);
    let mut other = server.connect();
    other.write_all(b"hello").unwrap();
    expect(&other, b"hello");
    drop(other);
    let ended = server.stop();
    let (_, receipt) = ended.log_and_receipt();
    assert_eq!((&receipt["accepted"], &receipt["cancelled"]), (&2.into(), &0.into()), "{receipt}");
}

/// That it takes so long and hardly longer, tried until a busy machine lets it.
fn assert_takes(time: Duration, mut what: impl FnMut()) {
    let in_time = (0..5).any(|_| {
        let took = assert_takes_at_least(time, &mut what);
        took < time + Duration::from_millis(80)
    });
    assert!(in_time, "never done within {time:?} and 80 ms");
}

fn assert_takes_at_least(time: Duration, what: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    what();
    let took = begun.elapsed();
    assert!(took >= time, "took only {took:?} of {time:?}");
    took
}
