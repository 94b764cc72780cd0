//! What everybody on a loop waits for, in words: why a program hangs, or what one that runs is at.
//!
//! Nothing is kept for it. The loop has a waker for each operation and each sleep, to wake whoever waits for it; and
//! the wakers of tasks are its own alarms. So who waits for what is found by comparing wakers: two of the same data are
//! the same, as long as one of them is a live alarm. An alarm that is found nowhere waits for something that the loop
//! has not heard of, such as a channel.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::Waker;
use std::time::Instant;
use std::{fmt, io};

use super::rows::{Row, Waiter};
use super::{EventLoop, Woken};
use crate::engine::{Address, Direction, Fact, Op, Question, Socket, Ticket, UnixName};

/// One who waits, and one thing that would end the waiting: who waits for several has as many of these.
///
/// Printed, it is one line: `task "echo" (spawned at src/main.rs:10:5) waits to receive from 10.0.0.2:49152 on 10.0.0.1:80`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    who: String,
    what: String,
}

impl Waiting {
    /// Who waits: `task "echo" (spawned at src/main.rs:10:5)`.
    #[must_use]
    pub fn who(&self) -> &str {
        &self.who
    }

    /// For what: `waits to receive from 10.0.0.2:49152 on 10.0.0.1:80`.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.who, self.what)
    }
}

impl EventLoop {
    /// What everybody on this loop waits for: tasks, the future that [`block_on`](Self::block_on) runs, callbacks,
    /// connections. Who runs or is about to run waits for nothing.
    ///
    /// For people to read: the wording is no promise. It costs a few system calls for each that waits on a socket, when it
    /// is called; and nothing before.
    ///
    /// ```
    /// use std::time::Duration;
    /// use switchboard::{EventLoop, spawn_named, yield_now};
    ///
    /// switchboard::run(async {
    ///     let _task = spawn_named("silent", std::future::pending::<()>());
    ///     yield_now().await;
    ///     let waiting = EventLoop::with_current(EventLoop::waiting).unwrap_or_default();
    ///     assert!(waiting[0].who().starts_with("task \"silent\" (spawned at "));
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn waiting(&self) -> Vec<Waiting> {
        let mut roll = Roll::of(self);
        self.tell_operations(&mut roll);
        self.tell_timers(&mut roll);
        let locals = self.core.locals.borrow().clone();
        for local in locals {
            local.waiting(&mut |waker, what| roll.note(waker, what));
        }
        roll.finish()
    }

    /// The error of a loop on which nothing can ever happen again, with who waits for what.
    pub(super) fn explain(&self, error: io::Error) -> io::Error {
        let waiting = self.waiting();
        if waiting.is_empty() {
            return error;
        }
        let mut message = format!("{error}; this is who waits:");
        for one in waiting.iter().take(MOST_TOLD) {
            message.push_str(&format!("\n  {one}"));
        }
        if waiting.len() > MOST_TOLD {
            message.push_str(&format!("\n  and {} more", waiting.len() - MOST_TOLD));
        }
        io::Error::new(error.kind(), message)
    }

    fn tell_operations(&self, roll: &mut Roll) {
        let tickets: Vec<_> = self.core.waiting.borrow().keys().collect();
        for ticket in tickets {
            let Some(what) = self.in_words(ticket) else { continue };
            let waiting = self.core.waiting.borrow();
            match waiting.get(ticket) {
                Some(Waiter::Waker(waker)) => roll.note(waker, what),
                Some(Waiter::Watch(_)) => roll.add("a watch".to_owned(), what),
                Some(Waiter::Completion(completion)) => {
                    let completion = Rc::clone(completion);
                    drop(waiting);
                    roll.add(completion.who(), what);
                }
                None => {}
            }
        }
    }

    fn tell_timers(&self, roll: &mut Roll) {
        let now = self.now();
        let left = |due: Instant| due.saturating_duration_since(now);
        for row in self.core.rows.borrow().values() {
            match row {
                Row::Sleep(timer, waker) => {
                    roll.note(waker, format!("sleeps, for {:?} yet", left(timer.due())));
                }
                Row::Timer(timer, _) => {
                    roll.add("a callback".to_owned(), format!("is to be called in {:?}", left(timer.due())));
                }
                Row::Once(_) | Row::Alarm(..) | Row::Watch(_) => {}
            }
        }
    }

    /// What an operation waits for; `None` if it has finished.
    fn in_words(&self, ticket: Ticket) -> Option<String> {
        let engine = self.engine();
        let op = engine.operation(ticket)?;
        let (mut what, towards) = words(op);
        let Some(socket) = op.socket() else { return Some(what) };
        let target = match op {
            Op::Connect { to, .. } | Op::SendTo { to, .. } => Some(to.clone()),
            _ => None,
        };
        drop(engine);
        let peer = target.or_else(|| self.address(socket, Question::Peer));
        let local = self.address(socket, Question::Local);
        if let Some(peer) = &peer {
            what.push_str(&format!(" {towards} {peer}"));
        }
        match (&local, &peer) {
            (Some(local), _) => what.push_str(&format!(" on {local}")),
            // Nobody else has this name; whoever opened it may have printed it.
            (None, None) => what.push_str(&format!(" on {socket:?}")),
            (None, Some(_)) => {}
        }
        Some(what)
    }

    /// An address of a socket, if it has one that says something.
    fn address(&self, socket: Socket, question: Question) -> Option<Address> {
        match self.engine().ask(socket, question) {
            Ok(Fact::Address(Address::Unix(UnixName::Unnamed))) => None,
            Ok(Fact::Address(address)) => Some(address).filter(|address| address.port() != Some(0)),
            _ => None,
        }
    }
}

/// Those who wait.
#[derive(Default)]
struct Roll {
    /// Who waits by an alarm, in the order of their rows, and for what.
    present: Vec<(String, Vec<String>)>,
    /// Which of them it is, by what the alarm's waker holds; `None` for one who is about to run.
    by_waker: BTreeMap<*const (), Option<usize>>,
    /// The others.
    others: Vec<Waiting>,
}

impl Roll {
    /// All who have an alarm, none of them known yet to wait for anything.
    fn of(event_loop: &EventLoop) -> Self {
        let rows = event_loop.core.rows.borrow();
        let alarms = rows.iter().filter_map(|(name, row)| match row {
            Row::Alarm(alarm, woken) => {
                Some((name, Rc::<dyn Woken>::clone(woken), alarm.waker().data(), alarm.is_queued()))
            }
            _ => None,
        });
        let alarms: Vec<_> = alarms.collect();
        drop(rows);
        let mut roll = Self::default();
        for (name, woken, data, is_queued) in alarms {
            let who = if is_queued { None } else { woken.who(name) };
            roll.by_waker.insert(data, who.as_ref().map(|_| roll.present.len()));
            roll.present.extend(who.map(|who| (who, Vec::new())));
        }
        roll
    }

    /// Whoever has this waker waits for this.
    fn note(&mut self, waker: &Waker, what: String) {
        match self.by_waker.get(&waker.data()) {
            Some(Some(at)) => self.present[*at].1.push(what),
            Some(None) => {}
            None => self.add("a future with a waker of its own".to_owned(), what),
        }
    }

    fn add(&mut self, who: String, what: String) {
        self.others.push(Waiting { who, what });
    }

    fn finish(self) -> Vec<Waiting> {
        let mut all = Vec::new();
        for (who, mut what) in self.present {
            if what.is_empty() {
                what.push("waits to be woken, by a channel, a lock or the like".to_owned());
            }
            all.extend(what.into_iter().map(|what| Waiting { who: who.clone(), what }));
        }
        all.extend(self.others);
        all
    }
}

/// What an operation waits for, and the word that leads on to its peer.
fn words(op: &Op) -> (String, &'static str) {
    let (what, towards) = match op {
        Op::Accept { .. } => ("waits to accept", "from"),
        Op::Connect { .. } => ("waits to connect", "to"),
        Op::Recv { .. } => ("waits to receive", "from"),
        Op::Send { .. } => ("waits to send", "to"),
        Op::RecvFrom { .. } => ("waits to receive a datagram", "from"),
        Op::SendTo { .. } => ("waits to send a datagram", "to"),
        Op::Shutdown { .. } => ("waits to shut down the connection", "to"),
        Op::Ready { direction: Direction::Read, .. } => ("waits to read", "from"),
        Op::Ready { direction: Direction::Write, .. } => ("waits to write", "to"),
        Op::Release { .. } => ("waits to release the connection", "to"),
        Op::Resolve { host, .. } => return (format!("waits to resolve {host:?}"), ""),
        Op::Signal { number } => return (format!("waits for signal {number}"), ""),
        Op::Call { .. } => ("waits for blocking work", ""),
    };
    (what.to_owned(), towards)
}

/// How many of those who wait an error lists.
const MOST_TOLD: usize = 100;
