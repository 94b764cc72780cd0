//! How a process becomes a server that is compared: it sets itself up, and then runs the server's program in its own place.
//!
//! What has to hold before the first instruction of a server cannot be done from outside without a race, and between fork and exec not
//! without `unsafe`. So the command is started once more, as itself. What it sets survives the exec: the processor it is kept on, the
//! descriptors it may have, and that it is killed when the one who started it ends, however that is.

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};

use rustix::process::{
    Pid, Signal, getpgrp, getpid, getppid, kill_current_process_group, set_parent_process_death_signal,
};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::choice::shown;
use crate::error::{Error, reason};
use crate::limits;

/// What to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Launch {
    /// Who started it.
    pub(crate) parent: i32,
    /// Where to run; anywhere if there is none.
    pub(crate) core: Option<usize>,
    /// Nothing at first for this program, and nothing at all for a guard.
    pub(crate) words: Vec<String>,
}

impl Launch {
    /// The command that does it, from this process. `words` begin with a program's name, unless it is this one.
    pub(super) fn command(words: &[String], is_ours: bool, core: Option<usize>) -> io::Result<Command> {
        let mut command = Command::new(this_program()?);
        let core = core.map_or_else(String::new, |core| core.to_string());
        let ours = if is_ours { "ours" } else { "" };
        command.arg0("switchboard").arg("compare");
        command.arg("--launch").arg(format!("{}:{core}:{ours}", process::id()));
        command.arg("--").args(words);
        Ok(command)
    }

    /// The command that guards the process group it is put into: it kills it, and so itself, when its stdin ends, which is when the one who
    /// holds the other end does. Children of a server are killed with nobody's parent, unlike the server itself.
    pub(super) fn guard() -> io::Result<Command> {
        let mut command = Command::new(this_program()?);
        command.arg0("switchboard").args(["compare", "--launch", &format!("{}::", process::id()), "--"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command)
    }

    /// What `--launch` was given, and what followed it.
    pub(crate) fn parse(text: &str, mut words: Vec<String>) -> Option<Self> {
        let mut parts = text.split(':');
        let parent = parts.next()?.parse().ok()?;
        let core = parts.next()?;
        let core = if core.is_empty() { None } else { Some(core.parse().ok()?) };
        if parts.next()? == "ours" {
            words.insert(0, String::new());
        }
        Some(Self { parent, core, words })
    }

    /// Becomes it. Returns only when that fails.
    pub(super) fn run(&self) -> Error {
        match self.become_it() {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    fn become_it(&self) -> Result<std::convert::Infallible, Error> {
        if self.words.is_empty() {
            return Err(stand_guard());
        }
        let refused =
            |what: &str, error: &io::Error| Error::refused(format_args!("cannot {what}: {}", reason(error)));
        set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(|error| refused("ask to be ended with who started this", &error.into()))?;
        // It may have ended before that was asked.
        if getppid().map(Pid::as_raw_pid) != Some(self.parent) {
            return Err(Error::refused("who started this has ended already"));
        }
        if let Some(core) = self.core {
            let mut cores = CpuSet::new();
            cores.set(core);
            sched_setaffinity(None, &cores)
                .map_err(|error| refused(&format!("be kept on processor {core}"), &error.into()))?;
        }
        limits::raise_descriptors();
        let (name, rest) = self.words.split_first().expect("a guard has none, and nobody else");
        let mut command = match name.as_str() {
            "" => Command::new(this_program().map_err(|error| refused("find this program", &error))?),
            name => Command::new(name),
        };
        let error = command.args(rest).exec();
        Err(refused(&format!("start {}", shown(name)), &error))
    }
}

/// Returns only when it has nobody to guard.
fn stand_guard() -> Error {
    io::copy(&mut io::stdin().lock(), &mut io::sink()).ok();
    // Whoever leads his own group was put into nobody's.
    if getpgrp() != getpid() {
        kill_current_process_group(Signal::KILL).ok();
    }
    Error::wrong_use("--launch: there is nothing to launch")
}

/// The very file that runs, even if another has taken its name since; where the system cannot say so, the name will do.
fn this_program() -> io::Result<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if running.exists() { Ok(running.to_owned()) } else { env::current_exe() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_process_says_the_other_understands() {
        for (is_ours, core, first) in [(true, Some(3), ""), (false, None, "cat")] {
            let words = ["cat".to_owned(), "-n".to_owned()];
            let command = Launch::command(&words, is_ours, core).unwrap();
            let said: Vec<_> = command.get_args().map(|word| word.to_str().unwrap().to_owned()).collect();
            assert_eq!((&*said[0], &*said[1], &*said[3]), ("compare", "--launch", "--"));
            let launch = Launch::parse(&said[2], said[4..].to_vec()).unwrap();
            assert_eq!((launch.core, launch.parent as u32), (core, process::id()));
            assert_eq!(launch.words[0], first);
        }
        for wrong in ["", "1", "1:", "x::", "1:x:"] {
            assert_eq!(Launch::parse(wrong, Vec::new()), None, "{wrong}");
        }
    }
}
