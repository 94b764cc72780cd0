//! One line of a trace: when, on which host, what was asked of the engine and what it told.
//!
//! Sockets have the numbers they were given by the trace, in the order in which they appeared. Two runs that do the same
//! have equal lines, whatever the descriptors were.

use std::net::{Shutdown, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use std::{fmt, io};

use super::content::Content;
use crate::engine::{Address, Close, Direction, Setting};

/// What happened once.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// Since the trace began.
    pub(super) at: Duration,
    /// Empty where there is but one.
    pub(super) host: Rc<str>,
    pub(super) what: What,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum What {
    /// Something of the program and its engine.
    Step(Asked, Told),
    /// Something of others.
    Note(Box<str>),
}

/// What a program asked.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Asked {
    Open { kind: Kind, at: Option<Address> },
    Set(Name, Setting),
    Accept(Name),
    Connect(Name, Address),
    Recv(Name),
    Peek(Name),
    Send(Name, usize),
    RecvFrom(Name),
    SendTo(Name, Address),
    Shutdown(Name, Shutdown),
    Ready(Name, Direction),
    Release(Name),
    Close(Name, Close),
    Resolve(String, u16),
    Signal(i32),
    Call,
    Wait,
}

/// What it was told.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Told {
    Done,
    /// It is pending.
    Waits,
    /// Nobody waits for it any more. A send goes on, with these bytes.
    GivenUp(Content),
    Failed(Cause),
    /// After so many bytes of a send.
    FailedAfter(Cause, usize),
    Opened(Name, Option<Address>),
    Accepted(Name, Address),
    /// The stream's own address.
    Connected(Option<Address>),
    Received(Content),
    Sent(Content),
    Datagram {
        content: Content,
        from: Address,
        truncated: bool,
    },
    Resolved(Vec<SocketAddr>),
    /// How often a signal came.
    Signalled(u64),
    /// The work of a call panicked.
    Panicked,
}

/// A socket, as a trace calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) kind: Kind,
    pub(super) number: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Listener,
    Stream,
    Datagram,
    /// Taken over, and of no connection.
    Adopted,
    /// The name of none: it was closed before.
    Stale,
}

/// An error, without what differs from system to system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cause {
    pub(super) kind: io::ErrorKind,
    /// Only where the kind says nothing.
    code: Option<i32>,
}

impl Event {
    /// One line, the host in a column of that width; none if no host has a name.
    pub(super) fn line(&self, host_width: usize) -> String {
        let seconds = format!("{}.{:06}", self.at.as_secs(), self.at.subsec_micros());
        match host_width {
            0 => format!("{seconds}  {}", self.what),
            _ => format!("{seconds}  {:host_width$}  {}", self.host, self.what),
        }
    }
}

impl From<&io::Error> for Cause {
    fn from(error: &io::Error) -> Self {
        // The kind of what has no kind cannot be named.
        let code = error.raw_os_error().filter(|_| format!("{:?}", error.kind()) == "Uncategorized");
        Self { kind: error.kind(), code }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Note(text) => f.write_str(text),
            Self::Step(asked, told) => {
                write!(f, "{:9}", asked.verb())?;
                asked.about(f)?;
                told.after(asked, f)
            }
        }
    }
}

impl Asked {
    /// The system call's name, where there is one.
    pub(super) fn verb(&self) -> &'static str {
        match self {
            Self::Open { .. } => "open",
            Self::Set(..) => "set",
            Self::Accept(_) => "accept",
            Self::Connect(..) => "connect",
            Self::Recv(_) => "recv",
            Self::Peek(_) => "peek",
            Self::Send(..) => "send",
            Self::RecvFrom(_) => "recvfrom",
            Self::SendTo(..) => "sendto",
            Self::Shutdown(..) => "shutdown",
            Self::Ready(..) => "ready",
            Self::Release(_) => "release",
            Self::Close(..) => "close",
            Self::Resolve(..) => "resolve",
            Self::Signal(_) => "signal",
            Self::Call => "call",
            Self::Wait => "wait",
        }
    }

    fn about(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Of one that was opened, its name and its own address say more.
            Self::Open { .. } | Self::Call | Self::Wait => Ok(()),
            Self::Set(name, setting) => write!(f, "{name} {setting:?}"),
            Self::Connect(name, to) | Self::SendTo(name, to) => write!(f, "{name} to {to}"),
            Self::Shutdown(name, Shutdown::Read) => write!(f, "{name} to read"),
            Self::Shutdown(name, Shutdown::Write) => write!(f, "{name} to write"),
            Self::Shutdown(name, Shutdown::Both) => write!(f, "{name} both ways"),
            Self::Ready(name, Direction::Read) => write!(f, "{name} to read"),
            Self::Ready(name, Direction::Write) => write!(f, "{name} to write"),
            Self::Close(name, how) => {
                write!(f, "{name} {}", manner(*how))?;
                match *how {
                    Close::Gently { bytes, time } if *how != Close::GENTLY => {
                        write!(f, ", {bytes} bytes and {time:?} at most")
                    }
                    _ => Ok(()),
                }
            }
            Self::Resolve(host, port) => write!(f, "{host}:{port}"),
            Self::Signal(number) => write!(f, "{number}"),
            Self::Accept(name)
            | Self::Recv(name)
            | Self::Peek(name)
            | Self::Send(name, _)
            | Self::RecvFrom(name)
            | Self::Release(name) => write!(f, "{name}"),
        }
    }

    /// The socket it is about.
    pub(super) fn name(&self) -> Option<Name> {
        match *self {
            Self::Set(name, _)
            | Self::Accept(name)
            | Self::Connect(name, _)
            | Self::Recv(name)
            | Self::Peek(name)
            | Self::Send(name, _)
            | Self::RecvFrom(name)
            | Self::SendTo(name, _)
            | Self::Shutdown(name, _)
            | Self::Ready(name, _)
            | Self::Release(name)
            | Self::Close(name, _) => Some(name),
            Self::Open { .. } | Self::Resolve(..) | Self::Signal(_) | Self::Call | Self::Wait => None,
        }
    }
}

impl Told {
    /// The end of the line that begins with what was asked.
    fn after(&self, asked: &Asked, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Asked::Open { kind, at }, Self::Failed(cause)) = (asked, self) {
            let at = at.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
            return write!(f, "{}{at}: {cause}", kind.noun());
        }
        let colon = if matches!(asked, Asked::Call | Asked::Wait) { "" } else { ": " };
        match self {
            Self::Done => match asked {
                Asked::Call => write!(f, "{colon}returned"),
                Asked::Ready(..) => write!(f, "{colon}now"),
                _ => Ok(()),
            },
            Self::Waits => write!(f, "{colon}waits"),
            Self::GivenUp(content) if content.is_empty() => write!(f, "{colon}given up"),
            Self::GivenUp(content) => write!(f, ": {content}, not waited for"),
            Self::Failed(cause) => write!(f, "{colon}{cause}"),
            Self::FailedAfter(cause, bytes) => write!(f, ": {cause} after {bytes}{}", of_all(asked)),
            Self::Opened(name, None) => write!(f, "{name}"),
            Self::Opened(name, Some(at)) => write!(f, "{name} at {at}"),
            Self::Accepted(name, peer) => write!(f, " -> {name} from {peer}"),
            Self::Connected(None) => f.write_str(": connected"),
            Self::Connected(Some(from)) => write!(f, ": connected from {from}"),
            Self::Received(content) if content.is_empty() => f.write_str(": end"),
            Self::Received(content) => write!(f, ": {content}"),
            Self::Sent(content) if is_all(asked, content) => write!(f, ": {content}"),
            Self::Sent(content) => {
                write!(f, ": {}{} {}", content.len(), of_all(asked), content.excerpt())
            }
            Self::Datagram { content, from, truncated } => {
                write!(f, ": {content} from {from}{}", if *truncated { ", cut" } else { "" })
            }
            Self::Resolved(addresses) => {
                let list: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                write!(f, ": {}", list.join(", "))
            }
            Self::Signalled(count) => write!(f, ": came {count}x"),
            Self::Panicked => write!(f, "{colon}panicked"),
        }
    }
}

fn is_all(asked: &Asked, content: &Content) -> bool {
    !matches!(asked, Asked::Send(_, all) if *all != content.len())
}

fn of_all(asked: &Asked) -> String {
    match asked {
        Asked::Send(_, all) => format!(" of {all} bytes"),
        _ => " bytes".to_owned(),
    }
}

impl Kind {
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Stream => "stream",
            Self::Datagram => "datagram socket",
            Self::Adopted => "adopted socket",
            Self::Stale => "closed socket",
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Stale => f.write_str(self.kind.noun()),
            kind => write!(f, "{} {}", kind.noun(), self.number),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => io::Error::from_raw_os_error(code).fmt(f),
            None => self.kind.fmt(f),
        }
    }
}

pub(super) fn manner(how: Close) -> &'static str {
    match how {
        Close::Gently { .. } => "gently",
        Close::Now => "at once",
        Close::Reset => "with a reset",
    }
}
