//! An engine that does what another one does, and notes what was asked and told.
//!
//! It asks the engine below for nothing the program did not ask for, but for the clock and for the own address of a socket
//! that is new, both of which change nothing. What is pending is kept by its ticket, as it was asked:
//! by the time it is taken, its socket may be closed, and its name the trace's only.

use std::io::{self, IoSlice};
use std::rc::Rc;
use std::time::Instant;

use slotmap::SecondaryMap;

use super::Trace;
use super::content::Content;
use super::event::{Asked, Cause, Kind, Name, Told, What};
use crate::engine::{
    Address, Bell, Close, Descriptor, Done, Engine, Fact, Failed, Op, Plan, Pool, Question, Setting, Socket,
    Submitted, Ticket,
};

/// Notes what goes on between a program and its engine.
pub(super) struct Recorder {
    engine: Box<dyn Engine>,
    trace: Trace,
    host: Rc<str>,
    names: SecondaryMap<Socket, Name>,
    pending: SecondaryMap<Ticket, Pending>,
}

/// An operation that is to be told of.
struct Pending {
    asked: Asked,
    socket: Option<Socket>,
    /// What a send was given: by the time it is done, the buffers are empty.
    content: Content,
}

impl Recorder {
    pub(super) fn new(trace: Trace, host: Rc<str>, engine: Box<dyn Engine>) -> Self {
        Self { engine, trace, host, names: SecondaryMap::new(), pending: SecondaryMap::new() }
    }

    fn step(&self, asked: Asked, told: Told) {
        self.trace.push(Rc::clone(&self.host), self.engine.clock(), What::Step(asked, told));
    }

    /// Notes the outcome of a call that has none but success.
    fn outcome<T>(&self, asked: Asked, outcome: &io::Result<T>) {
        let told = match outcome {
            Ok(_) => Told::Done,
            Err(error) => Told::Failed(error.into()),
        };
        self.step(asked, told);
    }

    fn name_of(&self, socket: Socket) -> Name {
        self.names.get(socket).copied().unwrap_or(Name { kind: Kind::Stale, number: 0 })
    }

    /// Gives a socket its name.
    fn introduce(&mut self, socket: Socket, kind: Kind) -> Name {
        let name = self.trace.next_name(kind);
        self.names.insert(socket, name);
        name
    }

    fn local(&mut self, socket: Socket) -> Option<Address> {
        match self.engine.ask(socket, Question::Local) {
            Ok(Fact::Address(address)) => Some(address),
            _ => None,
        }
    }

    fn pending_of(&self, op: &Op) -> Pending {
        let name = |socket| self.name_of(socket);
        let mut content = Content::EMPTY;
        let asked = match op {
            Op::Accept { socket, .. } => Asked::Accept(name(*socket)),
            Op::Connect { socket, to } => Asked::Connect(name(*socket), to.clone()),
            Op::Recv { socket, peek: false, .. } => Asked::Recv(name(*socket)),
            Op::Recv { socket, peek: true, .. } => Asked::Peek(name(*socket)),
            Op::Send { socket, parts } => {
                let length = parts.iter().map(|part| part.len()).sum();
                content = Content::of_first(length, parts.iter().map(|part| &**part));
                Asked::Send(name(*socket), length)
            }
            Op::RecvFrom { socket, .. } => Asked::RecvFrom(name(*socket)),
            Op::SendTo { socket, to, part } => {
                content = Content::of(part);
                Asked::SendTo(name(*socket), to.clone())
            }
            Op::Shutdown { socket, how } => Asked::Shutdown(name(*socket), *how),
            Op::Ready { socket, direction } => Asked::Ready(name(*socket), *direction),
            Op::Release { socket } => Asked::Release(name(*socket)),
            Op::Resolve { host, port } => Asked::Resolve(host.clone(), *port),
            Op::Signal { number } => Asked::Signal(*number),
            Op::Call { .. } => Asked::Call,
        };
        Pending { asked, socket: op.socket(), content }
    }

    fn finished(&mut self, pending: Pending, outcome: &Result<Done, Failed>) {
        let Pending { asked, socket, content } = pending;
        let told = match outcome {
            Ok(done) => self.told(socket, content, done),
            Err(Failed { error, op: Some(Op::Send { parts, .. }) }) => {
                let left: usize = parts.iter().map(|part| part.len()).sum();
                failed_after(error.into(), content.len().saturating_sub(left))
            }
            Err(failed) => Told::Failed((&failed.error).into()),
        };
        self.step(asked.clone(), told);
        if let (Ok(Done::Released { parked, .. }), Some(socket)) = (outcome, socket) {
            self.names.remove(socket);
            for outcome in parked {
                self.parked(&asked, outcome);
            }
        }
    }

    fn told(&mut self, socket: Option<Socket>, content: Content, done: &Done) -> Told {
        match done {
            Done::Accepted { socket, peer } => {
                Told::Accepted(self.introduce(*socket, Kind::Stream), peer.clone())
            }
            Done::Connected => Told::Connected(socket.and_then(|socket| self.local(socket))),
            Done::Received { lease } => Told::Received(Content::of(lease)),
            Done::Sent { .. } => Told::Sent(content),
            Done::Datagram { lease, from, truncated } => {
                Told::Datagram { content: Content::of(lease), from: from.clone(), truncated: *truncated }
            }
            Done::Resolved { addresses } => Told::Resolved(addresses.clone()),
            Done::Signalled { count } => Told::Signalled(*count),
            Done::Called { outcome: Err(_) } => Told::Panicked,
            Done::Called { .. } | Done::Shutdown | Done::Ready | Done::Released { .. } => Told::Done,
        }
    }

    /// What came out with a descriptor that was released, as what would have taken it.
    fn parked(&mut self, release: &Asked, outcome: &io::Result<Done>) {
        let Some(name) = release.name() else { return };
        match outcome {
            Ok(done) => {
                let asked = match done {
                    Done::Accepted { .. } => Asked::Accept(name),
                    Done::Datagram { .. } => Asked::RecvFrom(name),
                    _ => Asked::Recv(name),
                };
                let told = self.told(None, Content::EMPTY, done);
                self.step(asked, told);
            }
            Err(error) => self.step(release.clone(), Told::Failed(error.into())),
        }
    }
}

impl Engine for Recorder {
    fn name(&self) -> &str {
        self.engine.name()
    }

    fn now(&self) -> Instant {
        self.engine.now()
    }

    fn clock(&self) -> Instant {
        self.engine.clock()
    }

    fn random(&mut self) -> u64 {
        self.engine.random()
    }

    fn open(&mut self, plan: Plan) -> io::Result<Socket> {
        let (mut kind, at) = planned(&plan);
        let foreign = matches!(plan, Plan::Adopt(Descriptor::Foreign(_)));
        let opened = self.engine.open(plan);
        match &opened {
            Ok(socket) => {
                // One that is to connect has no address yet, and a foreign one no questions to answer.
                let local = if kind == Kind::Stream || foreign { None } else { self.local(*socket) };
                if kind == Kind::Adopted && !foreign && self.engine.ask(*socket, Question::Peer).is_ok() {
                    kind = Kind::Stream;
                }
                let name = self.introduce(*socket, kind);
                self.step(Asked::Open { kind, at }, Told::Opened(name, local));
            }
            Err(error) => self.step(Asked::Open { kind, at }, Told::Failed(error.into())),
        }
        opened
    }

    fn ask(&mut self, socket: Socket, question: Question) -> io::Result<Fact> {
        self.engine.ask(socket, question)
    }

    fn set(&mut self, socket: Socket, setting: Setting) -> io::Result<()> {
        let outcome = self.engine.set(socket, setting);
        self.outcome(Asked::Set(self.name_of(socket), setting), &outcome);
        outcome
    }

    fn close(&mut self, socket: Socket, how: Close) {
        // Noted first: what comes of it in a simulated network is noted there.
        if let Some(name) = self.names.remove(socket) {
            self.step(Asked::Close(name, how), Told::Done);
        }
        self.engine.close(socket, how);
    }

    fn hurry(&mut self, socket: Socket, until: Instant) {
        self.engine.hurry(socket, until);
    }

    fn closing(&self) -> usize {
        self.engine.closing()
    }

    fn due(&self) -> Option<Instant> {
        self.engine.due()
    }

    fn prepare(&mut self) {
        self.engine.prepare();
    }

    fn operation(&self, ticket: Ticket) -> Option<&Op> {
        self.engine.operation(ticket)
    }

    fn try_recv(&mut self, socket: Socket, into: &mut [u8]) -> io::Result<usize> {
        let outcome = self.engine.try_recv(socket, into);
        let told = match &outcome {
            // For nothing that was asked for there is no answer.
            Ok(_) if into.is_empty() => return outcome,
            Ok(count) => Told::Received(Content::of(&into[..*count])),
            Err(error) => Told::Failed(error.into()),
        };
        self.step(Asked::Recv(self.name_of(socket)), told);
        outcome
    }

    fn try_send(&mut self, socket: Socket, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let outcome = self.engine.try_send(socket, parts);
        let length = parts.iter().map(|part| part.len()).sum();
        let told = match &outcome {
            Ok(count) => Told::Sent(Content::of_first(*count, parts.iter().map(|part| &**part))),
            Err(error) => Told::Failed(error.into()),
        };
        self.step(Asked::Send(self.name_of(socket), length), told);
        outcome
    }

    fn submit(&mut self, op: Op) -> Submitted {
        let pending = self.pending_of(&op);
        let submitted = self.engine.submit(op);
        match &submitted {
            Submitted::Done(outcome) => self.finished(pending, outcome),
            Submitted::Pending(ticket) => {
                self.step(pending.asked.clone(), Told::Waits);
                self.pending.insert(*ticket, pending);
            }
        }
        submitted
    }

    fn wait(&mut self, until: Option<Instant>, finished: &mut Vec<Ticket>) -> io::Result<()> {
        let outcome = self.engine.wait(until, finished);
        if outcome.is_err() {
            self.outcome(Asked::Wait, &outcome);
        }
        outcome
    }

    fn take(&mut self, ticket: Ticket) -> Result<Done, Failed> {
        let outcome = self.engine.take(ticket);
        let is_early =
            |failed: &Failed| failed.op.is_none() && failed.error.kind() == io::ErrorKind::WouldBlock;
        if !outcome.as_ref().is_err_and(is_early)
            && let Some(pending) = self.pending.remove(ticket)
        {
            self.finished(pending, &outcome);
        }
        outcome
    }

    fn cancel(&mut self, ticket: Ticket) {
        if let Some(pending) = self.pending.remove(ticket) {
            self.step(pending.asked, Told::GivenUp(pending.content));
        }
        self.engine.cancel(ticket);
    }

    fn bell(&self) -> Bell {
        self.engine.bell()
    }

    fn pool(&self) -> &Pool {
        self.engine.pool()
    }
}

fn planned(plan: &Plan) -> (Kind, Option<Address>) {
    match plan {
        Plan::Listen(listen) => (Kind::Listener, Some(listen.address.clone())),
        Plan::Stream { .. } => (Kind::Stream, None),
        Plan::Datagram { bind } => (Kind::Datagram, Some(bind.clone())),
        Plan::Adopt(_) => (Kind::Adopted, None),
    }
}

fn failed_after(cause: Cause, bytes: usize) -> Told {
    if bytes == 0 { Told::Failed(cause) } else { Told::FailedAfter(cause, bytes) }
}
