//! A socket of the engine as its holders have it: a name, the loop it belongs to, and closed when it is dropped.

use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use super::traffic::Traffic;
use crate::engine::{
    Address, Close, Direction, Fact, Op, Plan, Question, Setting, Socket, Submitted, Ticket,
};
use crate::event_loop::EventLoop;
use crate::event_loop::WeakHandle;
use crate::task::elsewhere;

/// One socket's. Streams share it among their halves.
#[derive(Debug)]
pub(super) struct Endpoint {
    home: WeakHandle,
    socket: Socket,
    pub(super) traffic: Option<Arc<Traffic>>,
    /// A send was broken off in its middle: a peer that received an end after it would take the half for a whole.
    cut: AtomicBool,
}

impl Endpoint {
    /// Opens a socket on the loop that runs this code.
    pub(super) fn open(plan: Plan) -> io::Result<Self> {
        let event_loop = EventLoop::current().ok_or_else(elsewhere)?;
        let socket = event_loop.engine().open(plan)?;
        Ok(Self::new(&event_loop, socket))
    }

    /// Takes over a socket of this loop.
    pub(super) fn new(event_loop: &EventLoop, socket: Socket) -> Self {
        Self { home: event_loop.weak_handle(), socket, traffic: None, cut: AtomicBool::new(false) }
    }

    /// The loop it belongs to, if that runs this code.
    pub(super) fn event_loop(&self) -> io::Result<EventLoop> {
        self.home.current().ok_or_else(elsewhere)
    }

    /// Its name, if its loop runs this code: in another engine it would name another's.
    pub(super) fn socket(&self) -> io::Result<Socket> {
        self.event_loop().map(|_| self.socket)
    }

    pub(super) fn ask(&self, question: Question) -> io::Result<Fact> {
        self.event_loop()?.engine().ask(self.socket, question)
    }

    pub(super) fn address(&self, question: Question) -> io::Result<Address> {
        match self.ask(question)? {
            Fact::Address(address) => Ok(address),
            other => unreachable!("an address was asked for, not {other:?}"),
        }
    }

    pub(super) fn set(&self, setting: Setting) -> io::Result<()> {
        self.event_loop()?.engine().set(self.socket, setting)
    }

    /// Waits until the socket may be tried; across polls, by the ticket that `waiting` keeps.
    pub(super) fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        waiting: &mut Option<Ticket>,
    ) -> Poll<io::Result<()>> {
        self.poll(cx, waiting, |socket| Op::Ready { socket, direction })
    }

    /// Ends our side of a stream, likewise.
    pub(super) fn poll_shutdown(
        &self,
        cx: &mut Context<'_>,
        ending: &mut Option<Ticket>,
    ) -> Poll<io::Result<()>> {
        self.poll(cx, ending, |socket| Op::Shutdown { socket, how: Shutdown::Write })
    }

    fn poll(
        &self,
        cx: &mut Context<'_>,
        pending: &mut Option<Ticket>,
        op: impl FnOnce(Socket) -> Op,
    ) -> Poll<io::Result<()>> {
        let event_loop = self.event_loop()?;
        let outcome = match *pending {
            Some(ticket) => ready!(event_loop.poll_taken(ticket, cx.waker())),
            None => match event_loop.begin(op(self.socket), cx.waker()) {
                Submitted::Done(outcome) => outcome,
                Submitted::Pending(ticket) => {
                    *pending = Some(ticket);
                    return Poll::Pending;
                }
            },
        };
        *pending = None;
        Poll::Ready(outcome.map(drop).map_err(io::Error::from))
    }

    /// Stops such a wait.
    pub(super) fn give_up(&self, waiting: &mut Option<Ticket>) {
        if let Some(ticket) = waiting.take() {
            self.home.reach(move |event_loop| event_loop.withdraw(ticket));
        }
    }

    /// Has it broken off when it is dropped, instead of ended.
    pub(super) fn note_cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
    }

    /// Ends our side of a stream, in the background.
    pub(super) fn end_writing(&self) {
        let op = Op::Shutdown { socket: self.socket, how: Shutdown::Write };
        self.home.reach(move |event_loop| {
            let submitted = event_loop.engine().submit(op);
            if let Submitted::Pending(ticket) = submitted {
                // It goes on (law 4), and nobody asks how it ended.
                event_loop.engine().cancel(ticket);
            }
        });
    }

    /// Closes it now rather than when it is dropped.
    pub(super) fn close(&self, how: Close) {
        let socket = self.socket;
        self.home.reach(move |event_loop| event_loop.engine().close(socket, how));
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let gently = || self.traffic.as_ref().map_or(Close::GENTLY, |traffic| traffic.close());
        self.close(if self.cut.load(Ordering::Relaxed) { Close::Reset } else { gently() });
    }
}
