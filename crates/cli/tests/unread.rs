//! What becomes of `switchboard serve` when nobody reads what it writes: it serves, and hears its signals.
#![allow(dead_code, reason = "of the module `server` this uses a part")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside the runtime and has clocks and threads"
)]

mod server;

use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write, pipe};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, ChildStdout, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use server::{DEADLINE, assert_echoes, lonely_address, switchboard};

/// A server, ended with the test.
struct Deaf(Child);

impl Deaf {
    fn stop(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        let begun = Instant::now();
        while begun.elapsed() < DEADLINE {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("SIGTERM was not heard");
    }
}

impl Drop for Deaf {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A pipe that nobody reads, and that has no room any more.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = pipe().unwrap();
    let mut filler = writer.try_clone().unwrap();
    rustix::io::ioctl_fionbio(&filler, true).unwrap();
    while filler.write(&[b'x'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&filler, false).unwrap();
    (reader, writer)
}

fn port(stdout: ChildStdout) -> u16 {
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let address = line.split_whitespace().nth(2).unwrap_or_default();
    address.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("{line}"))
}

#[test]
fn with_a_log_that_nobody_reads_it_goes_on_serving_and_ends_well() {
    let (mut log, full) = full_pipe();
    let mut command = switchboard(&["serve", "--listen", "127.0.0.1:0", "-v", "--grace", "300ms"]);
    let mut server = Deaf(command.stdout(Stdio::piped()).stderr(full).spawn().unwrap());
    drop(command);
    let port = port(server.0.stdout.take().unwrap());
    for _ in 0..20 {
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        assert_echoes(&client, b"hello");
        client.shutdown(Shutdown::Both).unwrap();
    }
    assert_eq!(server.stop(), Some(0));
    let mut said = Vec::new();
    log.read_to_end(&mut said).unwrap();
    assert!(said.iter().all(|&byte| byte == b'x'), "there was no room for it");
}

#[test]
fn with_a_readiness_line_that_nobody_reads_it_serves() {
    let (_reader, full) = full_pipe();
    let address = lonely_address(77);
    let mut command = switchboard(&["serve", "--listen", &address.to_string()]);
    let server = Deaf(command.stdout(full).stderr(Stdio::null()).spawn().unwrap());
    drop(command);
    let begun = Instant::now();
    let client = loop {
        match TcpStream::connect(address) {
            Ok(client) => break client,
            Err(error) => assert!(begun.elapsed() < DEADLINE, "it does not listen: {error}"),
        }
        thread::sleep(Duration::from_millis(10));
    };
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    assert_echoes(&client, b"hello");
    drop(client);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn lines_that_found_no_room_are_counted_when_there_is_some_again() {
    let (mut log, full) = full_pipe();
    let mut command = switchboard(&["serve", "--listen", "127.0.0.1:0", "-v", "--grace", "300ms"]);
    let mut server = Deaf(command.stdout(Stdio::piped()).stderr(full).spawn().unwrap());
    drop(command);
    let port = port(server.0.stdout.take().unwrap());
    let echo = || {
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        assert_echoes(&client, b"hello");
    };
    echo();
    // Whoever reads makes room, for the lines that follow.
    let mut said = vec![0; 1 << 16];
    log.read_exact(&mut said).unwrap();
    echo();
    assert_eq!(server.stop(), Some(0));
    said.clear();
    log.read_to_end(&mut said).unwrap();
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("lines were left out here: nobody read them)"), "{said}");
    assert!(said.contains("ended; "), "the receipt: {said}");
}
