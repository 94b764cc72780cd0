//! A client of a loop that calls back: what stands between two callbacks, and its coming and going.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::{Rc, Weak};
use std::time::Instant;

use switchboard::EventLoop;
use switchboard::engine::{Address, Fact, Question, Socket};
use switchboard::event_loop::{Callback, Connection};
use switchboard::server::Why;

use super::Calls;
use super::hall::Hall;
use crate::error::reason;
use crate::serve::drain::LAST_WORDS;
use crate::serve::ledger::{Gone, Visit};
use crate::session::Session;

/// One client, between two callbacks.
pub(crate) struct Guest {
    pub(crate) hall: Weak<Hall>,
    pub(crate) number: u64,
    pub(crate) connection: Connection,
    pub(crate) session: RefCell<Session>,
    pub(crate) since: Instant,
    /// When it is looked at though nothing has come.
    pub(crate) timer: Cell<Option<(Instant, Callback)>>,
    pub(crate) is_paused: Cell<bool>,
    /// What was under way when it was last found idle, and when: how much had gone, and how much was not acknowledged.
    under_way: Cell<Option<(u64, usize)>>,
    seen: Cell<Instant>,
    /// It was idle for too long, its reading was ended, and it is cut off then.
    last_words: Cell<Option<Instant>>,
    /// How it leaves, if that is not as its connection tells.
    pub(crate) fate: RefCell<Option<Gone>>,
}

impl Guest {
    pub(crate) fn start(
        event_loop: &EventLoop,
        hall: &Rc<Hall>,
        number: u64,
        (socket, peer): (Socket, Address),
    ) -> Rc<Self> {
        let (rules, now) = (hall.rules(), event_loop.now());
        let this_moment = event_loop.engine().clock();
        Rc::new_cyclic(|guest| {
            let connection = Connection::start(event_loop, socket, peer, Calls(Weak::clone(guest)));
            connection.receive_at_most(rules.read_size);
            Self {
                hall: Rc::downgrade(hall),
                number,
                connection,
                session: RefCell::new(rules.opening.begin(this_moment)),
                since: now,
                timer: Cell::new(None),
                is_paused: Cell::new(false),
                under_way: Cell::new(None),
                seen: Cell::new(now),
                last_words: Cell::new(None),
                fate: RefCell::new(None),
            }
        })
    }

    /// Cuts it off, unless it is closed already and only has to be told.
    pub(crate) fn cancel(&self, event_loop: &EventLoop, why: Why) {
        if let Some(unsent) = self.unsent(event_loop) {
            let unsent = unsent + self.session.borrow().waiting();
            self.fate.replace(Some(Gone::Cancelled(why, unsent as u64)));
            self.connection.reset();
        }
    }

    /// Is called back for the last time.
    pub(crate) fn leave(&self, event_loop: &EventLoop, closed: io::Result<()>) {
        if let Some((_, callback)) = self.timer.take() {
            event_loop.cancel(callback);
        }
        let gone = self.fate.take().unwrap_or_else(|| match closed {
            Ok(()) => Gone::Finished,
            Err(error) => Gone::Failed(reason(&error)),
        });
        let (received, _) = self.session.borrow().traffic();
        let (peer, sent) = (self.connection.peer(), self.connection.sent());
        let visit = Visit { peer, since: self.since, received, sent };
        if let Some(hall) = self.hall.upgrade() {
            hall.dismiss(self.number, &visit, &gone, event_loop.now());
        }
    }

    /// Says it, if what happens is to be explained.
    pub(crate) fn tell(&self, what: impl FnOnce() -> String) {
        if let Some(hall) = self.hall.upgrade() {
            hall.rules().explain.tell(|| format!("{}: {}", self.connection.peer(), what()));
        }
    }

    /// When it is to be looked at because it may have been idle for too long.
    pub(crate) fn idle_at(&self) -> Option<Instant> {
        let time = self.hall.upgrade()?.rules().idle_timeout?;
        self.last_words.get().or_else(|| self.connection.active().max(self.seen.get()).checked_add(time))
    }

    /// Has the clock looked at again at this moment, or when it will have been idle for too long. A timer that is early
    /// for that is left, and sets itself again: so with a timeout alone it is set once per timeout, not per message.
    pub(crate) fn look_again(self: &Rc<Self>, event_loop: &EventLoop, late: Option<Instant>) {
        let Some(due) = late.into_iter().chain(self.idle_at()).min() else { return };
        if let Some((armed, callback)) = self.timer.get() {
            if armed <= due {
                return;
            }
            event_loop.cancel(callback);
        }
        let guest = Rc::downgrade(self);
        let callback = event_loop.at(due, move |event_loop| {
            let Some(guest) = guest.upgrade() else { return };
            guest.timer.set(None);
            guest.look_at_the_clock(event_loop);
            guest.go_on(event_loop);
        });
        self.timer.set(Some((due, callback)));
    }

    /// It may have been idle for too long. If so its reading is ended, as with everybody at the server's end, and if that
    /// does not end it, it is cut off.
    pub(crate) fn look_at_the_clock(self: &Rc<Self>, event_loop: &EventLoop) {
        let now = event_loop.now();
        if self.idle_at().is_none_or(|idle| idle > now) {
            return;
        }
        if self.last_words.get().is_some() {
            return self.cancel(event_loop, Why::Idle);
        }
        // Bytes may go although nothing is called back: those that the engine and the kernel have.
        let unsent = self.unsent(event_loop).filter(|unsent| *unsent > 0);
        let under_way = unsent.map(|unsent| (self.connection.sent(), unsent));
        if under_way != self.under_way.replace(under_way) && under_way.is_some() {
            self.seen.set(now);
        } else {
            self.last_words.set(Some(now + LAST_WORDS));
            self.end_reading(event_loop);
        }
    }

    /// How many bytes the client has yet to acknowledge; none when it is closed.
    fn unsent(&self, event_loop: &EventLoop) -> Option<usize> {
        match event_loop.engine().ask(self.connection.socket(), Question::Unsent) {
            Ok(Fact::Count(count)) => Some(count),
            _ => None,
        }
    }
}
