//! The end of a server, begun by SIGINT or SIGTERM.
//!
//! It stops accepting: those who have connected already are served, later ones refused. A connection that
//! is quiet is closed, gently; the rest go on being echoed to until they are quiet, too, for at most
//! [`GRACE`], and are then cut off. It is over when nobody is connected and the last gentle close is done.
//! A second signal cuts all off at once.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use switchboard::EventLoop;
use switchboard::engine::Socket;
use switchboard::event_loop::Acceptor;

use crate::clients::{Clients, CutOff};
use crate::error::reason;

/// The end, to come or under way.
pub(crate) struct Drain {
    inner: Rc<Inner>,
}

struct Inner {
    acceptor: Acceptor,
    clients: Rc<Clients>,
    /// How many signals came.
    signals: Cell<u64>,
    /// All who were still connected have been cut off.
    cut_off: Cell<bool>,
    code: Cell<u8>,
    /// When each connection was last active, and how many looks ago that was noticed.
    looks: RefCell<BTreeMap<Socket, (Instant, u32)>>,
}

impl Drain {
    /// Lets signals end the server.
    pub(crate) fn on_signal(event_loop: &EventLoop, acceptor: Acceptor, clients: Rc<Clients>) -> Self {
        let inner = Rc::new(Inner {
            acceptor,
            clients,
            signals: Cell::new(0),
            cut_off: Cell::new(false),
            code: Cell::new(0),
            looks: RefCell::default(),
        });
        for (number, name) in [(2_u8, "SIGINT"), (15, "SIGTERM")] {
            let inner = Rc::clone(&inner);
            event_loop.on_signal(number.into(), move |event_loop, count| match count {
                Ok(count) => inner.signalled(event_loop, count, number, name),
                Err(error) => {
                    tracing::warn!(
                        "cannot wait for {name}: {}; it will end the server at once",
                        reason(&error)
                    );
                }
            });
        }
        Self { inner }
    }

    /// Whether nothing is left to wait for.
    pub(crate) fn is_over(&self, event_loop: &EventLoop) -> bool {
        let inner = &self.inner;
        let is_drained = || {
            inner.signals.get() > 0
                && !inner.acceptor.is_open()
                && inner.clients.is_empty()
                && event_loop.engine().closing() == 0
        };
        inner.cut_off.get() || is_drained()
    }

    /// 0 after a drain, 128 + n after a second signal n.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.inner.code.get())
    }
}

impl Inner {
    fn signalled(self: &Rc<Self>, event_loop: &EventLoop, count: u64, number: u8, name: &str) {
        let before = self.signals.get();
        self.signals.set(before + count);
        if before == 0 {
            self.acceptor.stop(event_loop);
            let connected = self.clients.connected().len();
            tracing::info!("{name}: accepting no more; {connected} connected");
            self.begin(event_loop);
        }
        if before + count > 1 {
            tracing::info!("{name} again: ending at once");
            self.code.set(128 + number);
            self.cut_off(event_loop);
        }
    }

    fn begin(self: &Rc<Self>, event_loop: &EventLoop) {
        self.close_the_quiet(event_loop);
        let this = Rc::clone(self);
        event_loop.later(GRACE, move |event_loop| this.cut_off(event_loop));
    }

    /// Closes those who are quiet, now and again. Quiet is who was found unchanged by some looks in a row: between
    /// two of them the loop has waited, and taken in what had arrived. Mere time would not do: a process that was
    /// stopped for a while finds all of it over, and its clients' bytes unread.
    fn close_the_quiet(self: &Rc<Self>, event_loop: &EventLoop) {
        let mut looks = self.looks.borrow_mut();
        for connection in self.clients.connected() {
            let look = looks.entry(connection.socket()).or_insert((connection.active(), 0));
            if look.0 != connection.active() || connection.buffered() > 0 {
                *look = (connection.active(), 0);
            } else if look.1 < LOOKS {
                look.1 += 1;
            } else {
                connection.close();
            }
        }
        drop(looks);
        let this = Rc::clone(self);
        event_loop.later(LOOK_EVERY, move |event_loop| this.close_the_quiet(event_loop));
    }

    /// Resets all who are left, and is over once they have been told.
    fn cut_off(self: &Rc<Self>, event_loop: &EventLoop) {
        for connection in self.clients.connected() {
            connection.abort(io::Error::new(io::ErrorKind::TimedOut, CutOff));
        }
        let this = Rc::clone(self);
        event_loop.soon(move |_| this.cut_off.set(true));
    }
}

/// How long those who are not quiet may go on.
const GRACE: Duration = Duration::from_secs(2);

/// How often a connection must be found unchanged to be quiet.
const LOOKS: u32 = 5;

/// How often it is looked who is quiet.
const LOOK_EVERY: Duration = Duration::from_millis(20);
