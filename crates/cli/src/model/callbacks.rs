//! *callbacks*: a loop that waits for all sockets at once and calls back what each client has made of it.
//!
//! Nobody asks in vain, and nobody waits: `on_data` when bytes have come, `on_sent` when there is room for more, `on_end`,
//! `on_close`, and a timer for what is late. The price: what a task keeps on its stack between two waits stands in fields
//! here, and every callback has to put it together again ([`go_on`](Guest::go_on)).
//!
//! What the system does not take over waits in the connection, one message of it; the rest waits in the session, and all
//! that is bounded: past the bound the connection is paused, so that a client that sends and never reads stops itself.

mod dealer;
mod guest;
mod hall;
mod post;
mod thread;

use std::io;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};

use switchboard::EventLoop;
use switchboard::event_loop::{Connection, Handler};

use self::dealer::Dealer;
use self::guest::Guest;
use crate::serve::end::End as Ended;
use crate::serve::ledger::Gone;
use crate::serve::options::Options;
use crate::session::{BOUND, End};

/// Serves until a signal.
pub(super) fn serve(
    event_loop: &EventLoop,
    listeners: Vec<OwnedFd>,
    options: &Options,
    ready: impl FnOnce() + 'static,
) -> io::Result<Ended> {
    Dealer::open(event_loop, listeners, options, ready)?.run(event_loop)
}

/// What its connection calls back.
pub(crate) struct Calls(pub(crate) Weak<Guest>);

impl Handler for Calls {
    fn on_data(&mut self, _: &Connection, data: &[u8]) {
        self.with(|guest, event_loop| {
            let now = event_loop.engine().clock();
            guest.session.borrow_mut().hear(data, now);
            guest.go_on(event_loop);
        });
    }

    fn on_sent(&mut self, _: &Connection) {
        self.with(|guest, event_loop| {
            guest.tell(|| "all that waited has been taken over by the system".to_owned());
            guest.go_on(event_loop);
        });
    }

    fn on_end(&mut self, _: &Connection) {
        self.with(Guest::end_reading);
    }

    fn on_close(&mut self, _: &Connection, closed: io::Result<()>) {
        self.with(|guest, event_loop| guest.leave(event_loop, closed));
    }
}

impl Guest {
    /// Says what may be said now, and sees to it that what comes next is heard of: after everything that has happened.
    pub(crate) fn go_on(self: &Rc<Self>, event_loop: &EventLoop) {
        let (connection, now) = (&self.connection, event_loop.now());
        let mut session = self.session.borrow_mut();
        for _ in 0..SENDS_PER_TURN {
            let bytes = if connection.buffered() == 0 { session.sendable(now) } else { &[] };
            // Closed, it refuses; `on_close` is on its way then.
            if bytes.is_empty() || connection.send(bytes).is_err() {
                break;
            }
            let (count, left) = (bytes.len(), connection.buffered());
            if left > 0 {
                self.tell(|| format!("{left} of {count} bytes found no room and wait, for on_sent"));
            }
            session.sent(count);
        }
        let waits = connection.buffered();
        match session.end() {
            None => self.listen(session.may_hear(), session.waiting() + waits),
            Some(End::Finished) => connection.close(),
            Some(End::Failed(why)) => {
                self.fate.replace(Some(Gone::Failed(why.to_owned())));
                connection.close();
            }
            Some(End::Reset) if waits == 0 => connection.reset(),
            Some(End::Reset) => connection.pause(),
        }
        let late = match waits {
            // There was a turn's worth of sends, and it is for others now.
            0 if !session.sendable(now).is_empty() => Some(now),
            0 => session.wake(now),
            _ => None,
        };
        self.look_again(event_loop, late);
    }

    /// Nothing more is heard from it; what is to be said still is.
    pub(crate) fn end_reading(self: &Rc<Self>, event_loop: &EventLoop) {
        self.session.borrow_mut().hear_end(event_loop.now());
        self.go_on(event_loop);
    }

    /// Receives for as long as the session hears, and not too much waits to be sent.
    fn listen(&self, may_hear: bool, waiting: usize) {
        let is_paused = !may_hear || waiting >= BOUND;
        if self.is_paused.replace(is_paused) == is_paused {
            return;
        }
        if is_paused {
            self.connection.pause();
            self.tell(|| format!("paused: {waiting} bytes wait to be sent, and nothing more is received"));
        } else {
            self.connection.resume();
            self.tell(|| format!("resumed: {waiting} bytes wait"));
        }
    }
}

impl Calls {
    fn with(&self, what: impl FnOnce(&Rc<Guest>, &EventLoop)) {
        if let Some(guest) = self.0.upgrade() {
            EventLoop::with_current(|event_loop| what(&guest, event_loop));
        }
    }
}

/// How many messages one client is sent before others get their turn.
const SENDS_PER_TURN: usize = 16;
