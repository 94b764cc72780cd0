//! What a program observed of each of its sockets, without what differs from mechanism to mechanism.
//!
//! Left out are times, readiness, what had to wait, looks that consume nothing, and the order between sockets and
//! between the two directions of one. How bytes are cut is no promise of any engine, so what was received in a row is
//! one piece, and what was sent, too. Ports are the system's choice: an address is called after who is there, and
//! a socket after the part it plays.

use std::collections::HashMap;
use std::net::Shutdown;

use super::content::Content;
use super::event::{Asked, Cause, Event, Kind, Name, Told, What, manner};
use crate::engine::Address;

/// All that a program observed of one socket; or of something else that it asked for.
pub(super) struct History {
    /// The part it plays. Several may play the same.
    pub(super) role: String,
    beginning: Vec<Line>,
    received: Vec<Line>,
    sent: Vec<Line>,
    end: Vec<Line>,
}

#[derive(PartialEq, Eq)]
enum Line {
    Text(String),
    /// What was done with them, and the bytes.
    Bytes(&'static str, Content),
    /// How often a signal came.
    Times(u64),
}

/// The histories of all that a trace knows of, in the order in which they began.
pub(super) fn histories(events: &[Event]) -> Vec<History> {
    let mut historian = Historian::default();
    for event in events {
        if let What::Step(asked, told) = &event.what {
            historian.read(&event.host, asked, told);
        }
    }
    historian.histories
}

#[derive(Default)]
struct Historian {
    histories: Vec<History>,
    /// Where the history of a socket is, by its number.
    sockets: HashMap<u32, usize>,
    /// Who is at an address.
    places: HashMap<Address, String>,
    /// How many sockets of a kind a host has opened.
    counts: HashMap<(String, Kind), usize>,
}

impl History {
    fn new(role: String, beginning: &str) -> Self {
        let beginning = vec![Line::Text(beginning.to_owned())];
        Self { role, beginning, received: Vec::new(), sent: Vec::new(), end: Vec::new() }
    }

    /// As lines to be compared: how it began, what was received, what was sent, how it ended.
    pub(super) fn lines(&self) -> Vec<String> {
        let all = [&self.beginning, &self.received, &self.sent, &self.end];
        all.into_iter().flatten().map(Line::to_string).collect()
    }
}

impl Historian {
    fn read(&mut self, host: &str, asked: &Asked, told: &Told) {
        match asked {
            Asked::Open { kind, at } => self.opened(host, *kind, at.as_ref(), told),
            Asked::Resolve(name, _) => self.alone(role(host, &format!("look-up of {name}")), told),
            Asked::Signal(number) => self.signal(host, *number, told),
            Asked::Call => self.alone(role(host, "call"), told),
            Asked::Wait => self.alone(role(host, "wait"), told),
            Asked::Connect(name, to) => self.connecting(host, *name, to, told),
            Asked::Accept(name) => self.accepting(host, *name, told),
            // They consume nothing, and how often they are asked for is a matter of timing.
            Asked::Peek(_) | Asked::Ready(..) => {}
            _ => self.of_a_socket(host, asked, told),
        }
    }

    fn opened(&mut self, host: &str, kind: Kind, at: Option<&Address>, told: &Told) {
        match told {
            Told::Opened(name, local) => {
                let part = match (kind, local) {
                    (Kind::Stream, None) => role(host, "stream that never connects"),
                    (Kind::Stream, Some(_)) => role(host, "adopted stream"),
                    (Kind::Adopted, _) => role(host, "adopted socket"),
                    _ => {
                        let count = self.counts.entry((host.to_owned(), kind)).or_default();
                        *count += 1;
                        role(host, &format!("{} {count}", kind.noun()))
                    }
                };
                if let (Kind::Listener | Kind::Datagram, Some(local)) = (kind, local) {
                    self.places.insert(local.clone(), part.clone());
                }
                self.begin(*name, History::new(part, "opened"));
            }
            Told::Failed(cause) => {
                let at = at.map(|at| format!(" at {}", self.place(at))).unwrap_or_default();
                let part = role(host, &format!("{} that cannot be opened", kind.noun()));
                self.histories.push(History::new(part, &format!("open{at}: {cause}")));
            }
            _ => {}
        }
    }

    fn connecting(&mut self, host: &str, name: Name, to: &Address, told: &Told) {
        let place = self.place(to);
        let history = self.history(host, name);
        if history.role == role(host, "stream that never connects") {
            history.role = format!("{} to {place}", role(host, "stream"));
        }
        match told {
            Told::Connected(_) => history.beginning.push(Line::Text(format!("connected to {place}"))),
            Told::Failed(cause) => {
                history.beginning.push(Line::Text(format!("connect to {place}: {cause}")));
            }
            _ => {}
        }
    }

    fn accepting(&mut self, host: &str, listener: Name, told: &Told) {
        match told {
            Told::Accepted(name, peer) => {
                let part = format!("stream accepted by {}", self.history(host, listener).role);
                let from = match peer {
                    Address::Ip(peer) => peer.ip().to_string(),
                    Address::Unix(_) => "a Unix socket".to_owned(),
                };
                self.begin(*name, History::new(part, &format!("accepted from {from}")));
            }
            Told::Failed(cause) if is_told(*cause) => {
                self.history(host, listener).received.push(Line::Text(format!("accept: {cause}")));
            }
            _ => {}
        }
    }

    fn of_a_socket(&mut self, host: &str, asked: &Asked, told: &Told) {
        let Some(name) = asked.name() else { return };
        let from = match told {
            Told::Datagram { from, .. } => self.place(from),
            _ => String::new(),
        };
        let to = match asked {
            Asked::SendTo(_, to) => self.place(to),
            _ => String::new(),
        };
        let history = self.history(host, name);
        let list = match asked {
            Asked::Recv(_) | Asked::RecvFrom(_) | Asked::Shutdown(_, Shutdown::Read) => &mut history.received,
            Asked::Send(..) | Asked::SendTo(..) | Asked::Shutdown(..) => &mut history.sent,
            Asked::Set(..) => &mut history.beginning,
            _ => &mut history.end,
        };
        match told {
            Told::Received(content) if content.is_empty() => push_once(list, "received the end".to_owned()),
            Told::Received(content) => push_bytes(list, "received", content),
            Told::Datagram { content, truncated, .. } => {
                let cut = if *truncated { ", cut" } else { "" };
                list.push(Line::Text(format!("received {content} from {from}{cut}")));
            }
            // The engine has promised to send it, so it makes no difference whether somebody waited for that.
            Told::Sent(content) | Told::GivenUp(content) => match asked {
                Asked::SendTo(..) => list.push(Line::Text(format!("sent {content} to {to}"))),
                Asked::Send(..) => push_bytes(list, "sent", content),
                _ => {}
            },
            Told::Failed(cause) | Told::FailedAfter(cause, _) if is_told(*cause) => {
                list.push(Line::Text(format!("{}: {cause}", asked.verb())));
            }
            Told::Done => list.extend(done(asked).map(Line::Text)),
            _ => {}
        }
    }

    fn signal(&mut self, host: &str, number: i32, told: &Told) {
        let part = role(host, &format!("signal {number}"));
        let Told::Signalled(count) = told else { return self.alone(part, told) };
        let known = self.histories.iter_mut().find(|history| history.role == part);
        if let Some(Line::Times(times)) = known.and_then(|history| history.end.last_mut()) {
            *times += count;
            return;
        }
        let mut history = History::new(part, "asked for");
        history.end.push(Line::Times(*count));
        self.histories.push(history);
    }

    /// Something asked for that has no socket, once it is over.
    fn alone(&mut self, part: String, told: &Told) {
        let end = match told {
            Told::Failed(cause) => cause.to_string(),
            Told::Panicked => "panicked".to_owned(),
            Told::Done | Told::Resolved(_) => "done".to_owned(),
            _ => return,
        };
        self.histories.push(History::new(part, &end));
    }

    fn begin(&mut self, name: Name, history: History) {
        self.sockets.insert(name.number, self.histories.len());
        self.histories.push(history);
    }

    fn history(&mut self, host: &str, name: Name) -> &mut History {
        if !self.sockets.contains_key(&name.number) {
            self.begin(name, History::new(role(host, name.kind.noun()), "used"));
        }
        &mut self.histories[self.sockets[&name.number]]
    }

    /// Who is at an address; or the address, without a port that is nobody's choice.
    fn place(&self, address: &Address) -> String {
        if let Some(part) = self.places.get(address) {
            return part.clone();
        }
        let Address::Ip(ip) = address else { return address.to_string() };
        let mut anywhere = *ip;
        anywhere.set_ip(if ip.is_ipv4() { [0, 0, 0, 0].into() } else { [0u16; 8].into() });
        match self.places.get(&Address::Ip(anywhere)) {
            Some(part) => part.clone(),
            None if ip.port() >= FIRST_EPHEMERAL => format!("a port of {}", ip.ip()),
            None => address.to_string(),
        }
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Bytes(verb, content) => write!(f, "{verb} {content}"),
            Self::Times(times) => write!(f, "came {times}x"),
        }
    }
}

/// The part that something plays, on its host.
fn role(host: &str, part: &str) -> String {
    if host.is_empty() { part.to_owned() } else { format!("{part} of {host}") }
}

fn done(asked: &Asked) -> Option<String> {
    Some(match asked {
        Asked::Set(_, setting) => format!("set {setting:?}"),
        Asked::Shutdown(_, Shutdown::Read) => "ended receiving".to_owned(),
        Asked::Shutdown(_, Shutdown::Write) => "ended sending".to_owned(),
        Asked::Shutdown(_, Shutdown::Both) => "ended sending and receiving".to_owned(),
        Asked::Release(_) => "released".to_owned(),
        Asked::Close(_, how) => format!("closed {}", manner(*how)),
        _ => return None,
    })
}

/// Whether an error tells of anything but that it is too early.
fn is_told(cause: Cause) -> bool {
    cause.kind != std::io::ErrorKind::WouldBlock
}

fn push_bytes(list: &mut Vec<Line>, verb: &'static str, content: &Content) {
    match list.last_mut() {
        Some(Line::Bytes(_, all)) => all.join(content),
        _ if content.is_empty() => {}
        _ => list.push(Line::Bytes(verb, *content)),
    }
}

/// Adds what does not become more by being told again.
fn push_once(list: &mut Vec<Line>, text: String) {
    let line = Line::Text(text);
    if list.last() != Some(&line) {
        list.push(line);
    }
}

/// From here on ports are the system's choice, on Linux (ip(7)); those after RFC 6335 lie higher still.
const FIRST_EPHEMERAL: u16 = 32_768;
