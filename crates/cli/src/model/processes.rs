//! *processes*: a process for each client, another of the same program, to which the connection is passed on.
//!
//! What befalls one process befalls no other: a client whose process is killed takes nobody along, and is reported. The
//! system tidies up after it. The price is a process each, so `--limit` bounds them; and nothing is shared, so that the
//! two talk over a socket pair: orders go there, and the books come back (`child`). Its end is the end of either side.

mod child;
mod program;

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use switchboard::engine::Address;
use switchboard::server::Why;
use switchboard_selector::Key;

pub(crate) use self::child::serve as serve_one;
use self::child::{CUT, HEAR_NO_MORE, NOT_NOW, READY};
use self::program::{Program, fate};
use super::talk::Farewell;
use crate::error::reason;
use crate::serve::drain::Phase;
use crate::serve::end::End;
use crate::serve::ledger::Gone;
use crate::serve::options::Options;
use crate::serve::reception::{Newcomer, Next, Reception, now};

/// Serves until a signal.
pub(super) fn serve(listeners: Vec<OwnedFd>, options: &Options, ready: impl FnOnce()) -> io::Result<End> {
    let program = Program::this()?;
    let mut reception = Reception::open(listeners, options, None)?;
    let mut clients = HashMap::new();
    ready();
    loop {
        match reception.next()? {
            Next::Client(newcomer) => {
                if let Some((key, client)) = Client::start(newcomer, &program, &mut reception) {
                    let (process, peer) = (client.process.id(), &client.peer);
                    options.explain.tell(|| format!("{peer} is served by process {process}"));
                    clients.insert(key, client);
                }
            }
            Next::Woken(keys) => {
                for key in keys {
                    if clients.get_mut(&key).is_some_and(Client::has_ended) {
                        let client = clients.remove(&key).expect("it was there");
                        reception.unwatch(key)?;
                        client.part(&mut reception);
                    }
                }
            }
            Next::Entered(Phase::LastWords) => clients.values().for_each(|client| client.order(HEAR_NO_MORE)),
            Next::Entered(Phase::Over) => {
                clients.values().for_each(|client| client.order(CUT));
                reception.set_alarm(now() + OBEDIENCE);
            }
            Next::Entered(_) => {}
            // Stopped, perhaps: that is no way to stay.
            Next::Alarm => clients.values_mut().for_each(Client::kill),
            Next::Ended(end) => return Ok(end),
        }
    }
}

/// Somebody who is being served.
struct Client {
    process: Child,
    /// Orders go there, and the books come back.
    line: Rc<UnixStream>,
    said: Vec<u8>,
    /// Until the child has begun: then the connection is the child's alone.
    newcomer: Option<Newcomer>,
    peer: Address,
    since: Instant,
    /// It did not obey at the end, and was killed.
    killed: bool,
}

impl Client {
    /// Gives a client a process. If none is to be had, the client is kept.
    fn start(newcomer: Newcomer, program: &Program, reception: &mut Reception) -> Option<(Key, Self)> {
        match program.spawn(&newcomer.socket, reception) {
            Ok((key, process, line)) => {
                let (peer, since, said) = (newcomer.peer.clone(), newcomer.since, Vec::new());
                Some((
                    key,
                    Self { process, line, said, peer, since, newcomer: Some(newcomer), killed: false },
                ))
            }
            Err(error) => {
                reception.keep(newcomer, NONE_TO_BE_HAD, &error);
                None
            }
        }
    }

    /// A child that has ended gets none.
    fn order(&self, order: u8) {
        (&*self.line).write_all(&[order]).ok();
    }

    fn kill(&mut self) {
        self.killed = true;
        self.process.kill().ok();
    }

    /// Takes in what the child says. It ends its side by ending.
    fn has_ended(&mut self) -> bool {
        let read = (&*self.line).read_to_end(&mut self.said);
        if self.said.first() == Some(&READY) {
            self.newcomer = None;
        }
        !read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Reaps the child, and writes down what it said. A client that it has not begun with is kept for another.
    fn part(mut self, reception: &mut Reception) {
        let lost = |why| Farewell { received: 0, sent: 0, gone: Gone::Failed(why) };
        let ended = self.process.wait();
        if let Some(newcomer) = self.newcomer {
            let not_now = ended.as_ref().is_ok_and(|status| status.code() == Some(NOT_NOW.into()));
            let why = match ended {
                _ if not_now => Errno::AGAIN.into(),
                Ok(status) => io::Error::other(fate(status)),
                Err(error) => error,
            };
            return reception.keep(newcomer, NONE_TO_BE_HAD, &why);
        }
        let Farewell { received, sent, gone } = match ended {
            // What it had sent, and not, is not known.
            _ if self.killed => Farewell { gone: Gone::Cancelled(Why::Drain, 0), ..lost(String::new()) },
            Ok(status) if status.success() => Farewell::read(&self.said)
                .unwrap_or_else(|| lost("its process did not say how it went".to_owned())),
            Ok(status) => lost(fate(status)),
            Err(error) => lost(format!("its process cannot be waited for: {}", reason(&error))),
        };
        reception.dismiss(&self.peer, self.since, (received, sent), &gone);
    }
}

/// How long a child may take to let go when it is told to.
const OBEDIENCE: Duration = Duration::from_secs(1);

const NONE_TO_BE_HAD: &str = "there is no process to be had";
