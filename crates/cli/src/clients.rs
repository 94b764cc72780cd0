//! Those who are connected, and what was done for all who ever were.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::io;

use switchboard::engine::Socket;
use switchboard::event_loop::Connection;

use crate::report::Totals;

/// Those who are connected, and the sum of what was done for all who ever were.
#[derive(Default)]
pub(crate) struct Clients {
    connections: RefCell<BTreeMap<Socket, Connection>>,
    totals: Cell<Totals>,
}

impl Clients {
    /// Those who are connected now.
    pub(crate) fn connected(&self) -> Vec<Connection> {
        self.connections.borrow().values().cloned().collect()
    }

    /// Whether nobody is connected.
    pub(crate) fn is_empty(&self) -> bool {
        self.connections.borrow().is_empty()
    }

    /// The sum of what was done for those who have left.
    pub(crate) fn totals(&self) -> Totals {
        self.totals.get()
    }

    /// Takes one in.
    pub(crate) fn add(&self, connection: Connection) {
        self.count(|totals| totals.accepted += 1);
        self.connections.borrow_mut().insert(connection.socket(), connection);
    }

    /// Lets one go, and adds what was done for it to the sum.
    pub(crate) fn remove(&self, connection: &Connection, sum: impl FnOnce(&mut Totals)) {
        self.connections.borrow_mut().remove(&connection.socket());
        self.count(sum);
    }

    fn count(&self, change: impl FnOnce(&mut Totals)) {
        let mut totals = self.totals.get();
        change(&mut totals);
        self.totals.set(totals);
    }
}

/// Why a connection ended that was open when the time to finish was over.
#[derive(Debug)]
pub(crate) struct CutOff;

impl CutOff {
    /// Whether this is why.
    pub(crate) fn is_why(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }
}

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut off, the server ends")
    }
}

impl std::error::Error for CutOff {}
