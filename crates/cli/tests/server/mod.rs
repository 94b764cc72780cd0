//! A real server process and its clients, with a deadline on everything.
//!
//! The process is ended by its own id when its [`Server`] goes out of scope, whatever became of the test. An
//! engine this system lacks is skipped, and said to be; `SWITCHBOARD_REQUIRE=epoll,poll` makes that a failure.

#![allow(dead_code, reason = "each suite uses its own part of it")]
#![allow(unused_imports, unused_macros, reason = "each suite uses its own part of it")]

#[path = "../../../switchboard/tests/rig/reserved.rs"]
mod reserved;

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use serde_json::Value;
use switchboard::Mechanism;

/// Makes one test per engine of each body.
macro_rules! on_every_engine {
    ($($body:ident),+ $(,)?) => {
        mod uring { $(#[test] fn $body() { crate::server::run("uring", super::$body); })+ }
        mod epoll { $(#[test] fn $body() { crate::server::run("epoll", super::$body); })+ }
        mod poll { $(#[test] fn $body() { crate::server::run("poll", super::$body); })+ }
        mod select { $(#[test] fn $body() { crate::server::run("select", super::$body); })+ }
    };
}

pub(crate) use on_every_engine;
pub(crate) use reserved::ReservedPort;

/// Runs a body on an engine, if there is one.
pub(crate) fn run(engine: &str, body: impl FnOnce(&str)) {
    if engine.parse::<Mechanism>().unwrap().is_available() {
        return body(engine);
    }
    let required = env::var("SWITCHBOARD_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|name| name == engine), "{engine} is required, and not here");
    eprintln!("skipped: this system has no {engine}");
}

/// A server that is ready.
pub(crate) struct Server {
    child: Child,
    /// The readiness line; empty if stdout is not ours to read.
    pub(crate) ready: String,
    pub(crate) address: SocketAddr,
    stdout: Lines,
    stderr: Lines,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    /// After the readiness line.
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The lines of a pipe, read on a thread of their own so that the writer never waits for us.
struct Lines(Receiver<String>);

impl Server {
    /// On a free port, on this engine, with a short grace period.
    pub(crate) fn on(engine: &str) -> Self {
        Self::with(engine, &[])
    }

    /// The same, with more arguments.
    pub(crate) fn with(engine: &str, arguments: &[&str]) -> Self {
        let grace: &[_] = if arguments.contains(&"--grace") { &[] } else { &["--grace", "500ms"] };
        Self::start(&[&["--listen", "127.0.0.1:0", "--engine", engine], grace, arguments].concat())
    }

    /// With these arguments, `--json` not among them.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = switchboard(&["serve"]);
        command.args(arguments);
        Self::start_as(command)
    }

    /// By a command of its own, `--json` not in it.
    pub(crate) fn start_as(mut command: Command) -> Self {
        command.stdout(Stdio::piped());
        let mut server = Self::spawn(command, SocketAddr::from(([127, 0, 0, 1], 0)));
        server.ready = server.stdout.next().expect("a server says when it is ready");
        let after = server.ready.strip_prefix("listening on ").expect("says where it listens");
        // That of a Unix socket is known to who chose it.
        if let Ok(address) = after.split(' ').next().unwrap().parse() {
            server.address = address;
        }
        server
    }

    /// On a free port, on this engine, with `--json` and more arguments.
    pub(crate) fn start_json(engine: &str, arguments: &[&str]) -> Self {
        Self::start_telling_json(&[&["--listen", "127.0.0.1:0", "--engine", engine], arguments].concat())
    }

    /// With `--json` and these arguments, the first of which make it listen on an IP address.
    pub(crate) fn start_telling_json(arguments: &[&str]) -> Self {
        let mut command = switchboard(&["serve", "--json"]);
        command.args(arguments).stdout(Stdio::piped());
        let mut server = Self::spawn(command, SocketAddr::from(([127, 0, 0, 1], 0)));
        server.ready = server.stdout.next().expect("a server says when it is ready");
        let ready: Value = serde_json::from_str(&server.ready).expect("says it in JSON");
        let port = ready["port"].as_u64().expect("says its port");
        server.address.set_port(port.try_into().unwrap());
        server
    }

    /// With stdout and arguments as the command has them, which make it listen at this address.
    pub(crate) fn spawn(mut command: Command, address: SocketAddr) -> Self {
        let mut child = command.spawn().expect("the server can be started");
        let stdout = Lines::of(child.stdout.take());
        let stderr = Lines::of(child.stderr.take());
        Self { child, ready: String::new(), address, stdout, stderr }
    }

    /// A client, whose every step has a deadline.
    pub(crate) fn connect(&self) -> TcpStream {
        let client = TcpStream::connect_timeout(&self.address, DEADLINE).expect("the server accepts");
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        client.set_write_timeout(Some(DEADLINE)).unwrap();
        client
    }

    /// A client of a server that does not say when it is ready.
    pub(crate) fn connect_when_ready(&self) -> TcpStream {
        let deadline = Instant::now() + DEADLINE;
        while TcpStream::connect_timeout(&self.address, DEADLINE).is_err() {
            assert!(Instant::now() < deadline, "the server is not ready in {DEADLINE:?}");
            thread::sleep(Duration::from_millis(5));
        }
        self.connect()
    }

    /// Whether a server that was spawned says that it is ready, rather than ends.
    pub(crate) fn is_ready(&self) -> bool {
        self.stdout.next().is_some()
    }

    /// Lets it have no more than so many descriptors, for now.
    pub(crate) fn limit_descriptors(&self, most: u64) {
        let maximum = getrlimit(Resource::Nofile).maximum;
        let limit = Rlimit { current: Some(most), maximum };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Nofile, limit).expect("a limit can be set");
    }

    /// The number that its next descriptor would have, and that a limit is compared with. `None` as with `memory`.
    pub(crate) fn next_descriptor(&self) -> Option<u64> {
        let folder = format!("/proc/{}/fd", self.child.id());
        fs::read_dir(&folder).ok()?;
        (0..).find(|number| fs::symlink_metadata(format!("{folder}/{number}")).is_err())
    }

    /// Its process.
    pub(crate) fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the server runs");
    }

    /// Waits until it logs a line in which this stands.
    pub(crate) fn wait_for_log(&self, text: &str) {
        while !self.next_log().contains(text) {}
    }

    /// Waits for a line of the log.
    pub(crate) fn next_log(&self) -> String {
        self.stderr.next().expect("the server goes on")
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        // The pipes end when the process does, and tell of it.
        let (stdout, stderr) = (self.stdout.rest(), self.stderr.rest());
        let deadline = Instant::now() + DEADLINE;
        let code = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status.code(),
                None => assert!(Instant::now() < deadline, "the server does not end; stderr: {stderr}"),
            }
            thread::sleep(Duration::from_millis(1));
        };
        assert!(!stderr.contains("panicked"), "{stderr}");
        Ended { code, stdout, stderr }
    }

    /// Ends it well, and says how that went.
    pub(crate) fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        self.end()
    }

    /// Processor time used so far, user and system, by it and the processes it has; to the hundredth of a second.
    /// `None` as with `memory`.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        let times = self.processes().into_iter().map(|process| {
            let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
            // After the name, which may hold anything, utime and stime are the 12th and 13th (proc(5)).
            let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
            let ticks = fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?;
            Some(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
        });
        times.sum()
    }

    /// Waits until so many of its threads have waited for something: one that has worked does, but not at once.
    pub(crate) fn wait_for_threads(&self, count: usize) {
        let deadline = Instant::now() + DEADLINE;
        while self.threads_used().is_some_and(|used| used < count) {
            assert!(Instant::now() < deadline, "{:?} threads have worked, not {count}", self.threads_used());
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// How many threads it has that ever waited for something. `None` as with `memory`.
    fn threads_used(&self) -> Option<usize> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).ok()?;
        let waited = |status: &String| {
            let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            line.and_then(|count| count.trim().parse::<u64>().ok()).is_some_and(|count| count > 0)
        };
        let statuses = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("status")).ok());
        Some(statuses.filter(waited).count())
    }

    /// How often it has gone to sleep, which is how often it was woken. `None` as with `memory`.
    pub(crate) fn sleeps(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?.trim().parse().ok()
    }

    /// Resident memory, bytes, of it and the processes it has. `None` where the system does not tell.
    pub(crate) fn memory(&self) -> Option<usize> {
        let sizes = self.processes().into_iter().map(|process| {
            let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            Some(line.trim().strip_suffix(" kB")?.parse::<usize>().ok()? << 10)
        });
        sizes.sum()
    }

    /// It and its children, first and last (proc_pid_task_children(5)).
    fn processes(&self) -> Vec<u32> {
        let mut all = vec![self.child.id()];
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten()
        {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        all
    }
}

impl Ended {
    /// The receipt of a server with `--json`, in which nothing else was logged.
    pub(crate) fn receipt(&self) -> Value {
        let (log, receipt) = self.log_and_receipt();
        assert_eq!(log, "", "the receipt is all there is");
        receipt
    }

    /// What was logged, and the receipt of a server with `--json`.
    pub(crate) fn log_and_receipt(&self) -> (&str, Value) {
        let start = self.stderr.trim_end().rfind('\n').map_or(0, |end| end + 1);
        let (log, last) = self.stderr.split_at(start);
        let receipt: Value = serde_json::from_str(last).expect("the receipt is the last line");
        let count = |name: &str| receipt[name].as_u64().unwrap();
        assert_eq!(
            count("accepted"),
            count("finished") + count("failed") + count("cancelled"),
            "it does not add up: {receipt}"
        );
        (log, receipt)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Lines {
    fn of(pipe: Option<impl Read + Send + 'static>) -> Self {
        let (sender, lines) = channel();
        if let Some(pipe) = pipe {
            thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    sender.send(line).ok();
                }
            });
        }
        Self(lines)
    }

    fn next(&self) -> Option<String> {
        match self.0.recv_timeout(DEADLINE) {
            Ok(line) => Some(line),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => None,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("no line in {DEADLINE:?}"),
        }
    }

    /// All until the end, each with its line end.
    fn rest(&self) -> String {
        std::iter::from_fn(|| self.next()).map(|line| line + "\n").collect()
    }
}

/// The command, with its stderr piped and nothing to read.
pub(crate) fn switchboard(arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::piped()).env_remove("NO_COLOR");
    command
}

/// Runs the command to its end.
pub(crate) fn run_to_end(mut command: Command) -> Ended {
    command.stdout(Stdio::piped());
    Server::spawn(command, SocketAddr::from(([127, 0, 0, 1], 0))).end()
}

/// An address nobody else uses, where a port can be chosen: on Linux all of 127.0.0.0/8 is this machine.
pub(crate) fn lonely_address(number: u8) -> SocketAddr {
    let [.., high, low] = process::id().to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 100 + number % 100, high, low)), 8000)
}

/// Sends some bytes and reads them back.
pub(crate) fn assert_echoes(mut client: &TcpStream, bytes: &[u8]) {
    client.write_all(bytes).expect("the server receives");
    let mut answer = vec![0; bytes.len()];
    client.read_exact(&mut answer).expect("the server answers");
    assert!(answer == bytes, "what came back is not what was sent");
}

/// Reads exactly this.
pub(crate) fn expect(mut client: &TcpStream, bytes: &[u8]) {
    let mut answer = vec![0; bytes.len()];
    client.read_exact(&mut answer).expect("the server answers");
    assert!(
        answer == bytes,
        "{:?} instead of {:?}",
        String::from_utf8_lossy(&answer),
        String::from_utf8_lossy(bytes)
    );
}

/// That nothing comes for a while: longer than what is under way takes, and no longer.
pub(crate) fn assert_hears_nothing(mut client: &TcpStream) {
    client.set_read_timeout(Some(Duration::from_millis(150))).unwrap();
    let kept_waiting = client.read(&mut [0]).expect_err("nothing was to come, and no end");
    assert!(
        matches!(kept_waiting.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
        "{kept_waiting}"
    );
    client.set_read_timeout(Some(DEADLINE)).unwrap();
}

/// Ends a connection by a reset.
pub(crate) fn reset(client: TcpStream) {
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Waits for the server's end of a connection, after these bytes and no others.
pub(crate) fn assert_ends_after(mut client: &TcpStream, bytes: &[u8]) {
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).expect("the server ends the connection in good order");
    assert!(answer == bytes, "{} bytes came back of {}, or others", answer.len(), bytes.len());
}

/// A client that sends until nothing more goes, and reads nothing; and what it has sent.
pub(crate) fn fill(mut client: TcpStream) -> (TcpStream, Vec<u8>) {
    client.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    // Of no round length, so that a piece lost would be seen.
    let piece = pattern(1, 99_991);
    let mut sent = 0;
    loop {
        assert!(sent < 64 << 20, "the server took {sent} bytes that nobody reads");
        match client.write(&piece[sent % piece.len()..]) {
            Ok(count) => sent += count,
            Err(error) => {
                assert!(
                    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
                    "{error}"
                );
                break;
            }
        }
    }
    let mut bytes = piece.repeat(sent / piece.len() + 1);
    bytes.truncate(sent);
    (client, bytes)
}

/// Bytes in which none can be missing, doubled or exchanged unseen.
pub(crate) fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // xorshift64, <https://www.jstatsoft.org/article/view/v008i14>
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// No step of a test takes so long on a machine that is merely busy.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
