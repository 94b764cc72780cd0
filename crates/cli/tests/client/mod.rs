//! A real `switchboard connect`, and what its peer does by hand, with a deadline on everything.
//!
//! The process is ended by its own id when its [`Client`] goes out of scope, whatever became of the test.

#![allow(dead_code, reason = "each suite uses its own part of it")]

pub(crate) mod terminal;

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fs, mem};

use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, SockRef, Socket, Type};
use switchboard_selector::{Interest, ready};

use crate::server::{DEADLINE, switchboard};

/// A client under way.
pub(crate) struct Client {
    pub(crate) child: Child,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Client {
    /// With pipes on all sides, stdout read as it comes.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = connect(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Self::spawn(command)
    }

    /// With stdin and stdout as the command has them; what is piped of stdout and stderr is read as it comes.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the client can be started");
        let stdout = child.stdout.take().map(read_all);
        let stderr = child.stderr.take().map(read_all);
        Self { child, stdout, stderr }
    }

    pub(crate) fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("stdin is piped")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the client runs");
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let code = end_of(&mut self.child);
        let all = |thread: Option<JoinHandle<Vec<u8>>>| thread.map(|thread| thread.join().unwrap());
        let stdout = all(self.stdout.take()).unwrap_or_default();
        let stderr = String::from_utf8(all(self.stderr.take()).unwrap_or_default()).unwrap();
        assert!(!stderr.contains("panicked"), "{stderr}");
        Ended { code, stdout, stderr }
    }

    /// Resident memory, bytes. `None` where the system does not tell.
    pub(crate) fn memory(&self) -> Option<usize> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<usize>().ok()? << 10)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The exit code of a process; a signal that ended it is a failure.
pub(crate) fn end_of(child: &mut Child) -> Option<i32> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        match child.try_wait().unwrap() {
            Some(status) => return status.code(),
            None => assert!(Instant::now() < deadline, "the client does not end"),
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// The command, with nothing on stdin, and its stderr piped.
pub(crate) fn connect(arguments: &[&str]) -> Command {
    switchboard(&[&["connect"], arguments].concat())
}

/// Runs it to its end with this on stdin.
pub(crate) fn run(arguments: &[&str], input: &[u8]) -> Ended {
    let mut client = Client::start(arguments);
    let (mut stdin, input) = (client.stdin(), input.to_vec());
    // It may end without having read it all.
    let writing = thread::spawn(move || io::Write::write_all(&mut stdin, &input).ok());
    let ended = client.end();
    writing.join().unwrap();
    ended
}

/// A peer that is about to accept.
pub(crate) struct Peer {
    listener: TcpListener,
    pub(crate) address: String,
}

impl Peer {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        Self { listener, address }
    }

    pub(crate) fn accept(&self) -> TcpStream {
        self.listener.set_nonblocking(true).unwrap();
        let deadline = Instant::now() + DEADLINE;
        let stream = loop {
            match self.listener.accept() {
                Ok((stream, _)) => break stream,
                Err(error) => assert!(Instant::now() < deadline, "nobody connects: {error}"),
            }
            thread::sleep(Duration::from_millis(1));
        };
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream
    }
}

/// Breaks a connection off.
pub(crate) fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// A port that answers nothing: its queue is full, and so packets are dropped. With what fills it.
pub(crate) fn silent_port() -> (SocketAddr, Vec<Socket>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut kept = vec![listener];
    for _ in 0..4 {
        let filler = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        filler.set_nonblocking(true).unwrap();
        filler.connect(&address).ok();
        kept.push(filler);
    }
    (address.as_socket().unwrap(), kept)
}

/// Fills a slice from what has no deadline of its own, such as a pipe.
pub(crate) fn read_in_time(from: &mut (impl Read + AsFd), into: &mut [u8]) {
    let mut filled = 0;
    while filled < into.len() {
        let ready = ready(from.as_fd(), Interest::READ, Some(DEADLINE)).unwrap();
        assert!(!ready.is_empty(), "only {filled} bytes of {} came", into.len());
        let count = from.read(&mut into[filled..]).unwrap();
        assert!(count > 0, "it ended after {filled} bytes of {}", into.len());
        filled += count;
    }
}

fn read_all(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).ok();
        mem::take(&mut bytes)
    })
}
