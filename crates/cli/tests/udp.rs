//! `switchboard serve --udp`: datagrams, on every engine.
#![allow(clippy::disallowed_methods, reason = "a real server is tested in real time")]

mod server;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use serde_json::Value;
use server::{DEADLINE, Ended, Server, lonely_address, on_every_engine, pattern, run_to_end, switchboard};

on_every_engine! {
    each_datagram_comes_back_to_whoever_sent_it,
    the_largest_and_the_smallest_come_back_whole,
    what_was_cut_is_said_to_be_and_counted,
    a_dead_client_stops_nobody,
    what_cannot_be_sent_is_told_once_and_counted_and_stops_nobody,
    each_service_answers_as_its_rfc_says,
    who_would_answer_the_answer_gets_none,
    several_addresses_are_served,
    the_start_and_the_end_are_told_in_json,
    a_signal_ends_it_at_once_and_well,
}

fn start(engine: &str, arguments: &[&str]) -> Server {
    Server::with(engine, &[&["--udp"], arguments].concat())
}

/// A client, every receive of which has a deadline.
fn client(to: SocketAddr) -> UdpSocket {
    from(SocketAddr::from(([127, 0, 0, 1], 0)), to).expect("a free port")
}

fn from(own: SocketAddr, to: SocketAddr) -> io::Result<UdpSocket> {
    let client = UdpSocket::bind(own)?;
    client.connect(to)?;
    client.set_read_timeout(Some(DEADLINE))?;
    Ok(client)
}

fn ask(client: &UdpSocket, datagram: &[u8]) -> Vec<u8> {
    client.send(datagram).unwrap();
    hear(client)
}

fn hear(client: &UdpSocket) -> Vec<u8> {
    let mut answer = vec![0; 1 << 17];
    let count = client.recv(&mut answer).expect("the server answers");
    answer.truncate(count);
    answer
}

/// Nothing comes for a while.
fn assert_silent(client: &UdpSocket) {
    client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let error = client.recv(&mut [0; 100]).expect_err("nothing is to come");
    assert!(matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut), "{error}");
}

fn each_datagram_comes_back_to_whoever_sent_it(engine: &str) {
    let server = start(engine, &[]);
    let port = server.address.port();
    let ready =
        format!("listening on 127.0.0.1:{port} (udp, echo, tasks on {engine}); try: nc -u 127.0.0.1 {port}");
    assert_eq!(server.ready, ready);
    let clients: Vec<_> = (0..10).map(|_| client(server.address)).collect();
    for round in 0..20 {
        for (number, client) in clients.iter().enumerate() {
            client.send(format!("{number} in round {round}").as_bytes()).unwrap();
        }
        for (number, client) in clients.iter().enumerate() {
            assert_eq!(hear(client), format!("{number} in round {round}").as_bytes());
        }
    }
    let bytes = 200 * "0 in round 0".len() + 100;
    let ended = server.stop();
    let told = format!(
        "ended; 200 datagrams: 200 answered, 0 truncated, 0 refused, 0 failed; {bytes} bytes received, {bytes} sent\n"
    );
    assert_eq!((ended.code, ended.stderr), (Some(0), told));
}

fn the_largest_and_the_smallest_come_back_whole(engine: &str) {
    let server = start(engine, &[]);
    let client = client(server.address);
    // What IPv4 leaves of 65,535 bytes (RFC 791, RFC 768).
    for length in [0, 1, 1472, 1473, 65_507, 0] {
        let datagram = pattern(1, length);
        assert!(ask(&client, &datagram) == datagram, "{length} bytes");
    }
    assert!(server.stop().stderr.contains("6 datagrams: 6 answered, 0 truncated"));
}

fn what_was_cut_is_said_to_be_and_counted(engine: &str) {
    let server = start(engine, &["--read-size", "10"]);
    let client = client(server.address);
    assert_eq!(ask(&client, b"0123456789"), b"0123456789");
    assert_eq!(ask(&client, b"0123456789a"), b"0123456789");
    // The rest of it is not taken for the next.
    assert_eq!(ask(&client, b"next"), b"next");
    let address = client.local_addr().unwrap();
    let ended = server.stop();
    let said =
        format!("{address} sent a datagram of more than 10 bytes, and its end is lost; see --read-size");
    assert!(ended.stderr.contains(&said), "{}", ended.stderr);
    assert!(ended.stderr.contains("3 datagrams: 3 answered, 1 truncated, "), "{}", ended.stderr);
}

/// The system tells the server that nobody is there any more (ICMP), in the middle of its work for others.
fn a_dead_client_stops_nobody(engine: &str) {
    let server = start(engine, &[]);
    let alive = client(server.address);
    // Where nobody else is who would be given its port.
    let own = SocketAddr::new(lonely_address(engine.len() as u8).ip(), 0);
    for round in 0..50 {
        server.signal(Signal::STOP);
        let dying = from(own, server.address).expect("a free port");
        dying.send(b"and gone").unwrap();
        drop(dying);
        server.signal(Signal::CONT);
        let word = format!("round {round}");
        assert_eq!(ask(&alive, word.as_bytes()), word.as_bytes());
    }
    let ended = server.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("ended; 100 datagrams: "), "{}", ended.stderr);
}

/// A capital may be longer than its letter: ΰ has three code points for one. So the answer is more than a datagram holds.
fn what_cannot_be_sent_is_told_once_and_counted_and_stops_nobody(engine: &str) {
    let server = start(engine, &["--service", "upper"]);
    let client = client(server.address);
    for _ in 0..3 {
        client.send("ΰ".repeat(20_000).as_bytes()).unwrap();
    }
    assert_eq!(ask(&client, b"others"), b"OTHERS");
    let ended = server.stop();
    let said = ended.stderr.matches("message too long").count();
    assert_eq!(said, 1, "said once: {}", ended.stderr);
    assert!(
        ended.stderr.contains("4 datagrams: 1 answered, 0 truncated, 0 refused, 3 failed; "),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.code, Some(0));
}

fn each_service_answers_as_its_rfc_says(engine: &str) {
    for service in ["upper", "hello", "chargen", "daytime", "time"] {
        let server = start(engine, &["--service", service]);
        let client = client(server.address);
        let (asked, again) = (ask(&client, "grüße".as_bytes()), ask(&client, b""));
        match service {
            "upper" => assert_eq!((&*asked, &*again), ("GRÜSSE".as_bytes(), &b""[..])),
            "hello" => assert!(asked == again && asked.ends_with(b"\n"), "{asked:?}"),
            "chargen" => {
                assert!(asked == again && (1..=512).contains(&asked.len()), "{} bytes", asked.len());
                assert!(asked.ends_with(b"\r\n"));
            }
            "daytime" => {
                assert!(asked.is_ascii() && asked.ends_with(b"\n") && asked.len() < 100, "{asked:?}");
            }
            _ => {
                let told = u32::from_be_bytes(asked.try_into().expect("four bytes"));
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
                // Seconds since 1900 (RFC 868).
                assert!((now + 2_208_988_800).abs_diff(told.into()) < 100, "{told}");
            }
        }
        assert!(server.stop().stderr.contains("2 datagrams: 2 answered"), "{service}");
    }
    let server = start(engine, &["--service", "discard"]);
    let client = client(server.address);
    client.send(b"into the void").unwrap();
    assert_silent(&client);
    let ended = server.stop();
    assert!(
        ended.stderr.contains("1 datagrams: 0 answered, 0 truncated, 0 refused, 0 failed; 13 bytes"),
        "{}",
        ended.stderr
    );
}

fn who_would_answer_the_answer_gets_none(engine: &str) {
    let server = start(engine, &[]);
    // The port of an echo, where nobody else is.
    let own = SocketAddr::new(lonely_address(engine.len() as u8).ip(), 7);
    let echo = match from(own, server.address) {
        Ok(echo) => echo,
        Err(error) => return eprintln!("skipped: {own} cannot be had here: {error}"),
    };
    for _ in 0..3 {
        echo.send(b"hello, echo, this is echo").unwrap();
    }
    assert_silent(&echo);
    assert_eq!(ask(&client(server.address), b"others"), b"others");
    let ended = server.stop();
    let said = ended.stderr.matches("no answer for ").count();
    assert_eq!(said, 1, "said once: {}", ended.stderr);
    assert!(ended.stderr.contains("4 datagrams: 1 answered, 0 truncated, 3 refused, "), "{}", ended.stderr);
}

fn several_addresses_are_served(engine: &str) {
    let server = start(engine, &["--listen", "127.0.0.2:0"]);
    let (_, after) = server.ready.split_once(" and ").expect("both are named");
    let other: SocketAddr = after.split(' ').next().unwrap().parse().unwrap();
    for to in [server.address, other, server.address] {
        assert_eq!(ask(&client(to), b"hello"), b"hello");
    }
    // Both hear of the end.
    assert!(server.stop().stderr.contains("3 datagrams: 3 answered"));
}

fn the_start_and_the_end_are_told_in_json(engine: &str) {
    let server = Server::start_json(engine, &["--udp", "--read-size", "2"]);
    let ready: Value = serde_json::from_str(&server.ready).unwrap();
    assert_eq!((&ready["protocol"], &ready["service"]), (&"udp".into(), &"echo".into()));
    assert_eq!(ask(&client(server.address), b"ok"), b"ok");
    let ended = server.stop();
    let told = r#"{"event":"ended","datagrams":1,"answered":1,"truncated":0,"refused":0,"failed":0,"received":2,"sent":2}"#;
    assert_eq!(ended.stderr.trim_end(), told);
}

fn a_signal_ends_it_at_once_and_well(engine: &str) {
    for signal in [Signal::INT, Signal::TERM] {
        let server = start(engine, &["--grace", "20s"]);
        assert_eq!(ask(&client(server.address), b"hello"), b"hello");
        let begun = std::time::Instant::now();
        server.signal(signal);
        let ended = server.end();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(begun.elapsed() < Duration::from_secs(5), "there is nothing to wait for");
    }
}

#[test]
fn an_address_that_is_taken_is_an_error_that_names_it() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = refused(&["--listen", &address]);
    let said = format!("error: cannot listen on {address}: address already in use; ");
    assert!(ended.stderr.starts_with(&said), "{}", ended.stderr);
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(1), 1));
}

#[test]
fn what_means_nothing_to_datagrams_is_wrong_use_and_says_so() {
    for (arguments, said) in [
        (&["--limit", "5"][..], "--limit: with datagrams nobody stays"),
        (&["--idle-timeout", "5s"], "--idle-timeout: with datagrams nobody stays"),
        (&["--greeting", "hi"], "--greeting: with datagrams there is no connection"),
        (&["--threads", "2"], "--threads: with datagrams all of them come to one socket"),
        (&["--delay", "5s"], "--delay: with datagrams faults are those of connections"),
        (&["--jitter", "5s"], "--jitter: with datagrams"),
        (&["--drip", "1/1s"], "--drip: with datagrams"),
        (&["--chop"], "--chop: with datagrams"),
        (&["--never-read"], "--never-read: with datagrams"),
        (&["--close-after", "5"], "--close-after: with datagrams"),
        (&["--reset-after", "5"], "--reset-after: with datagrams"),
        (&["--service", "line"], "--udp: the service line is made of lines"),
        (
            &["--model", "polling"],
            "--udp: the model polling is one of serving connections; give --model tasks",
        ),
        (&["--model", "callbacks"], "--udp: the model callbacks is one of serving connections"),
        (&["--listen", "unix:/tmp/x"], "--listen unix:/tmp/x: datagrams are served over UDP"),
    ] {
        let ended = refused(arguments);
        assert!(ended.stderr.starts_with(&format!("error: {said}")), "{}", ended.stderr);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }
}

fn refused(arguments: &[&str]) -> Ended {
    run_to_end(switchboard(&[&["serve", "--udp"], arguments].concat()))
}
