//! A terminal for a client: the other end of it is a person, who types and looks.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

use super::end_of;
use crate::server::DEADLINE;

/// A pseudo-terminal, and all that was ever shown on it.
pub(crate) struct Terminal {
    person: File,
    program: OwnedFd,
    shown: Arc<(Mutex<Vec<u8>>, Condvar)>,
    found: String,
}

/// A program on a terminal, ended with the test.
pub(crate) struct Program(pub(crate) Child);

impl Terminal {
    /// 80 columns wide, and looked at.
    pub(crate) fn new() -> Self {
        let terminal = Self::unread();
        let (mut looking, seen) = (terminal.person.try_clone().unwrap(), Arc::clone(&terminal.shown));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = looking.read(&mut bytes) {
                seen.0.lock().unwrap().extend_from_slice(&bytes[..count]);
                seen.1.notify_all();
            }
        });
        terminal
    }

    /// One that stops when it is full, as with Ctrl-S.
    pub(crate) fn unread() -> Self {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let program = rustix::fs::open(name, flags, Mode::empty()).unwrap();
        tcsetwinsize(&program, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let person = File::from(person);
        let mut terminal = Self { person, program, shown: Arc::default(), found: String::new() };
        terminal.found = terminal.modes();
        terminal
    }

    /// Starts a program on it, which it does not control: no key is a signal.
    pub(crate) fn start(&self, mut command: Command) -> Program {
        let end = || Stdio::from(self.program.try_clone().unwrap());
        Program(command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap())
    }

    /// Starts a program on it as a shell would, in a session of its own; `None` if this system has no setsid(1).
    pub(crate) fn start_session(&self, command: &Command) -> Option<Program> {
        let mut session = Command::new("setsid");
        session.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        let has_it = Command::new("setsid").args(["--ctty", "--wait", "true"]).stdin(Stdio::null()).output();
        if has_it.is_err() {
            eprintln!("skipped: this system has no setsid(1)");
            return None;
        }
        Some(self.start(session))
    }

    pub(crate) fn type_keys(&self, keys: &str) {
        (&self.person).write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until this was shown, for as often as is said.
    pub(crate) fn wait_for(&self, text: &str, times: usize) {
        let deadline = Instant::now() + DEADLINE;
        let mut shown = self.shown.0.lock().unwrap();
        while String::from_utf8_lossy(&shown).matches(text).count() < times {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{text:?} is not shown: {:?}", String::from_utf8_lossy(&shown));
            shown = self.shown.1.wait_timeout(shown, left).unwrap().0;
        }
    }

    /// All that was shown by now.
    pub(crate) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.0.lock().unwrap()).into_owned()
    }

    /// Whether it is as it was at first.
    pub(crate) fn is_as_found(&self) -> bool {
        self.modes() == self.found
    }

    /// The end that programs have.
    pub(crate) fn program(&self) -> &OwnedFd {
        &self.program
    }

    fn modes(&self) -> String {
        format!("{:?}", tcgetattr(&self.program).unwrap())
    }
}

impl Program {
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("the program runs");
    }

    pub(crate) fn end(mut self) -> Option<i32> {
        end_of(&mut self.0)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
