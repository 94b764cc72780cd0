//! Whether io_uring works here: asked by working with it, and remembered.
//!
//! A version says little: filters refuse single calls, and distributions carry changes back and forth.
//! So a small ring does once what a server's ring does all day.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use super::Ring;
use super::deadline::Deadline;
use crate::error::refused;
use crate::features::Features;
use crate::reply::{Outcome, Reply};
use crate::request::Request;
use crate::setup::Setup;

/// Whether a [`Ring`] works here, and with which comforts.
///
/// The first call does real work with a small one: a receive into a buffer of the group, a cancellation,
/// a wait with a timeout. It takes about a millisecond, on a thread of its own: when a ring is gone, the
/// kernel interrupts the thread that had it once more (EINTR), which is no way to thank for a question.
/// The answer is remembered for the process.
///
/// # Errors
///
/// What refused, and the likely reason: `PermissionDenied` if it is forbidden, `Unsupported` if it is not
/// there or too old.
pub fn probe() -> io::Result<Features> {
    static ANSWER: OnceLock<Result<Features, (io::ErrorKind, String)>> = OnceLock::new();
    let answer = ANSWER.get_or_init(|| apart().map_err(|error| (error.kind(), error.to_string())));
    answer.clone().map_err(|(kind, text)| refused(kind, text))
}

fn apart() -> io::Result<Features> {
    let thread = thread::Builder::new().name("switchboard-probe".into());
    #[expect(clippy::disallowed_methods, reason = "a ring on its own has no engine to ask for a thread")]
    let probing = thread.spawn(work)?;
    let died = |_| refused(io::ErrorKind::Unsupported, "the probe of io_uring panicked");
    probing.join().map_err(died)?
}

type Small = Ring<UnixStream, Vec<u8>>;

fn work() -> io::Result<Features> {
    let mut ring = Small::new(Setup { entries: 8, buffers: 2 })?;
    ring.provide(vec![0; 16]);
    let (near, mut far) = UnixStream::pair()?;
    let receive = |stream| Request::Receive { stream, multishot: false, poll_first: true };

    let token = ring.push(receive(near));
    ring.enter(Some(Duration::ZERO))?;
    far.write_all(b"hello")?;
    let reply = soon(&mut ring)?;
    let near = match (reply.outcome, reply.request) {
        (Ok(Outcome::Received { buffer, count: 5, .. }), Some(request))
            if reply.token == token && &buffer[..5] == b"hello" =>
        {
            request.into_descriptor()
        }
        (outcome, _) => return Err(strange("a receive", outcome)),
    };

    ring.provide(vec![0; 16]);
    let token = ring.push(receive(near));
    let deadline = Deadline::start(Some(NAP));
    ring.enter(Some(NAP))?;
    if let Some(reply) = ring.reply() {
        return Err(strange("a receive of nothing", reply.outcome));
    }
    if !deadline.is_over() {
        return Err(refused(io::ErrorKind::Unsupported, "io_uring does not keep its timeouts"));
    }
    ring.cancel(token);
    match soon(&mut ring)?.outcome {
        Err(error) if error.raw_os_error() == Some(libc::ECANCELED) => {
            Ok(Features { is_deferred: ring.is_deferred() })
        }
        outcome => Err(strange("a cancelled receive", outcome)),
    }
}

fn soon(ring: &mut Small) -> io::Result<Reply<UnixStream, Vec<u8>>> {
    ring.enter(Some(SOON))?;
    let silence = || refused(io::ErrorKind::Unsupported, "io_uring does not answer here");
    ring.reply().ok_or_else(silence)
}

fn strange(what: &str, outcome: io::Result<Outcome>) -> io::Error {
    let text = format_args!("io_uring answers {what} with {outcome:?}: too old, or too different");
    refused(io::ErrorKind::Unsupported, text)
}

const NAP: Duration = Duration::from_millis(1);
const SOON: Duration = Duration::from_secs(1);
