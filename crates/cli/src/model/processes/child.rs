//! A process that serves one client: the other half of `processes`.
//!
//! The client is its stdin; its stdout is a socket pair to the process that accepts. From there come orders, a byte each;
//! there goes one line of JSON, how it was. It outlives nobody: when the other side ends, so does it, at once. Signals of
//! a terminal do not come here.

use std::io::{self, Read, Write, stdin, stdout};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{ExitCode, exit};
use std::sync::Arc;
use std::thread;

use serde_json::{Value, json};
use socket2::Socket;
use switchboard::server::Why;

use crate::error::Error;
use crate::model::connection::Connection;
use crate::model::talk::{Farewell, Terms, talk};
use crate::serve::ledger::Gone;
use crate::serve::options::Options;

/// What makes this program such a process: not for people, so that the help says nothing of it.
pub(super) const FLAG: &str = "--child";

/// Orders.
pub(super) const HEAR_NO_MORE: u8 = b'e';
pub(super) const CUT: u8 = b'c';

/// What is said before anything is said to the client. Whoever has not said it has not begun.
pub(super) const READY: u8 = b'\n';

/// How a process ends that the system has no thread for (`EX_TEMPFAIL`, sysexits(3)).
pub(super) const NOT_NOW: u8 = 75;

/// Serves the client.
#[expect(clippy::disallowed_methods, reason = "there is no engine here")]
pub(crate) fn serve(options: &Options) -> Result<ExitCode, Error> {
    let (socket, parent) = inherited().map_err(|_| {
        Error::wrong_use(format_args!("{FLAG}: that is between `--model processes` and itself; leave it out"))
    })?;
    let (connection, parent) = (Arc::new(Connection::new(socket)), Arc::new(parent));
    let obeying = {
        let (connection, parent) = (Arc::clone(&connection), Arc::clone(&parent));
        move || obey(&parent, &connection)
    };
    if thread::Builder::new().name("orders".to_owned()).spawn(obeying).is_err() {
        // Nothing was said to the client yet: somebody else can serve it later.
        return Ok(ExitCode::from(NOT_NOW));
    }
    let served = (&*parent).write_all(&[READY]).and_then(|()| {
        let farewell = talk(&connection, &Terms::of(options));
        (&*parent).write_all(farewell.to_line().as_bytes())
    });
    // If it cannot be told, nobody is there to be told anything else either.
    Ok(if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was passed on to us.
fn inherited() -> io::Result<(Socket, UnixStream)> {
    let socket = Socket::from(stdin().as_fd().try_clone_to_owned()?);
    let parent = UnixStream::from(stdout().as_fd().try_clone_to_owned()?);
    socket.r#type()?;
    parent.local_addr()?;
    Ok((socket, parent))
}

fn obey(mut parent: &UnixStream, connection: &Connection) {
    let mut order = [0];
    while parent.read_exact(&mut order).is_ok() {
        match order {
            [HEAR_NO_MORE] => connection.end_reading(),
            [CUT] => connection.cut(),
            _ => break,
        }
    }
    exit(1)
}

impl Farewell {
    fn to_line(&self) -> String {
        let Self { received, sent, gone } = self;
        let gone = match gone {
            Gone::Finished => json!({ "how": "finished" }),
            Gone::Failed(why) => json!({ "how": "failed", "why": why }),
            Gone::Cancelled(Why::Idle, unsent) => json!({ "how": "idle", "unsent": unsent }),
            Gone::Cancelled(_, unsent) => json!({ "how": "drain", "unsent": unsent }),
        };
        format!("{}\n", json!({ "received": received, "sent": sent, "gone": gone }))
    }

    /// Understands such a line.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        let told: Value = serde_json::from_slice(line).ok()?;
        let gone = &told["gone"];
        let unsent = || gone["unsent"].as_u64();
        let gone = match gone["how"].as_str()? {
            "finished" => Gone::Finished,
            "failed" => Gone::Failed(gone["why"].as_str()?.to_owned()),
            "idle" => Gone::Cancelled(Why::Idle, unsent()?),
            "drain" => Gone::Cancelled(Why::Drain, unsent()?),
            _ => return None,
        };
        Some(Self { received: told["received"].as_u64()?, sent: told["sent"].as_u64()?, gone })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_child_says_is_understood() {
        for gone in [
            Gone::Finished,
            Gone::Failed("a \"reason\"\n".to_owned()),
            Gone::Cancelled(Why::Idle, 7),
            Gone::Cancelled(Why::Drain, u64::MAX),
        ] {
            let farewell = Farewell { received: 1, sent: 2, gone };
            let line = farewell.to_line();
            assert_eq!(line.find('\n'), Some(line.len() - 1));
            assert_eq!(Farewell::read(line.as_bytes()), Some(farewell));
            assert_eq!(Farewell::read(&line.as_bytes()[..line.len() / 2]), None, "cut short");
        }
    }
}
