//! `switchboard connect` as its users pipe through it: nothing is lost, whoever ends first and however slow they are.
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside the runtime and has clocks and threads"
)]

mod client;
mod server;

use std::fs::{File, remove_file};
use std::io::{Read, Write, pipe};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use client::{Client, Peer, connect, read_in_time, reset, run};
use rustix::fs::{OFlags, fcntl_getfl};
use server::{Server, assert_ends_after, on_every_engine, pattern};

on_every_engine!(
    megabytes_go_both_ways_at_once_and_none_is_changed,
    a_regular_file_goes_both_ways,
    when_stdin_ends_the_peer_is_told_and_what_it_still_sends_is_printed,
    when_the_peer_ends_first_a_file_is_still_sent_to_its_end,
    when_the_peer_ends_first_what_a_pipe_holds_is_sent_and_a_silent_pipe_is_not_waited_for,
    when_the_peer_ends_first_and_the_connection_is_kept_a_silent_pipe_is_waited_for,
    a_peer_that_reads_slowly_gets_everything_in_bounded_memory,
    a_stdout_that_nobody_reads_stops_the_peer_and_nothing_is_lost,
    inherited_descriptors_stay_as_they_are,
    a_reader_of_stdout_that_has_gone_ends_it_well_and_at_once,
);

fn megabytes_go_both_ways_at_once_and_none_is_changed(engine: &str) {
    let server = Server::on(engine);
    let bytes = pattern(1, 8 << 20);
    let ended = run(&[&server.address.to_string(), "--engine", engine], &bytes);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(ended.stdout == bytes, "{} bytes came back of {}, or others", ended.stdout.len(), bytes.len());
}

fn a_regular_file_goes_both_ways(engine: &str) {
    let server = Server::on(engine);
    let bytes = pattern(2, (4 << 20) + 1);
    let name = std::env::temp_dir().join(format!("switchboard-{}-{engine}", std::process::id()));
    let (from, to) = (name.with_extension("from"), name.with_extension("to"));
    File::create(&from).unwrap().write_all(&bytes).unwrap();
    let mut command = connect(&[&server.address.to_string(), "--engine", engine]);
    command.stdin(File::open(&from).unwrap()).stdout(File::create(&to).unwrap());
    let ended = Client::spawn(command).end();
    let came = std::fs::read(&to).unwrap();
    remove_file(from).unwrap();
    remove_file(to).unwrap();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(came == bytes);
}

fn when_stdin_ends_the_peer_is_told_and_what_it_still_sends_is_printed(engine: &str) {
    let peer = Peer::new();
    let mut client = Client::start(&[&peer.address, "--engine", engine]);
    let mut stream = peer.accept();
    client.stdin().write_all(b"question").unwrap();
    assert_ends_after(&stream, b"question");
    assert!(client.is_running(), "it goes on until the peer ends");
    let answer = pattern(3, 3 << 20);
    stream.write_all(&answer).unwrap();
    drop(stream);
    let ended = client.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout == answer);
}

fn when_the_peer_ends_first_a_file_is_still_sent_to_its_end(engine: &str) {
    let peer = Peer::new();
    let bytes = pattern(4, 6 << 20);
    let name = std::env::temp_dir().join(format!("switchboard-{}-{engine}.first", std::process::id()));
    File::create(&name).unwrap().write_all(&bytes).unwrap();
    let mut command = connect(&[&peer.address, "--engine", engine]);
    command.stdin(File::open(&name).unwrap()).stdout(Stdio::piped());
    let client = Client::spawn(command);
    remove_file(name).unwrap();
    let stream = peer.accept();
    stream.shutdown(Shutdown::Write).unwrap();
    // Late enough that a client that ends with its peer would be gone.
    thread::sleep(Duration::from_millis(1500));
    assert_ends_after(&stream, &bytes);
    assert_eq!(client.end().code, Some(0));
}

fn when_the_peer_ends_first_what_a_pipe_holds_is_sent_and_a_silent_pipe_is_not_waited_for(engine: &str) {
    let peer = Peer::new();
    let mut client = Client::start(&[&peer.address, "--engine", engine]);
    let mut stdin = client.stdin();
    let mut stream = peer.accept();
    stream.write_all(b"bye").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let begun = Instant::now();
    // The end has come by now, and the pipe has not been silent for a second.
    thread::sleep(Duration::from_millis(300));
    stdin.write_all(b"what was to be said").unwrap();
    assert_ends_after(&stream, b"what was to be said");
    let ended = client.end();
    assert!(begun.elapsed() < Duration::from_secs(8), "took {:?}", begun.elapsed());
    assert_eq!((ended.code, &ended.stdout[..], ended.stderr.as_str()), (Some(0), &b"bye"[..], ""));
}

fn when_the_peer_ends_first_and_the_connection_is_kept_a_silent_pipe_is_waited_for(engine: &str) {
    let peer = Peer::new();
    let mut client = Client::start(&[&peer.address, "--engine", engine, "--keep-open"]);
    let mut stdin = client.stdin();
    let stream = peer.accept();
    stream.shutdown(Shutdown::Write).unwrap();
    thread::sleep(Duration::from_millis(2500));
    stdin.write_all(b"late").unwrap();
    drop(stdin);
    assert_ends_after(&stream, b"late");
    assert_eq!(client.end().code, Some(0));
}

fn a_peer_that_reads_slowly_gets_everything_in_bounded_memory(engine: &str) {
    let peer = Peer::new();
    let mut client = Client::start(&[&peer.address, "--engine", engine]);
    let mut stream = peer.accept();
    let bytes = pattern(5, 24 << 20);
    let (mut stdin, sent) = (client.stdin(), bytes.clone());
    let writing = thread::spawn(move || stdin.write_all(&sent).unwrap());
    let mut came = vec![0; 1 << 20];
    stream.read_exact(&mut came).unwrap();
    thread::sleep(Duration::from_millis(500));
    assert!(!writing.is_finished(), "more was taken than the peer has room for");
    assert!(client.memory().is_none_or(|memory| memory < MODEST), "{:?}", client.memory());
    stream.read_to_end(&mut came).unwrap();
    assert!(came == bytes);
    writing.join().unwrap();
    drop(stream);
    assert_eq!(client.end().code, Some(0));
}

fn a_stdout_that_nobody_reads_stops_the_peer_and_nothing_is_lost(engine: &str) {
    let peer = Peer::new();
    let (mut reader, writer) = pipe().unwrap();
    let mut command = connect(&[&peer.address, "--engine", engine]);
    command.stdin(Stdio::piped()).stdout(writer);
    let mut client = Client::spawn(command);
    let mut stdin = client.stdin();
    // It stops for want of a reader, and says so itself if it takes more than any buffers hold.
    let (mut stream, sent) = server::fill(peer.accept());
    assert!(client.memory().is_none_or(|memory| memory < MODEST), "{:?}", client.memory());
    // Meanwhile the other direction is not held up.
    stdin.write_all(b"still here").unwrap();
    let mut heard = [0; 10];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"still here");
    let reading = thread::spawn(move || {
        let mut came = Vec::new();
        reader.read_to_end(&mut came).unwrap();
        came
    });
    stream.shutdown(Shutdown::Write).unwrap();
    drop(stdin);
    assert_eq!(client.end().code, Some(0));
    assert!(reading.join().unwrap() == sent);
}

fn inherited_descriptors_stay_as_they_are(engine: &str) {
    let server = Server::on(engine);
    let address = server.address.to_string();
    let (input_reader, mut input) = pipe().unwrap();
    let (mut output, output_writer) = pipe().unwrap();
    let pipes = (input_reader.try_clone().unwrap().into(), output_writer.try_clone().unwrap().into());
    let (ours, theirs) = UnixStream::pair().unwrap();
    let sockets = (theirs.try_clone().unwrap().into(), theirs.try_clone().unwrap().into());
    drop((input_reader, output_writer, theirs));
    let mut ours_too = ours.try_clone().unwrap();

    let arguments = [address.as_str(), "--engine", engine];
    assert_stay_as_they_are(&arguments, &pipes, &mut input, &mut output);
    assert_stay_as_they_are(&arguments, &sockets, &mut &ours, &mut ours_too);
}

/// That what a client shares with others never changes, while it talks to an echo.
fn assert_stay_as_they_are(
    arguments: &[&str],
    shared: &(OwnedFd, OwnedFd),
    write: &mut impl Write,
    read: &mut (impl Read + AsFd),
) {
    let flags = |descriptor: &OwnedFd| fcntl_getfl(descriptor).unwrap();
    let before = (flags(&shared.0), flags(&shared.1));
    let mut command = connect(arguments);
    command.stdin(shared.0.try_clone().unwrap()).stdout(shared.1.try_clone().unwrap());
    let client = Client::spawn(command);
    let mut heard = [0; 5];
    for _ in 0..3 {
        write.write_all(b"hello").unwrap();
        read_in_time(read, &mut heard);
        let during = (flags(&shared.0), flags(&shared.1));
        assert!(!(during.0 | during.1).contains(OFlags::NONBLOCK), "{during:?}");
        assert_eq!(during, before);
    }
    client.signal(rustix::process::Signal::TERM);
    assert_eq!(client.end().code, Some(143));
    assert_eq!((flags(&shared.0), flags(&shared.1)), before);
}

fn a_reader_of_stdout_that_has_gone_ends_it_well_and_at_once(engine: &str) {
    let peer = Peer::new();
    let (reader, writer) = pipe().unwrap();
    let mut command = connect(&[&peer.address, "--engine", engine]);
    command.stdin(Stdio::piped()).stdout(writer);
    let mut client = Client::spawn(command);
    let stdin = client.stdin();
    let stream = peer.accept();
    // Neither side says a word: it must be heard of all the same.
    drop(reader);
    let ended = client.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    drop((stdin, stream));
}

#[test]
fn a_closed_stdin_and_one_that_is_empty_end_our_side_at_once() {
    let peer = Peer::new();
    for script in ["exec \"$0\" connect \"$1\" <&-", "exec \"$0\" connect \"$1\" </dev/null"] {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", script, env!("CARGO_BIN_EXE_switchboard"), &peer.address]);
        shell.stdout(Stdio::piped()).stderr(Stdio::piped());
        let client = Client::spawn(shell);
        let mut stream = peer.accept();
        assert_ends_after(&stream, b"");
        stream.write_all(b"hello").unwrap();
        drop(stream);
        let ended = client.end();
        assert_eq!((ended.code, &ended.stdout[..], ended.stderr.as_str()), (Some(0), &b"hello"[..], ""));
    }
}

#[test]
fn a_full_stdout_is_told() {
    let Ok(full) = File::options().write(true).open("/dev/full") else {
        return eprintln!("skipped: this system has no /dev/full");
    };
    let peer = Peer::new();
    let mut command = connect(&[&peer.address]);
    command.stdin(Stdio::piped()).stdout(full);
    let client = Client::spawn(command);
    peer.accept().write_all(b"hello").unwrap();
    let ended = client.end();
    let said = "error: cannot write on stdout: no space left on device\n";
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), said));
}

#[test]
fn a_signal_ends_it_although_nobody_reads_its_stdout() {
    let peer = Peer::new();
    let (reader, writer) = pipe().unwrap();
    let mut command = connect(&[&peer.address]);
    command.stdin(Stdio::piped()).stdout(writer);
    let client = Client::spawn(command);
    let stream = server::fill(peer.accept());
    client.signal(rustix::process::Signal::TERM);
    assert_eq!(client.end().code, Some(143));
    drop((stream, reader));
}

#[test]
fn a_connection_that_breaks_is_told_after_what_came_before() {
    let peer = Peer::new();
    let mut client = Client::start(&[&peer.address]);
    let stdin = client.stdin();
    let mut stream = peer.accept();
    stream.write_all(b"half of").unwrap();
    thread::sleep(Duration::from_millis(200));
    reset(stream);
    let ended = client.end();
    drop(stdin);
    let said = format!("error: the connection to {} broke: connection reset by peer\n", peer.address);
    assert_eq!((ended.code, &ended.stdout[..], ended.stderr), (Some(1), &b"half of"[..], said));
}

/// More than the command itself takes, and its queues; less than what goes through it.
const MODEST: usize = 20 << 20;
