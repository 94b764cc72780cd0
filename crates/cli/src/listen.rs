//! From what is meant to a socket that listens: the host is resolved, the first address that can be bound is
//! taken, and a refusal is explained.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use switchboard::engine::{
    Address, Done, Fact, Failed, Listen, Op, Plan, Question, Socket, Submitted, Ticket,
};
use switchboard::event_loop::Completion;
use switchboard::net::Target;
use switchboard::{Engine, EventLoop};

use crate::error::{Error, is_out_of_descriptors, reason};

/// Listens, and says where: the port may have been left to the system.
pub(crate) fn open(event_loop: &EventLoop, target: &Target) -> Result<(Socket, SocketAddr), Error> {
    let addresses = match target {
        Target::Address(Address::Ip(address)) => vec![*address],
        Target::Address(_) => {
            return Err(Error::wrong_use(format_args!(
                "--listen {target}: Unix sockets cannot be served yet"
            )));
        }
        Target::Host { host, port } => resolve(event_loop, host, *port).map_err(|error| {
            Error::refused(format_args!(
                "cannot listen on {target}: cannot find the host ({}); check its name, or give an IP address",
                reason(&error)
            ))
        })?,
    };
    let mut refusal = None;
    for address in addresses {
        match bind(&mut **event_loop.engine(), address) {
            Ok(listening) => return Ok(listening),
            // A host's addresses need not all be here; what hinders the one that is tells more.
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable && refusal.is_some() => {}
            Err(error) => refusal = Some((address, error)),
        }
    }
    Err(Error::refused(match refusal {
        Some((address, error)) => explain(target, address, &error),
        None => format!("cannot listen on {target}: the host has no address; give an IP address"),
    }))
}

fn bind(engine: &mut dyn Engine, address: SocketAddr) -> io::Result<(Socket, SocketAddr)> {
    let socket = engine.open(Plan::Listen(Listen::at(address.into())))?;
    match engine.ask(socket, Question::Local)? {
        Fact::Address(Address::Ip(address)) => Ok((socket, address)),
        other => unreachable!("an IP listener has an IP address, not {other:?}"),
    }
}

fn resolve(event_loop: &EventLoop, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let answer = Rc::new(Answer::default());
    let op = Op::Resolve { host: host.to_owned(), port };
    let mut outcome = match event_loop.submit(op, Rc::<Answer>::clone(&answer)) {
        Submitted::Done(outcome) => Some(outcome),
        Submitted::Pending(_) => None,
    };
    loop {
        match outcome {
            Some(Ok(Done::Resolved { addresses })) => return Ok(addresses),
            Some(Ok(other)) => unreachable!("a name is resolved to addresses, not to {other:?}"),
            Some(Err(failed)) => return Err(failed.error),
            None => event_loop.turn(None)?,
        }
        outcome = answer.outcome.take();
    }
}

/// Keeps an outcome for the one who turns the loop until it is there.
#[derive(Default)]
struct Answer {
    outcome: RefCell<Option<Result<Done, Failed>>>,
}

impl Completion for Answer {
    fn complete(self: Rc<Self>, _: &EventLoop, _: Ticket, outcome: Result<Done, Failed>) {
        self.outcome.replace(Some(outcome));
    }
}

/// What hindered it, and what to do.
fn explain(target: &Target, address: SocketAddr, error: &io::Error) -> String {
    let found = match target {
        Target::Address(_) => String::new(),
        Target::Host { .. } => format!(" ({address})"),
    };
    let what = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "address already in use; stop what listens there, or choose another port with --listen \
             (port 0 takes a free one)"
                .to_owned()
        }
        io::ErrorKind::PermissionDenied if (1..1024).contains(&address.port()) => {
            "permission denied; ports below 1024 need root".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => {
            "not an address of this machine; give one that is with --listen, or 0.0.0.0 for all of them"
                .to_owned()
        }
        _ if is_out_of_descriptors(error) => {
            format!("{}; close some, or allow more with `ulimit -n`", reason(error))
        }
        _ => format!("{}; choose another address with --listen", reason(error)),
    };
    format!("cannot listen on {target}{found}: {what}")
}
