//! A server as a process of its own, in a process group of its own: started, waited for until it listens, and ended for certain.
//!
//! When a [`Server`] is dropped, whatever the reason, nothing of it is left: its group is killed, and so is whoever left that group, since
//! orphans of our servers become children of ours.

use std::io::{self, BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::{self, Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, kill_process_group, set_child_subreaper, waitpid,
};
use switchboard::net::TcpStream;
use switchboard::{Address, sleep, spawn_blocking, timeout};

use super::contestant::{Contestant, Program};
use super::launch::Launch;
use super::{census, clock};
use crate::error::{one_line, reason};
use crate::service::Service;

/// A server that listens.
#[derive(Debug)]
pub(super) struct Server {
    process: Child,
    /// Sees to the group of a foreign server if this process is killed; ours see to that themselves.
    guard: Option<Child>,
    pub(super) address: SocketAddr,
    last_words: LastWords,
}

/// What it said last on stderr.
#[derive(Debug, Clone, Default)]
struct LastWords(Arc<Mutex<Vec<u8>>>);

impl Server {
    /// Starts it on this processor, and waits until it listens, but not for longer than this.
    ///
    /// # Errors
    ///
    /// Why it does not listen, as part of a sentence.
    pub(super) async fn start(
        contestant: &Contestant,
        service: Service,
        core: Option<usize>,
        patience: Duration,
    ) -> Result<Self, String> {
        let cannot = |error: io::Error| format!("cannot be started: {}", reason(&error));
        let is_ours = matches!(contestant.program, Program::Ours { .. });
        let address = if is_ours { NOWHERE } else { free_address().map_err(cannot)? };
        let words = contestant.words(service, address.port());
        let mut command = Launch::command(&words, is_ours, core).map_err(cannot)?;
        // In a group of its own, so that Ctrl-C comes to us alone: we see to the rest.
        command.process_group(0).stdin(Stdio::null()).stderr(Stdio::piped());
        command.stdout(if is_ours { Stdio::piped() } else { Stdio::null() });
        // Where that cannot be asked for, the group is all that is killed.
        set_child_subreaper(Some(getpid())).ok();
        let mut process = command.spawn().map_err(cannot)?;
        let last_words = LastWords::of(process.stderr.take());
        let group = process.id().cast_signed();
        let guard = |mut command: process::Command| command.process_group(group).spawn().ok();
        let guard = if is_ours { None } else { Launch::guard().ok().and_then(guard) };
        let mut server = Self { process, guard, address, last_words };
        let ready = async {
            if is_ours { server.read_address().await } else { server.wait_until_it_accepts().await }
        };
        match timeout(patience, ready).await {
            Ok(Ok(())) => Ok(server),
            Ok(Err(why)) => Err(why),
            Err(_) => {
                let whereabouts = if is_ours { String::new() } else { format!(" on {address}") };
                Err(server.with_last_words(format!("does not listen{whereabouts} within {patience:?}")))
            }
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(super) fn plan_address(&self) -> Address {
        Address::Ip(self.address)
    }

    /// How it ended, if it has, as part of a sentence.
    pub(super) fn has_ended(&mut self) -> Option<String> {
        let status = self.process.try_wait().ok()??;
        Some(self.with_last_words(fate(status)))
    }

    /// Has it end well, and then for certain.
    pub(super) async fn stop(mut self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).ok();
        let deadline = clock() + PATIENCE;
        while matches!(self.process.try_wait(), Ok(None)) && clock() < deadline {
            sleep(MOMENT).await;
        }
    }

    /// The readiness line of `serve` says where.
    async fn read_address(&mut self) -> Result<(), String> {
        let Some(stdout) = self.process.stdout.take() else { return Err("has no stdout".to_owned()) };
        let line = spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).map(|_| line).unwrap_or_default()
        });
        let line = line.await;
        let address =
            line.strip_prefix("listening on ").and_then(|rest| rest.split(' ').next()?.parse().ok());
        match address {
            Some(address) => {
                self.address = address;
                Ok(())
            }
            None => Err(self.how_it_ended().await),
        }
    }

    async fn wait_until_it_accepts(&mut self) -> Result<(), String> {
        loop {
            if self.has_ended().is_some() {
                return Err(self.how_it_ended().await);
            }
            if TcpStream::connect(self.address).await.is_ok() {
                return Ok(());
            }
            sleep(MOMENT).await;
        }
    }

    /// It has ended, or is about to.
    async fn how_it_ended(&mut self) -> String {
        loop {
            if let Ok(Some(status)) = self.process.try_wait() {
                // Its last words are on their way.
                sleep(MOMENT).await;
                return self.with_last_words(format!("{} before it listened", fate(status)));
            }
            sleep(MOMENT).await;
        }
    }

    fn with_last_words(&self, what: String) -> String {
        match self.last_words.line() {
            Some(line) => format!("{what}; the last it said: {line}"),
            None => format!("{what}; it said nothing on stderr"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let id = Pid::from_child(&self.process);
        kill_process_group(id, Signal::KILL).ok();
        self.process.kill().ok();
        self.process.wait().ok();
        if let Some(guard) = &mut self.guard {
            guard.kill().ok();
            guard.wait().ok();
        }
        sweep();
    }
}

impl LastWords {
    /// Listens for as long as there is something to hear, so that whoever speaks never waits.
    fn of(stderr: Option<process::ChildStderr>) -> Self {
        let words = Self::default();
        if let Some(mut stderr) = stderr {
            let heard = words.clone();
            let listening = spawn_blocking(move || {
                let mut piece = [0; 4096];
                while let Ok(count @ 1..) = stderr.read(&mut piece) {
                    let mut kept = heard.0.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.extend_from_slice(&piece[..count]);
                    let surplus = kept.len().saturating_sub(KEPT);
                    kept.drain(..surplus);
                }
            });
            listening.detach();
        }
        words
    }

    fn line(&self) -> Option<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&kept);
        let line = text.lines().rev().find(|line| !line.trim().is_empty())?.trim();
        Some(one_line(line.strip_prefix("error: ").unwrap_or(line)))
    }
}

/// Ends all children there are: descendants of a server that has just ended.
fn sweep() {
    for _ in 0..MOST_GENERATIONS {
        let orphans = census::children(process::id());
        if orphans.is_empty() {
            return;
        }
        for orphan in orphans.into_iter().filter_map(|id| Pid::from_raw(id.cast_signed())) {
            kill_process(orphan, Signal::KILL).ok();
            waitpid(Some(orphan), WaitOptions::empty()).ok();
        }
    }
}

/// On this machine, with a port that nobody has at the moment.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn fate(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("was killed by signal {signal}"),
        (None, code) => format!("ended with code {}", code.unwrap_or_default()),
    }
}

const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// How long a server may take to end well.
const PATIENCE: Duration = Duration::from_secs(2);

/// Between two looks at what a process does.
const MOMENT: Duration = Duration::from_millis(5);

/// Of what was said on stderr, bytes.
const KEPT: usize = 4096;

/// Whoever starts processes that start processes faster than they are killed is left to himself.
const MOST_GENERATIONS: usize = 100;
