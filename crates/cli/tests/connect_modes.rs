//! What `switchboard connect` can do to the bytes on their way: line ends, dumps, TELNET, datagrams, scripts.
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside the runtime and has clocks and threads"
)]

mod client;
mod server;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, UdpSocket};
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use client::{Client, Ended, Peer, read_in_time, run};
use serde_json::Value;
use server::{DEADLINE, Server, assert_ends_after, on_every_engine, pattern};
use socket2::SockRef;

on_every_engine!(
    datagrams_are_lines_and_answers_are_printed,
    datagrams_may_be_of_a_size,
    the_silence_after_the_last_datagram_is_a_good_end_however_short,
    a_script_that_goes_well_is_exit_code_0,
    a_script_that_goes_wrong_is_exit_code_3_and_says_where,
    telnet_is_answered_and_kept_out_of_the_text,
);

fn datagrams_are_lines_and_answers_are_printed(engine: &str) {
    let (socket, address) = udp();
    let mut client = Client::start(&["--udp", &address, "--engine", engine]);
    let mut stdin = client.stdin();
    stdin.write_all(b"one\ntwo\nthr").unwrap();
    let mut heard = [0; 100];
    let mut from = None;
    for line in ["one\n", "two\n"] {
        let (count, sender) = socket.recv_from(&mut heard).unwrap();
        assert_eq!(&heard[..count], line.as_bytes());
        from = Some(sender);
    }
    stdin.write_all(b"ee").unwrap();
    drop(stdin);
    let (count, _) = socket.recv_from(&mut heard).unwrap();
    assert_eq!(&heard[..count], b"three");
    // An answer that comes when stdin has ended is printed; an empty one ends nothing; that of a stranger is not heard.
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"stranger", from.unwrap()).unwrap();
    for answer in [&b"first"[..], b"", &[b'z'; 65_000]] {
        socket.send_to(answer, from.unwrap()).unwrap();
    }
    let ended = client.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(ended.stdout, [&b"first"[..], &[b'z'; 65_000]].concat());
}

fn datagrams_may_be_of_a_size(engine: &str) {
    let (socket, address) = udp();
    let mut client = Client::start(&["-u", &address, "--datagram", "1000", "--engine", engine]);
    let bytes = pattern(1, 2500);
    client.stdin().write_all(&bytes).unwrap();
    let mut heard = [0; 2000];
    for expected in bytes.chunks(1000) {
        let count = socket.recv(&mut heard).unwrap();
        assert!(&heard[..count] == expected);
    }
    assert_eq!(client.end().code, Some(0));
}

fn the_silence_after_the_last_datagram_is_a_good_end_however_short(engine: &str) {
    let (socket, address) = udp();
    let mut client = Client::start(&["--udp", &address, "--idle-timeout", "300ms", "--engine", engine]);
    let mut stdin = client.stdin();
    stdin.write_all(b"ping\n").unwrap();
    let mut heard = [0; 100];
    let (count, from) = socket.recv_from(&mut heard).unwrap();
    socket.send_to(&heard[..count], from).unwrap();
    drop(stdin);
    let ended = client.end();
    assert_eq!((ended.code, ended.stderr.as_str(), &ended.stdout[..]), (Some(0), "", &b"ping\n"[..]));

    // While stdin may still have more to send, it is the other end.
    let mut client = Client::start(&["--udp", &address, "--idle-timeout", "300ms", "--engine", engine]);
    let stdin = client.stdin();
    let ended = client.end();
    assert!(ended.stderr.starts_with("error: nothing has gone over the connection"), "{ended:?}");
    assert_eq!(ended.code, Some(3));
    drop(stdin);
}

fn a_script_that_goes_well_is_exit_code_0(engine: &str) {
    let server = Server::with(engine, &["--service", "line"]);
    let ended = follow(
        &server.address.to_string(),
        engine,
        "expect \"back.\\r\\n\"\nsend-line hello\nexpect-line Echo: hello\nend\nexpect-end\n",
    );
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(ended.stdout.ends_with(b"Echo: hello\r\n"));
}

fn a_script_that_goes_wrong_is_exit_code_3_and_says_where(engine: &str) {
    let server = Server::with(engine, &["--service", "line"]);
    let address = server.address.to_string();
    let ended = follow(&address, engine, "expect \"back.\\r\\n\"\nsend-line hello\nexpect-line Echo: bye\n");
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let said = format!(
        "error: {address} does not do as the script expects: line 3: expected the line \"Echo: bye\""
    );
    assert!(ended.stderr.starts_with(&said), "{}", ended.stderr);
    assert!(ended.stdout.ends_with(b"Echo: hello\r\n"), "what came instead is printed");

    let begun = Instant::now();
    let ended = follow(&address, engine, "within 300ms\nexpect never\n");
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(
        (ended.code, ended.stderr.contains("line 2: expected \"never\"")),
        (Some(3), true),
        "{ended:?}"
    );

    let ended = follow(&address, engine, "end\nexpect never\n");
    assert_eq!(ended.code, Some(3), "the peer ends without having said it: {ended:?}");
    assert_eq!(follow(&address, engine, "expct x\n").code, Some(2));
}

fn telnet_is_answered_and_kept_out_of_the_text(engine: &str) {
    let peer = Peer::new();
    let mut client = Client::start(&["--telnet", &peer.address, "--engine", engine]);
    let mut stdin = client.stdin();
    let mut stream = peer.accept();
    // WILL ECHO, DO an option that nobody has; text with a doubled 255 and a CR NUL.
    stream.write_all(b"\xff\xfb\x01\xff\xfd\xc8login\xff\xff: \r\0x\r\n").unwrap();
    let mut answer = Vec::new();
    while !(contains(&answer, b"\xff\xfd\x01") && contains(&answer, b"\xff\xfc\xc8")) {
        let mut piece = [0; 64];
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "{answer:?}");
        answer.extend_from_slice(&piece[..count]);
    }
    stdin.write_all(b"a\xffb\n").unwrap();
    drop(stdin);
    answer.clear();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.ends_with(b"a\xff\xffb\r\n"), "{answer:?}");
    drop(stream);
    let ended = client.end();
    assert_eq!((ended.code, &ended.stdout[..]), (Some(0), &b"login\xff: \rx\r\n"[..]));
}

/// A data mark is sent as urgent data; taken out of the stream, it would leave half a command there.
#[test]
fn an_urgent_data_mark_of_telnet_stays_where_it_is() {
    let peer = Peer::new();
    let client = Client::start(&["--telnet", &peer.address]);
    let mut stream = peer.accept();
    stream.write_all(b"before\xff").unwrap();
    assert_eq!(SockRef::from(&stream).send_out_of_band(b"\xf2").unwrap(), 1);
    stream.write_all(b" and after").unwrap();
    drop(stream);
    let ended = client.end();
    assert_eq!((ended.code, &ended.stdout[..]), (Some(0), &b"before and after"[..]));
}

#[test]
fn a_telnet_peer_is_answered_although_it_has_not_read_what_was_sent() {
    let peer = Peer::new();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = client::connect(&["--telnet", &peer.address]);
    command.stdin(Stdio::piped()).stdout(writer);
    let mut client = Client::spawn(command);
    let mut stdin = client.stdin();
    let writing = std::thread::spawn(move || stdin.write_all(&vec![b'y'; 24 << 20]).unwrap());
    let mut stream = peer.accept();
    std::thread::sleep(Duration::from_millis(300));
    assert!(!writing.is_finished(), "more was taken than the peer has room for");
    // Each asks for an answer (DO TIMING-MARK), and none is read before all is printed.
    let mut printed = [0; 1000];
    stream.write_all(&b"\xff\xfd\x06x".repeat(printed.len())).unwrap();
    read_in_time(&mut reader, &mut printed);
    assert_eq!(printed, [b'x'; 1000]);
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    writing.join().unwrap();
    assert_eq!(heard.iter().filter(|&&byte| byte == b'y').count(), 24 << 20);
    assert_eq!(heard.windows(3).filter(|window| window == b"\xff\xfc\x06").count(), printed.len());
    drop(stream);
    assert_eq!(client.end().code, Some(0));
}

#[test]
fn with_a_script_stdin_is_left_to_who_comes_next() {
    let server = Server::start(&["--listen", "127.0.0.1:0"]);
    let file = std::env::temp_dir().join(format!("switchboard-{}.loop", std::process::id()));
    fs::write(&file, "send-line hello\nexpect-line hello\n").unwrap();
    // A loop over lines, whose body must not eat them.
    let mut shell = std::process::Command::new("sh");
    let script = "while read -r address; do \"$0\" connect \"$address\" --expect \"$1\"; done";
    shell.args(["-c", script, env!("CARGO_BIN_EXE_switchboard")]).arg(&file);
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut client = Client::spawn(shell);
    client.stdin().write_all(format!("{0}\n{0}\n{0}\n", server.address).as_bytes()).unwrap();
    let ended = client.end();
    fs::remove_file(file).unwrap();
    assert_eq!((&ended.stdout[..], ended.stderr.as_str()), (&b"hello\r\n".repeat(3)[..], ""));
}

#[test]
fn line_ends_go_out_as_the_internet_wants_them() {
    let peer = Peer::new();
    let mut client = Client::start(&["--crlf", &peer.address]);
    client.stdin().write_all(b"GET /\nHost: a\r\n\n").unwrap();
    let stream = peer.accept();
    assert_ends_after(&stream, b"GET /\r\nHost: a\r\n\r\n");
    drop(stream);
    assert_eq!(client.end().code, Some(0));
}

#[test]
fn a_dump_shows_both_directions() {
    let peer = Peer::new();
    let mut client = Client::start(&["--hex", &peer.address]);
    client.stdin().write_all(b"ping\n").unwrap();
    let mut stream = peer.accept();
    assert_ends_after(&stream, b"ping\n");
    stream.write_all(b"pong\0").unwrap();
    drop(stream);
    let ended = client.end();
    let shown = String::from_utf8(ended.stdout).unwrap();
    let line = |arrow: char, bytes: &str, text: &str| format!("{arrow} 00000000  {bytes:<48}  |{text}|\n");
    let expected = [
        line('>', "70 69 6e 67 0a", "ping."),
        line('<', "70 6f 6e 67 00", "pong."),
        "> 00000005\n< 00000005\n".to_owned(),
    ];
    assert_eq!(shown, expected.concat());
}

#[test]
fn a_unix_socket_does_as_well_as_tcp() {
    let path = std::env::temp_dir().join(format!("switchboard-{}.modes", std::process::id()));
    let listener = UnixListener::bind(&path).unwrap();
    let mut client = Client::start(&[&format!("unix:{}", path.display())]);
    let (mut stream, _) = listener.accept().unwrap();
    fs::remove_file(&path).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    client.stdin().write_all(b"hello").unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "hello");
    stream.write_all(b"and back").unwrap();
    stream.shutdown(Shutdown::Both).unwrap();
    let ended = client.end();
    assert_eq!((ended.code, &ended.stdout[..]), (Some(0), &b"and back"[..]));
}

#[test]
fn how_it_went_is_told_in_words_and_in_json() {
    let server = Server::start(&["--listen", "127.0.0.1:0"]);
    let address = server.address.to_string();
    let ended = run(&["-v", &address], b"hello");
    assert!(
        ended.stderr.contains(&format!("INFO connected to {address} from 127.0.0.1:")),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("sent 5 bytes, received 5 in"), "{}", ended.stderr);
    let ended = run(&["--json", &address], b"hello");
    let told: Value = serde_json::from_str(&ended.stderr).unwrap();
    assert_eq!((&told["event"], &told["how"]), (&"ended".into(), &"finished".into()));
    assert_eq!((&told["sent"], &told["received"]), (&5.into(), &5.into()));
    assert!(told["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0));
}

/// Runs a script against a peer.
fn follow(address: &str, engine: &str, script: &str) -> Ended {
    let name = format!("switchboard-{}-{engine}.script", std::process::id());
    let file = std::env::temp_dir().join(format!("{name}-{:?}", std::thread::current().id()));
    fs::write(&file, script).unwrap();
    let ended = run(&[address, "--engine", engine, "--expect", file.to_str().unwrap()], b"");
    fs::remove_file(file).unwrap();
    ended
}

fn udp() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
