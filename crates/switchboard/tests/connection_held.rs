//! Connections that are held too long or not at all, on every engine.

mod network;

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::rc::Rc;

use network::recorder::peer;
use network::{Network, on_every_engine, pair};
use switchboard::engine::{Close, Question};
use switchboard::event_loop::{Connection, Handler};

on_every_engine! {
    a_connection_that_ended_and_was_let_go_is_closed,
    a_closed_connection_drops_its_handler_even_if_that_holds_it,
}

/// Stays open when its peer has ended, and holds whatever it is given.
struct Patient {
    closed: Rc<Cell<usize>>,
    connection: Option<Connection>,
}

impl Handler for Patient {
    fn on_data(&mut self, connection: &Connection, _: &[u8]) {
        self.connection = Some(connection.clone());
    }

    fn on_end(&mut self, connection: &Connection) {
        if self.connection.is_some() {
            connection.close();
        }
    }

    fn on_close(&mut self, _: &Connection, _: io::Result<()>) {
        self.closed.set(self.closed.get() + 1);
    }
}

fn a_connection_that_ended_and_was_let_go_is_closed(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let closed = Rc::new(Cell::new(0));
    let handler = Patient { closed: Rc::clone(&closed), connection: None };
    let connection = Connection::start(&event_loop, ours, peer(), handler);
    event_loop.engine().close(theirs, Close::Now);
    event_loop.run().unwrap();
    assert_eq!(closed.get(), 0, "whoever holds it may still send");
    drop(connection);
    event_loop.run().unwrap();
    assert_eq!(closed.get(), 1);
    assert!(event_loop.engine().ask(ours, Question::Local).is_err(), "the socket is still open");
}

fn a_closed_connection_drops_its_handler_even_if_that_holds_it(network: &Network) {
    let event_loop = network.event_loop();
    let (ours, theirs) = pair(&mut **event_loop.engine());
    let closed = Rc::new(Cell::new(0));
    let handler = Patient { closed: Rc::clone(&closed), connection: None };
    Connection::start(&event_loop, ours, peer(), handler);
    event_loop.engine().try_send(theirs, &[IoSlice::new(b"hold it")]).unwrap();
    event_loop.engine().close(theirs, Close::GENTLY);
    event_loop.run().unwrap();
    assert_eq!((closed.get(), Rc::strong_count(&closed)), (1, 1));
}
