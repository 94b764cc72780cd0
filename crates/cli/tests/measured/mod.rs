//! A real `switchboard load`, its report, and what one histogram of all values would have said; the servers it is put on are in [`peer`].
//!
//! The process is ended by its own id when its [`Load`] goes out of scope, whatever became of the test. `$SWITCHBOARD` names another program
//! than the one built beside the tests: where time matters, the release build.

#![allow(dead_code, reason = "each suite uses its own part of it")]

pub(crate) mod peer;

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{env, fs, process};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A load under way.
pub(crate) struct Load {
    child: Child,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
}

/// What it came to.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) code: Option<i32>,
    pub(crate) report: Value,
    pub(crate) stderr: String,
}

impl Load {
    /// On whom, and with which arguments, in one text.
    pub(crate) fn start(target: &str, arguments: &str) -> Self {
        let mut command = load();
        command.arg(target).args(arguments.split_whitespace()).arg("--json");
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the load can be started");
        let stdout = read_all(child.stdout.take().expect("it is piped"));
        let stderr = read_all(child.stderr.take().expect("it is piped"));
        Self { child, stdout, stderr }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the load is under way");
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Measured {
        let deadline = Instant::now() + DEADLINE;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(Instant::now() < deadline, "the load does not end"),
            }
            thread::sleep(Duration::from_millis(1));
        };
        // What is read ends with the process; the thread is not left behind.
        let take = |thread: &mut JoinHandle<String>| {
            std::mem::replace(thread, thread::spawn(String::new)).join().unwrap()
        };
        let (stdout, stderr) = (take(&mut self.stdout), take(&mut self.stderr));
        assert!(!stderr.contains("panicked"), "{stderr}");
        let report =
            serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}"));
        Measured { code: status.code(), report, stderr }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Measured {
    /// A number of the report, by its path.
    pub(crate) fn number(&self, path: &str) -> u64 {
        self.value(path).as_u64().unwrap_or_else(|| panic!("{path} is no number in {}", self.report))
    }

    /// A time of the report, by its path, seconds.
    pub(crate) fn seconds(&self, path: &str) -> f64 {
        self.number(path) as f64 / 1e9
    }

    /// A histogram of the report, as a whole.
    pub(crate) fn histogram(&self, path: &str) -> Histogram<u64> {
        let text = self.value(&format!("{path}/histogram"));
        let bytes = STANDARD.decode(text.as_str().expect("a histogram is text")).unwrap();
        Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap()
    }

    pub(crate) fn value(&self, path: &str) -> &Value {
        self.report.pointer(&format!("/{path}")).unwrap_or_else(|| panic!("no {path} in {}", self.report))
    }

    /// That each exchange had an end, and only one.
    pub(crate) fn assert_adds_up(&self) {
        let (answered, timed_out) = (self.number("exchange/count"), self.number("failures/timeout"));
        let told = |path| self.number(path);
        let begun = answered - told("unsent") + told("failures/total") - timed_out;
        assert_eq!(begun, told("uncorrected/count") + told("failures/total") - timed_out, "{}", self.report);
    }
}

/// A folder for the files of a test, which goes with it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("switchboard-{}-{name}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// Puts a load on and waits for its end.
pub(crate) fn measure(target: &str, arguments: &str) -> Measured {
    Load::start(target, arguments).end()
}

/// Adds these reports up.
pub(crate) fn merge(reports: &[Measured]) -> Measured {
    let folder = Folder::new("merge");
    let mut command = load();
    command.arg("--json").arg("--merge");
    for (number, each) in reports.iter().enumerate() {
        let path = folder.path(number.to_string());
        fs::write(&path, each.report.to_string()).unwrap();
        command.arg(path);
    }
    Load::spawn(command).end()
}

/// What so many of a hundred of these did not exceed: the same rank as the histogram's.
pub(crate) fn percentile(sorted: &[Duration], percent: f64) -> f64 {
    let rank = (percent / 100.0 * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted[rank.min(sorted.len()) - 1].as_secs_f64()
}

/// The percentiles that a report tells of.
pub(crate) const PERCENTILES: [(&str, f64); 6] =
    [("p50", 50.0), ("p75", 75.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9), ("p99.99", 99.99)];

fn load() -> Command {
    let program =
        env::var_os("SWITCHBOARD").unwrap_or_else(|| OsString::from(env!("CARGO_BIN_EXE_switchboard")));
    let mut command = Command::new(program);
    command.arg("load").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_remove("SWITCHBOARD_REQUIRE");
    command
}

fn read_all(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).ok();
        text
    })
}

/// For a load to end.
const DEADLINE: Duration = Duration::from_secs(100);
