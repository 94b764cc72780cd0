//! System calls of a message: counted by perf(1), or else by strace(1), in a short pass of its own, since both slow the server down.
//!
//! perf's tracepoint costs little, so that the server does what it would do anyway. strace stops it at each call: it is late then, finds
//! more to do at once, and makes fewer calls for a message than without it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use async_channel::Receiver;
use rustix::process::{Pid, Signal, kill_process};
use switchboard::{sleep, spawn_blocking, timeout};

use super::census::Census;
use super::contestant::Scenario;
use super::measure::{Load, Manner, plan};
use super::results::Figure;
use super::server::Server;
use crate::error::{one_line, reason};

/// How system calls can be counted here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Means {
    Perf,
    Strace,
    /// Not at all, and why.
    None(String),
}

/// A program that counts, killed when it is dropped.
struct Tool {
    process: Child,
    control: Option<ChildStdin>,
    answers: Lines,
    report: Lines,
}

impl Means {
    /// Tries them.
    pub(super) async fn find() -> Self {
        let perf = try_out("perf", &["stat", "-e", EVENT, "-x,", "true"]).await;
        let Err(why_no_perf) = perf else { return Self::Perf };
        match try_out("strace", &["-c", "-f", "true"]).await {
            Ok(()) => Self::Strace,
            Err(why) => Self::None(format!("perf: {why_no_perf}; strace: {why}")),
        }
    }

    pub(super) fn name(&self) -> Option<&'static str> {
        match self {
            Self::Perf => Some("perf"),
            Self::Strace => Some("strace"),
            Self::None(_) => None,
        }
    }

    /// System calls of a message, under this load.
    pub(super) async fn count(&self, server: &Server, scenario: &Scenario, manner: &Manner) -> Figure {
        let counted = match self {
            Self::None(why) => Err(why.clone()),
            means => match timeout(PATIENCE, means.calls(server, scenario, manner)).await {
                Ok(counted) => counted,
                Err(_) => Err(format!("it took longer than {PATIENCE:?}")),
            },
        };
        let means = self.name().map(str::to_owned);
        match counted {
            Ok(value) => Figure { value: Some(value), means, missing: None },
            Err(why) => Figure { value: None, means, missing: Some(why) },
        }
    }

    async fn calls(&self, server: &Server, scenario: &Scenario, manner: &Manner) -> Result<f64, String> {
        // It is ended as soon as they are counted.
        let load = Load::start(plan(server, scenario, &Manner { duration: PATIENCE, ..*manner }))?;
        load.has_begun().await;
        sleep(manner.warm_up).await;
        let told = |error: io::Error| reason(&error);
        let census = Census::take(server.id()).map_err(told)?;
        let ids: Vec<_> = census.ids().map(|id| id.to_string()).collect();
        let mut tool = Tool::start(self, &ids.join(",")).map_err(told)?;
        tool.begin(self).await?;
        let before = load.progress.answered();
        sleep(LENGTH).await;
        let messages = load.progress.answered() - before;
        let report = tool.end(self).await?;
        let calls = match self {
            Self::Perf => perf_calls(&report),
            _ => strace_calls(&report),
        };
        match calls {
            _ if messages == 0 => Err("nothing was answered meanwhile".to_owned()),
            Some(calls) => Ok(calls as f64 / messages as f64),
            None => Err("it did not tell how many there were".to_owned()),
        }
    }
}

impl Tool {
    /// Has it look at these processes.
    fn start(means: &Means, ids: &str) -> io::Result<Self> {
        let words: &[&str] = match means {
            // It counts from the moment it is told to on stdin, and says on stdout that it does.
            Means::Perf => &["perf", "stat", "-e", EVENT, "-x,", "-D", "-1", "--control", "fd:0,1", "-p"],
            _ => &["strace", "-f", "-c", "-p"],
        };
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(ids).env("LC_ALL", "C").process_group(0);
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (control, answers) = (process.stdin.take(), Lines::of(process.stdout.take()));
        let report = Lines::of(process.stderr.take());
        Ok(Self { process, control, answers, report })
    }

    /// Waits until it counts.
    async fn begin(&mut self, means: &Means) -> Result<(), String> {
        let begun = match means {
            Means::Perf => self.order("enable").await,
            // `Process 123 attached`
            _ => self.report.next().await.is_some_and(|line| line.contains("attached")),
        };
        if begun { Ok(()) } else { Err(last_line(&self.finish().await)) }
    }

    /// Has it stop, and says what it told.
    async fn end(&mut self, means: &Means) -> Result<String, String> {
        if *means == Means::Perf && !self.order("disable").await {
            return Err(last_line(&self.finish().await));
        }
        kill_process(Pid::from_child(&self.process), Signal::INT).map_err(|error| reason(&error.into()))?;
        Ok(self.finish().await)
    }

    async fn order(&mut self, what: &str) -> bool {
        let Some(control) = &mut self.control else { return false };
        if writeln!(control, "{what}").and_then(|()| control.flush()).is_err() {
            return false;
        }
        self.answers.next().await.is_some_and(|line| line.contains("ack"))
    }

    /// All that it still says.
    async fn finish(&mut self) -> String {
        let mut report = String::new();
        while let Some(line) = self.report.next().await {
            report.push_str(&line);
            report.push('\n');
        }
        report
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The lines of a pipe, read on a thread of their own.
struct Lines(Receiver<String>);

impl Lines {
    fn of(pipe: Option<impl Read + Send + 'static>) -> Self {
        let (sender, lines) = async_channel::unbounded();
        if let Some(pipe) = pipe {
            let reading = spawn_blocking(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    if sender.send_blocking(line).is_err() {
                        return;
                    }
                }
            });
            reading.detach();
        }
        Self(lines)
    }

    async fn next(&self) -> Option<String> {
        self.0.recv().await.ok()
    }
}

/// Whether a program is there, and may do what it is for.
async fn try_out(program: &'static str, arguments: &'static [&'static str]) -> Result<(), String> {
    let tried = spawn_blocking(move || {
        Command::new(program)
            .args(arguments)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| reason(&error))
    });
    let output = tried.await?;
    let said = String::from_utf8_lossy(&output.stderr);
    let counts = program != "perf" || perf_calls(&said).is_some();
    if output.status.success() && counts { Ok(()) } else { Err(last_line(&said)) }
}

/// Of `123,,raw_syscalls:sys_enter,…` (perf-stat(1)).
fn perf_calls(report: &str) -> Option<u64> {
    let line = report.lines().find(|line| line.contains(EVENT))?;
    line.split(',').next()?.trim().parse().ok()
}

/// Of a table of `% time, seconds, usecs/call, calls, errors, syscall` (strace(1)), the sum of the fourth column.
fn strace_calls(report: &str) -> Option<u64> {
    let is_row = |fields: &Vec<&str>| {
        fields.len() >= 5
            && fields[0].parse::<f64>().is_ok()
            && fields.last().is_some_and(|name| *name != "total")
    };
    let rows = report.lines().map(|line| line.split_whitespace().collect()).filter(is_row);
    let calls: Vec<_> = rows.map(|fields| fields[3].parse::<u64>().ok()).collect::<Option<_>>()?;
    (!calls.is_empty()).then(|| calls.iter().sum())
}

fn last_line(text: &str) -> String {
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    line.map_or_else(|| "it said nothing".to_owned(), |line| one_line(line.trim()))
}

const EVENT: &str = "raw_syscalls:sys_enter";

/// How long they are counted.
const LENGTH: Duration = Duration::from_millis(200);

/// For all of it.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_perf_tells_is_understood() {
        let report = "Events disabled\nEvents enabled\n171237,,raw_syscalls:sys_enter,109923992,100.00,,\n";
        assert_eq!(perf_calls(report), Some(171_237));
        assert_eq!(perf_calls("<not counted>,,raw_syscalls:sys_enter,0,100.00,,"), None);
        assert_eq!(perf_calls("event syntax error: 'raw_syscalls:sys_enter'"), None);
    }

    #[test]
    fn what_strace_tells_is_understood() {
        let report = "\
strace: Process 77 attached
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000060           1        40           sendto
 40.00    0.000040           1        50        10 recvfrom
  0.00    0.000000           0         2           epoll_wait
------ ----------- ----------- --------- --------- ----------------
100.00    0.000100           1        92        10 total
";
        assert_eq!(strace_calls(report), Some(92));
        assert_eq!(strace_calls("strace: attach: ptrace(PTRACE_SEIZE, 77): Operation not permitted"), None);
    }
}
