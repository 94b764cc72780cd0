//! Every example, run as a reader would run it, and talked to over a real socket.
//!
//! `cargo test` builds the examples; `cargo test --test examples` alone does not, and runs what was built before.
#![allow(clippy::disallowed_methods, reason = "tests use threads and the real clock")]

#[path = "rig/reserved.rs"]
mod reserved;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::spawn;
use std::time::Duration;

use reserved::ReservedPort;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

/// An example, and what it prints. It is killed when this is dropped.
struct Example {
    child: Child,
    lines: Receiver<String>,
}

/// An example that serves.
struct Server {
    example: Example,
    address: String,
}

impl Example {
    fn start(name: &str, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(example(name));
        command.envs(environment.iter().copied());
        Self::run(name, command)
    }

    fn run(name: &str, mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run the example {name}: {error}"));
        let stdout = BufReader::new(child.stdout.take().expect("it was piped"));
        let (sender, lines) = channel();
        spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line, in time")
    }

    /// All it prints until it ends, which must be in good order.
    fn rest(mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it has not ended; it printed {lines:?}"),
            }
        }
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}; it printed {lines:?}");
        lines
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Server {
    fn start(name: &str, environment: &[(&str, &str)]) -> Self {
        let example = Example::start(name, environment);
        let line = example.line();
        let address = line.strip_prefix("listening on ").expect("the readiness line");
        let address = address.split(' ').next().expect("the address").to_owned();
        Self { example, address }
    }

    fn connect(&self) -> TcpStream {
        patient(TcpStream::connect(&self.address).unwrap())
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.example.child)
    }

    /// Asks it to end: what it prints then.
    fn end(self) -> Vec<String> {
        kill_process(self.pid(), Signal::TERM).unwrap();
        self.example.rest()
    }
}

/// With a limit to what it waits for.
fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(|deps| deps.parent()).expect("target/debug/deps");
    target.join("examples").join(name)
}

/// Sends and receives at once, half-closes, and gets everything back before the end.
fn echoes(server: &Server) {
    let sent: Vec<u8> = (0..2_000_000_u32).map(|at| (at * 31 + at / 251) as u8).collect();
    let mut stream = server.connect();
    let mut writer = stream.try_clone().unwrap();
    let to_send = sent.clone();
    let thread = spawn(move || {
        writer.write_all(&to_send).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut echoed = Vec::new();
    stream.read_to_end(&mut echoed).unwrap();
    thread.join().unwrap();
    assert!(echoed == sent, "{} of {} bytes came back", echoed.len(), sent.len());
}

#[test]
fn callbacks_echoes() {
    let server = Server::start("callbacks", &[]);
    echoes(&server);
    echoes(&server);
}

#[test]
fn selector_echoes_on_every_mechanism() {
    for mechanism in ["epoll", "poll", "select"] {
        let server = Server::start("selector", &[("SELECTOR", mechanism)]);
        echoes(&server);
        echoes(&server);
    }
}

/// More clients than descriptors: those who wait are served when others leave.
#[test]
fn selector_serves_those_who_waited_for_a_descriptor() {
    for mechanism in ["epoll", "poll", "select"] {
        let server = Server::start("selector", &[("SELECTOR", mechanism)]);
        let limit = Rlimit { current: Some(10), maximum: Some(10) };
        prlimit(Some(server.pid()), Resource::Nofile, limit).unwrap();
        for round in 0..3 {
            let clients: Vec<_> = (0..20).map(|_| server.connect()).collect();
            for mut client in clients {
                client.write_all(b"hello").unwrap();
                let mut echoed = [0; 5];
                client.read_exact(&mut echoed).unwrap_or_else(|error| panic!("{mechanism} {round}: {error}"));
            }
        }
    }
}

#[test]
fn echo_echoes_and_ends_with_a_receipt() {
    let server = Server::start("echo", &[]);
    echoes(&server);
    echoes(&server);
    let sums = "2 accepted: 2 finished, 0 failed, 0 cancelled; at most 1 at once; ";
    let bytes = "4000000 bytes received, 4000000 sent";
    assert_eq!(server.end(), [format!("{sums}{bytes}")]);
}

/// The README and the front page of the documentation show the example itself.
#[test]
fn what_the_readme_shows_is_the_example_echo() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let example = read("examples/echo.rs");
    let code = example.lines().skip_while(|line| line.starts_with("//!") || line.is_empty());
    let code: Vec<_> = code.collect();

    let readme = read("README.md");
    let shown = readme.lines().skip_while(|line| !line.starts_with("```rust")).skip(1);
    let shown: Vec<_> = shown.take_while(|line| *line != "```").collect();
    assert_eq!(shown, code, "the README shows other code than examples/echo.rs");

    let front = read("crates/switchboard/src/lib.rs");
    let shown = front.lines().filter_map(|line| line.strip_prefix("//!"));
    let shown = shown.map(|line| line.strip_prefix(' ').unwrap_or(line));
    let shown = shown.skip_while(|line| !line.starts_with("```")).skip(1);
    // Lines that the documentation does not show are those that end the server.
    let shown = shown.take_while(|line| *line != "```").filter(|line| !line.starts_with("# "));
    assert_eq!(shown.collect::<Vec<_>>(), code, "lib.rs shows other code than examples/echo.rs");
}

/// Reads one line, without what ends it.
fn line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    assert_eq!(line.pop(), Some('\n'), "the stream ended after {line:?}");
    line
}

/// Somebody in the chat: what they read, and what they are called.
fn chatter(server: &Server) -> (BufReader<TcpStream>, String) {
    let stream = server.connect();
    let name = stream.local_addr().unwrap().to_string();
    (BufReader::new(stream), name)
}

#[test]
fn chat_tells_all_others_what_one_says_and_who_comes_and_goes() {
    let server = Server::start("chat", &[]);
    let (mut ann, _) = chatter(&server);
    let (mut bob, bob_name) = chatter(&server);
    assert_eq!(line(&mut ann), format!("* {bob_name} is here"));
    let (mut cid, cid_name) = chatter(&server);
    assert_eq!(line(&mut ann), format!("* {cid_name} is here"));
    assert_eq!(line(&mut bob), format!("* {cid_name} is here"));

    // Cut wherever it is, a line is a line; and nobody hears themselves.
    bob.get_mut().write_all("gr\u{fc}\u{df}".as_bytes()).unwrap();
    cid.get_mut().write_all(b"first\r\n").unwrap();
    assert_eq!(line(&mut ann), format!("{cid_name}: first"));
    assert_eq!(line(&mut bob), format!("{cid_name}: first"));
    bob.get_mut().write_all(" euch\nand all\n".as_bytes()).unwrap();
    for other in [&mut ann, &mut cid] {
        assert_eq!(line(other), format!("{bob_name}: gr\u{fc}\u{df} euch"));
        assert_eq!(line(other), format!("{bob_name}: and all"));
    }

    drop(bob);
    assert_eq!(line(&mut ann), format!("* {bob_name} has left"));
    assert_eq!(line(&mut cid), format!("* {bob_name} has left"));

    // At the end of the server nobody has to be waited for.
    let printed = server.end();
    assert!(printed[0].starts_with("3 accepted: 3 finished, 0 failed, 0 cancelled; "), "{printed:?}");
    assert_eq!(ann.read(&mut [0]).unwrap(), 0);
}

#[test]
fn chat_drops_who_reads_too_slowly_and_nobody_waits_for_them() {
    let server = Server::start("chat", &[]);
    let (mut ann, _) = chatter(&server);
    let (slow, slow_name) = chatter(&server);
    assert_eq!(line(&mut ann), format!("* {slow_name} is here"));
    let (mut bob, bob_name) = chatter(&server);
    assert_eq!(line(&mut ann), format!("* {bob_name} is here"));

    let said = "x".repeat(1000);
    let batch = format!("{said}\n").repeat(BATCH);
    let mut heard = 0;
    'chat: for batches in 1.. {
        assert!(
            batches * batch.len() < 32 << 20,
            "the slow one is still there, and so is all they were told"
        );
        bob.get_mut().write_all(batch.as_bytes()).unwrap();
        // Ann keeps up with Bob; that somebody does not read is nothing to her.
        while heard < batches * BATCH {
            match line(&mut ann) {
                line if line == format!("* {slow_name} has left") => break 'chat,
                line => assert_eq!(line, format!("{bob_name}: {said}")),
            }
            heard += 1;
        }
    }
    drop(slow);
}

#[test]
fn chat_drops_nobody_for_many_lines_that_come_at_once() {
    let server = Server::start("chat", &[]);
    let (mut ann, _) = chatter(&server);
    let (mut bob, bob_name) = chatter(&server);
    assert_eq!(line(&mut ann), format!("* {bob_name} is here"));
    let many = 3000; // more than a queue has room for
    bob.get_mut().write_all("x\n".repeat(many).as_bytes()).unwrap();
    for _ in 0..many {
        assert_eq!(line(&mut ann), format!("{bob_name}: x"));
    }
}

#[test]
fn client_connects_sends_all_receives_it_back_and_closes() {
    let server = Server::start("echo", &[]);
    // More than one send and one receive take, and the most that one argument holds.
    let message = "0123456789abcdef".repeat(6000);
    for message in ["Hello, server!", &message] {
        let printed = client(&server.address, message).rest();
        let (connected, length) = (format!("connected to {}", server.address), message.len() + 2);
        assert_eq!(printed, [&connected, message, &format!("closed after {length} bytes")]);
    }
}

#[test]
fn client_says_so_when_the_server_ends_early_and_when_nobody_listens() {
    let port = ReservedPort::new();
    let listener = TcpListener::bind(port.address()).unwrap();
    let address = port.address().to_string();
    let early = client(&address, "Hello");
    let mut server = patient(listener.accept().unwrap().0);
    drop(listener);
    server.read_exact(&mut [0; 7]).unwrap();
    drop(server);
    assert_eq!(early.rest().last().unwrap(), "closed after 0 bytes");

    let refused = Command::new(example("client")).arg(&address).output().unwrap();
    assert!(!refused.status.success() && refused.stdout.is_empty(), "{refused:?}");
    assert!(String::from_utf8(refused.stderr).unwrap().contains("ConnectionRefused"));
}

/// The example `client`, under way.
fn client(address: &str, message: &str) -> Example {
    let mut command = Command::new(example("client"));
    command.args([address, message]);
    Example::run("client", command)
}

#[test]
fn proxy_passes_on_megabytes_and_their_end() {
    let upstream = Server::start("echo", &[]);
    let proxy = Server::start("proxy", &[("UPSTREAM", &upstream.address)]);
    echoes(&proxy);
    echoes(&proxy);
    let printed = proxy.end();
    assert!(printed[0].starts_with("2 accepted: 2 finished, 0 failed, 0 cancelled; "), "{printed:?}");
}

/// A proxy, somebody who came through it, and the same connection at the other end.
fn through_a_proxy() -> (Server, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let proxy = Server::start("proxy", &[("UPSTREAM", &address)]);
    let client = proxy.connect();
    let (upstream, _) = listener.accept().unwrap();
    (proxy, client, patient(upstream))
}

#[test]
fn proxy_passes_an_end_on_while_the_other_direction_goes_on() {
    for client_is_first in [true, false] {
        let (_proxy, client, upstream) = through_a_proxy();
        let (mut first, mut second) = if client_is_first { (client, upstream) } else { (upstream, client) };
        let mut all = String::new();
        first.write_all(b"all I have to say").unwrap();
        first.shutdown(Shutdown::Write).unwrap();
        second.read_to_string(&mut all).unwrap();
        assert_eq!(all, "all I have to say");

        all.clear();
        second.write_all(b"an answer").unwrap();
        drop(second);
        first.read_to_string(&mut all).unwrap();
        assert_eq!(all, "an answer");
    }
}

#[test]
fn proxy_breaks_off_what_was_broken_off() {
    for client_is_first in [true, false] {
        let (_proxy, client, upstream) = through_a_proxy();
        let (mut first, mut second) = if client_is_first { (client, upstream) } else { (upstream, client) };
        first.write_all(b"half").unwrap();
        let mut half = [0; 4];
        second.read_exact(&mut half).unwrap();
        rustix::net::sockopt::set_socket_linger(&first, Some(Duration::ZERO)).unwrap();
        drop(first); // so closed, it resets
        assert_eq!(second.read(&mut half).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}

#[test]
fn proxy_breaks_off_whom_it_can_connect_to_nobody() {
    let nobody = ReservedPort::new();
    let proxy = Server::start("proxy", &[("UPSTREAM", &nobody.address().to_string())]);
    let error = proxy.connect().read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn udp_echoes_whole_datagrams_and_no_parts() {
    let server = Server::start("udp", &[]);
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.connect(&server.address).unwrap();
    let mut echoed = [0; 4096];
    for length in [5, 0, 1, 2048, 2049, 7] {
        let sent: Vec<u8> = (0..length).map(|at| at as u8).collect();
        client.send(&sent).unwrap();
        if length <= 2048 {
            let count = client.recv(&mut echoed).unwrap();
            assert!(echoed[..count] == sent, "{count} bytes of {length}");
        }
    }
    assert!(server.end().is_empty());
}

#[test]
fn channels_does_each_job_once() {
    let mut printed = Example::start("channels", &[]).rest();
    assert_eq!(printed.pop().as_deref(), Some("all is done"));
    let jobs = printed.iter().map(|line| line.rsplit(' ').next().expect("a number"));
    let mut jobs: Vec<_> = jobs.collect();
    jobs.sort_unstable();
    assert_eq!(jobs, ["1", "2", "3", "4", "5", "6"], "{printed:?}");
    for name in ["Ann did job ", "Bob did job "] {
        assert!(printed.iter().any(|line| line.starts_with(name)), "{printed:?}");
    }
}

/// How many lines are said in the chat before they are waited for.
const BATCH: usize = 256;

/// How long a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);
