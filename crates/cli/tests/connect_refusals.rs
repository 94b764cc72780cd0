//! What hinders `switchboard connect`, and what it says then: one line, with what to do, and an exit code.
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside the runtime and has clocks and threads"
)]

mod client;
mod server;

use std::io::Write;
use std::net::Ipv6Addr;
use std::thread;
use std::time::{Duration, Instant};

use client::{Client, Ended, Peer, run, silent_port};
use rustix::process::Signal;
use server::ReservedPort;

#[test]
fn a_refused_port_is_told_with_what_to_do() {
    // On all addresses: localhost may have several.
    let reserved = ReservedPort::at(Ipv6Addr::UNSPECIFIED.into());
    let port = reserved.address().port().to_string();
    let nobody = format!("127.0.0.1:{port}");
    let said =
        format!("error: cannot connect to {nobody}: connection refused; is a server listening there?\n");
    assert_ended(&run(&[&nobody], b"hello"), 1, &said);
    assert_ended(&run(&["127.0.0.1", &port], b""), 1, &said);
    let ended = run(&["localhost", &port], b"");
    assert!(ended.stderr.starts_with(&format!("error: cannot connect to localhost:{port}: ")), "{ended:?}");
    assert!(ended.stderr.contains(&format!("127.0.0.1:{port}: connection refused")), "{ended:?}");
}

#[test]
fn a_host_that_is_none_is_told_with_what_to_do() {
    // Never a host, RFC 6761.
    let ended = run(&["nobody.invalid", "80"], b"");
    assert!(ended.stderr.starts_with("error: cannot find the host of nobody.invalid:80: "), "{ended:?}");
    assert!(ended.stderr.ends_with("; check its name, or give an IP address\n"), "{ended:?}");
    assert_eq!((ended.stderr.lines().count(), ended.code), (1, Some(1)));
}

#[test]
fn a_port_that_does_not_answer_is_given_up_in_time() {
    let (address, kept) = silent_port();
    let begun = Instant::now();
    let ended = run(&[&address.to_string(), "--timeout", "700ms"], b"");
    assert!(begun.elapsed() >= Duration::from_millis(700), "gave up after {:?}", begun.elapsed());
    let said = format!(
        "error: cannot connect to {address} within 700ms: no answer; is it up, and does no firewall drop this? \
         --timeout gives it more time\n"
    );
    assert_ended(&ended, 1, &said);

    // A person need not wait for it.
    let client = Client::start(&[&address.to_string()]);
    thread::sleep(Duration::from_millis(300));
    client.signal(Signal::INT);
    assert_ended(&client.end(), 130, "");
    drop(kept);
}

#[test]
fn unix_sockets_that_are_not_there_or_left_behind_are_told() {
    let ended = run(&["unix:/nowhere/at/all"], b"");
    let said = "error: cannot connect to unix:/nowhere/at/all: no such file or directory; is the server running, and \
                is this the path it listens on?\n";
    assert_ended(&ended, 1, said);

    let path = std::env::temp_dir().join(format!("switchboard-{}.left", std::process::id()));
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let ended = run(&[&format!("unix:{}", path.display())], b"");
    std::fs::remove_file(&path).unwrap();
    let said = format!(
        "error: cannot connect to unix:{}: connection refused; the server that made this socket has gone, start it again\n",
        path.display()
    );
    assert_ended(&ended, 1, &said);
}

#[test]
fn a_directory_on_stdin_is_told() {
    let peer = Peer::new();
    let mut command = client::connect(&[&peer.address]);
    command.stdin(std::fs::File::open(std::env::temp_dir()).unwrap());
    let client = Client::spawn(command);
    drop(peer.accept());
    assert_ended(&client.end(), 1, "error: cannot read stdin: is a directory\n");
}

#[test]
fn what_could_not_be_sent_is_told() {
    let peer = Peer::new();
    let mut client = Client::start(&[&peer.address, "--keep-open"]);
    let mut stdin = client.stdin();
    drop(peer.accept());
    // The peer has closed for good, which shows when something is sent to it.
    let writing = thread::spawn(move || while stdin.write_all(&[b'x'; 4096]).is_ok() {});
    let ended = client.end();
    writing.join().unwrap();
    let said = format!("error: cannot send all to {}: ", peer.address);
    assert!(ended.stderr.starts_with(&said) && ended.stderr.lines().count() == 1, "{ended:?}");
    assert_eq!(ended.code, Some(1));
}

#[test]
fn a_connection_over_which_nothing_goes_is_ended_if_asked_for() {
    let peer = Peer::new();
    let mut client = Client::start(&[&peer.address, "--idle-timeout", "600ms"]);
    let (stdin, mut stream) = (client.stdin(), peer.accept());
    for _ in 0..5 {
        thread::sleep(Duration::from_millis(200));
        stream.write_all(b".").unwrap();
    }
    assert!(client.is_running(), "it was not idle");
    let ended = client.end();
    let said = format!(
        "error: nothing has gone over the connection to {} for 600ms, as --idle-timeout has it\n",
        peer.address
    );
    assert_eq!(&ended.stdout[..], b".....");
    assert_ended(&ended, 3, &said);
    drop(stdin);
}

#[test]
fn signals_end_it_with_their_codes() {
    let peer = Peer::new();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut client = Client::start(&[&peer.address]);
        let (stdin, stream) = (client.stdin(), peer.accept());
        client.signal(signal);
        assert_ended(&client.end(), code, "");
        drop((stdin, stream));
    }
}

#[test]
fn wrong_use_is_one_line_that_names_the_right_help() {
    for (arguments, said) in [
        (
            "localhost",
            "cannot understand the address localhost: no port; give HOST:PORT, such as localhost:8000",
        ),
        ("localhost http", "cannot understand the address \"localhost http\": port \"http\" is no number;"),
        ("127.0.0.1 0", "cannot understand the address \"127.0.0.1 0\": nobody can listen on port 0;"),
        ("127.0.0.1 1 2", "unexpected value '2'"),
        ("127.0.0.1:1 --timeout 5", "--timeout 5: a duration without a unit;"),
        ("127.0.0.1:1 --timeout 0s", "--timeout 0s: nothing can be done in no time;"),
        ("127.0.0.1:1 --engine warp", "--engine warp: no such engine;"),
        ("127.0.0.1:1 --datagram 5", "the following required arguments were not provided: --udp"),
        ("127.0.0.1:1 --udp --datagram 70k", "--datagram 70k: give 1 to 65507"),
        (
            "unix:/nowhere --udp",
            "cannot send datagrams to unix:/nowhere: it is a Unix socket; give HOST PORT,",
        ),
        ("127.0.0.1:1 --udp --telnet", "the argument '--udp' cannot be used with '--telnet'"),
        ("127.0.0.1:1 --expect /nowhere", "--expect /nowhere: cannot be read: no such file or directory;"),
        ("127.0.0.1:1 --tmeout 5s", "unexpected argument '--tmeout' found; did you mean --timeout?"),
    ] {
        let ended = run(&arguments.split(' ').collect::<Vec<_>>(), b"");
        assert!(ended.stderr.starts_with(&format!("error: {said}")), "{arguments}: {}", ended.stderr);
        assert_eq!((ended.code, ended.stderr.lines().count()), (Some(2), 1), "{arguments}");
    }
    let script = std::env::temp_dir().join(format!("switchboard-{}.no-time", std::process::id()));
    std::fs::write(&script, "within 0s\nexpect x\n").unwrap();
    let ended = run(&["127.0.0.1:1", "--expect", script.to_str().unwrap()], b"");
    std::fs::remove_file(&script).unwrap();
    let said = format!(
        "error: --expect {}: line 1: within 0s: nothing can come in no time; give more\n",
        script.display()
    );
    assert_ended(&ended, 2, &said);
    let ended = run(&[], b"");
    assert!(ended.stderr.ends_with("; see `switchboard connect --help`\n"), "{}", ended.stderr);
}

fn assert_ended(ended: &Ended, code: i32, said: &str) {
    assert_eq!((ended.stderr.as_str(), ended.code), (said, Some(code)));
}
