//! How an exchange ended: what is said of it, and the exit code.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use super::traffic::Traffic;
use super::{Options, Transport};
use crate::error::{Error, reason, say};
use crate::stop::Signal;

/// Why an exchange is over.
#[derive(Debug)]
pub(super) enum Ending {
    /// The peer has ended, and so have we.
    Finished,
    /// The reader of stdout has had enough.
    ReaderGone,
    /// The connection broke while we received.
    Broken(io::Error),
    /// The connection broke while we sent, although the peer had ended in good order.
    Unsent(io::Error),
    Unread(io::Error),
    Unprinted(io::Error),
    Idle(Duration),
    /// By the menu.
    Quit,
    /// The script expected something else.
    Mismatch(String),
    Signal(Signal),
}

impl Ending {
    /// Tells how it ended.
    pub(super) fn tell(self, options: &Options, traffic: &Traffic) -> Result<ExitCode, Error> {
        let (sent, received, time) = (traffic.sent.get(), traffic.received.get(), traffic.time());
        tracing::info!("ended ({}); sent {sent} bytes, received {received} in {time:.1?}", self.name());
        if options.json {
            let told = json!({
                "event": "ended",
                "how": self.name(),
                "sent": sent,
                "received": received,
                "seconds": time.as_secs_f64(),
            });
            say(&told.to_string());
        }
        let target = &options.target;
        let refused = |what: String| Err(Error::refused(what));
        match self {
            Self::Finished | Self::ReaderGone | Self::Quit => Ok(ExitCode::SUCCESS),
            Self::Broken(error) if matches!(options.transport, Transport::Datagrams(_)) => refused(format!(
                "cannot reach {target}: {}; does anybody listen on that port of UDP?",
                reason(&error)
            )),
            Self::Broken(error) => refused(format!("the connection to {target} broke: {}", reason(&error))),
            Self::Unsent(error) => refused(format!(
                "cannot send all to {target}: {}; it took {sent} bytes at most",
                reason(&error)
            )),
            Self::Unread(error) => refused(format!("cannot read stdin: {}", reason(&error))),
            Self::Unprinted(error) => refused(format!("cannot write on stdout: {}", reason(&error))),
            Self::Idle(time) => Err(Error::missed(format_args!(
                "nothing has gone over the connection to {target} for {time:?}, as --idle-timeout has it"
            ))),
            Self::Mismatch(what) => {
                Err(Error::missed(format_args!("{target} does not do as the script expects: {what}")))
            }
            Self::Signal(signal) => Ok(ExitCode::from(128 + signal.number)),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::ReaderGone => "stdout closed",
            Self::Broken(_) => "broken",
            Self::Unsent(_) => "not all sent",
            Self::Unread(_) => "stdin failed",
            Self::Unprinted(_) => "stdout failed",
            Self::Idle(_) => "idle",
            Self::Quit => "quit",
            Self::Mismatch(_) => "mismatch",
            Self::Signal(signal) => signal.name,
        }
    }
}
