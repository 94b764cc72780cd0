//! A script at work, on one engine: its steps write down what they see.

use std::net::{Ipv6Addr, Shutdown};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{fmt, io};

use switchboard::Address;
use switchboard::engine::{
    self, Close, Direction, Done, Engine, Fact, Failed, Lease, Listen, Op, Plan, Question, Setting, Socket,
    Submitted, Ticket,
};

use crate::reserved::ReservedPort;

/// A script at work: an engine, and what was seen.
pub(crate) struct Trial {
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) family: Family,
    pub(crate) seen: Vec<String>,
    pub(crate) reserved: Vec<ReservedPort>,
}

/// What the sockets of a trial are addressed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
    Path,
    Abstract,
}

impl Trial {
    pub(crate) fn see(&mut self, what: &str, outcome: impl fmt::Display) {
        self.seen.push(format!("{what}: {outcome}"));
    }

    /// An address where nobody is.
    pub(crate) fn address(&self) -> Address {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("switchboard-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        match self.family {
            Family::V4 => "127.0.0.1:0".parse().unwrap(),
            Family::V6 => "[::1]:0".parse().unwrap(),
            Family::Path => Address::unix(std::env::temp_dir().join(unique)),
            Family::Abstract => format!("unix:@{unique}").parse().unwrap(),
        }
    }

    /// A listener whose address is nobody else's when it is closed.
    pub(crate) fn listen(&mut self, backlog: u32) -> (Socket, Address) {
        let mut at = self.address();
        if let Address::Ip(ip) = &mut at {
            // Who is at that port of IPv4 is seen from IPv6.
            let host = if ip.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { ip.ip() };
            let port = ReservedPort::at(host);
            ip.set_port(port.address().port());
            self.reserved.push(port);
        }
        let listen = Listen { backlog, ..Listen::at(at.clone()) };
        (self.engine.open(Plan::Listen(listen)).unwrap(), at)
    }

    pub(crate) fn local(&mut self, socket: Socket) -> Address {
        match self.engine.ask(socket, Question::Local).unwrap() {
            Fact::Address(address) => address,
            other => panic!("not an address: {other:?}"),
        }
    }

    pub(crate) fn stream(&mut self, like: &Address) -> Socket {
        self.engine.open(Plan::Stream { like: like.clone() }).unwrap()
    }

    /// Both ends of a connection: the client's and the server's.
    pub(crate) fn pair(&mut self) -> (Socket, Socket) {
        let (listener, at) = self.listen(1);
        let client = self.stream(&at);
        self.run(Op::Connect { socket: client, to: at.clone() }).unwrap();
        let server = self.take_connection(listener);
        self.engine.close(listener, Close::Now);
        self.clean(&at);
        (client, server)
    }

    pub(crate) fn take_connection(&mut self, socket: Socket) -> Socket {
        match self.run(Op::Accept { socket, wait: true }).unwrap() {
            Done::Accepted { socket, .. } => socket,
            other => panic!("not a connection: {other:?}"),
        }
    }

    /// Removes a Unix socket's file, if there is one.
    pub(crate) fn clean(&self, address: &Address) {
        if let Address::Unix(engine::UnixName::Path(path)) = address {
            std::fs::remove_file(path).ok();
        }
    }

    pub(crate) fn run(&mut self, op: Op) -> Result<Done, Failed> {
        match self.engine.submit(op) {
            Submitted::Done(outcome) => outcome,
            Submitted::Pending(ticket) => {
                self.finish(ticket, Duration::from_secs(10)).expect("it never finished")
            }
        }
    }

    /// The outcome of a ticket, if it comes in time.
    pub(crate) fn finish(&mut self, ticket: Ticket, time: Duration) -> Option<Result<Done, Failed>> {
        let until = self.engine.clock() + time;
        let mut finished = Vec::new();
        loop {
            match self.engine.take(ticket) {
                Err(failed) if failed.op.is_none() && failed.error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return Some(outcome),
            }
            if self.engine.clock() >= until {
                return None;
            }
            self.engine.wait(Some(until), &mut finished).unwrap();
        }
    }

    /// Runs an operation and writes down how it ends; if it has not ended soon, that it waits.
    pub(crate) fn try_it(&mut self, what: &str, op: Op) {
        let outcome = match self.engine.submit(op) {
            Submitted::Done(outcome) => Some(outcome),
            Submitted::Pending(ticket) => {
                let outcome = self.finish(ticket, Duration::from_millis(50));
                if outcome.is_none() {
                    self.engine.cancel(ticket);
                }
                outcome
            }
        };
        self.see(what, told(outcome));
    }

    pub(crate) fn connect(&mut self, what: &str, socket: Socket, to: &Address) {
        self.try_it(what, Op::Connect { socket, to: to.clone() });
    }

    pub(crate) fn send(&mut self, what: &str, socket: Socket, bytes: &[u8]) {
        self.try_it(what, Op::Send { socket, parts: vec![Lease::from(bytes)] });
    }

    pub(crate) fn recv(&mut self, what: &str, socket: Socket) {
        self.try_it(what, Op::Recv { socket, max: 100, peek: false });
    }

    pub(crate) fn shutdown(&mut self, what: &str, socket: Socket, how: Shutdown) {
        self.try_it(what, Op::Shutdown { socket, how });
    }

    pub(crate) fn ready(&mut self, what: &str, socket: Socket) {
        self.try_it(&format!("{what}, read"), Op::Ready { socket, direction: Direction::Read });
        self.try_it(&format!("{what}, write"), Op::Ready { socket, direction: Direction::Write });
    }

    pub(crate) fn ask(&mut self, what: &str, socket: Socket, question: Question) {
        let answer = match self.engine.ask(socket, question) {
            Ok(Fact::Address(address)) => anonymous(&address),
            Ok(Fact::Error(error)) => error.map_or("no error".into(), |error| error_text(&error)),
            Ok(other) => format!("{other:?}"),
            Err(error) => error_text(&error),
        };
        self.see(&format!("{what}, {question:?}"), answer);
    }

    pub(crate) fn set(&mut self, what: &str, socket: Socket, setting: Setting) {
        let answer = self.engine.set(socket, setting);
        self.see(
            &format!("{what}, {setting:?}"),
            answer.map_or_else(|error| error_text(&error), |()| "set".into()),
        );
    }

    pub(crate) fn open(&mut self, what: &str, plan: Plan) -> Option<Socket> {
        match self.engine.open(plan) {
            Ok(socket) => Some(socket),
            Err(error) => {
                self.see(what, error_text(&error));
                None
            }
        }
    }
}

/// An address without what differs from run to run.
fn anonymous(address: &Address) -> String {
    match address {
        Address::Ip(ip) => format!("{} with {} port", ip.ip(), if ip.port() == 0 { "no" } else { "a" }),
        Address::Unix(engine::UnixName::Unnamed) => "unnamed".into(),
        Address::Unix(engine::UnixName::Path(_)) => "a path".into(),
        Address::Unix(engine::UnixName::Abstract(name)) => format!("abstract, {} long", name.len() > 5),
    }
}

pub(crate) fn told(outcome: Option<Result<Done, Failed>>) -> String {
    match outcome {
        None => "waits".into(),
        Some(Err(failed)) => error_text(&failed.error),
        Some(Ok(Done::Received { lease })) => format!("received {:?}", String::from_utf8_lossy(&lease)),
        Some(Ok(Done::Accepted { peer, .. })) => format!("accepted {}", anonymous(&peer)),
        Some(Ok(Done::Sent { bytes, .. })) => format!("sent {bytes}"),
        Some(Ok(Done::Datagram { lease, from, truncated })) => {
            let cut = if truncated { ", cut" } else { "" };
            format!("datagram {:?}{cut} from {}", String::from_utf8_lossy(&lease), anonymous(&from))
        }
        Some(Ok(other)) => format!("{other:?}"),
    }
}

fn error_text(error: &io::Error) -> String {
    format!("{:?}, {:?}", error.kind(), error.raw_os_error())
}
