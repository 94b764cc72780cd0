//! This program, to be started again for one client.
//!
//! A child gets what it is to have and nothing else: the connection, the line to its parent, and stderr. Everything the
//! parent has open besides is closed on exec, as all of it was opened that way.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::rc::Rc;

use socket2::Socket;
use switchboard_selector::Key;

use super::child::FLAG;
use crate::serve::reception::Reception;

/// See the top of this file.
pub(super) struct Program {
    path: PathBuf,
    name: OsString,
    arguments: Vec<OsString>,
}

impl Program {
    /// The very file that runs, even if another has taken its name since, as at an update; where the system cannot say so,
    /// the name will do.
    pub(super) fn this() -> io::Result<Self> {
        let running = Path::new("/proc/self/exe");
        let path = if running.exists() { running.to_owned() } else { env::current_exe()? };
        let mut typed = env::args_os();
        let name = typed.next().unwrap_or_else(|| "switchboard".into());
        let mut arguments: Vec<_> = typed.collect();
        // After the subcommand.
        arguments.insert(arguments.len().min(1), FLAG.into());
        Ok(Self { path, name, arguments })
    }

    /// Starts a child that has the connection as its stdin, and us as its stdout. All other descriptors close on exec.
    pub(super) fn spawn(
        &self,
        connection: &Socket,
        reception: &mut Reception,
    ) -> io::Result<(Key, Child, Rc<UnixStream>)> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let line = Rc::new(ours);
        let key = reception.watch(Rc::clone(&line) as _)?;
        let spawned = connection.try_clone().and_then(|socket| {
            // In a group of its own, so that Ctrl-C comes to us alone: we see to the rest.
            let mut command = Command::new(&self.path);
            command.arg0(&self.name).args(&self.arguments).process_group(0);
            command.stdin(OwnedFd::from(socket)).stdout(OwnedFd::from(theirs)).spawn()
        });
        match spawned {
            Ok(process) => Ok((key, process, line)),
            Err(error) => reception.unwatch(key).and(Err(error)),
        }
    }
}

/// What became of a child that did not end well.
pub(super) fn fate(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("its process was killed by signal {signal}"),
        (None, Some(code)) => format!("its process ended with code {code}"),
        (None, None) => "its process ended".to_owned(),
    }
}
