//! The echo: what a client sends goes back to it, in order, up to its end and including it.
//!
//! [`Connection`] bounds what a client that never reads can make us hold. Here it is only counted.

use std::io;
use std::rc::Rc;

use switchboard::EventLoop;
use switchboard::engine::{Address, Socket};
use switchboard::event_loop::{Connection, Handler};

use crate::clients::{Clients, CutOff};
use crate::error::reason;

/// Begins to echo to a client.
pub(crate) fn start(event_loop: &EventLoop, clients: &Rc<Clients>, socket: Socket, peer: Address) {
    tracing::info!("{peer} connected");
    let echo = Echo { clients: Rc::clone(clients), bytes_in: 0 };
    let connection = Connection::start(event_loop, socket, peer, echo);
    clients.add(connection);
}

/// One client's side of it.
struct Echo {
    clients: Rc<Clients>,
    bytes_in: u64,
}

impl Handler for Echo {
    fn on_data(&mut self, connection: &Connection, data: &[u8]) {
        self.bytes_in += data.len() as u64;
        if let Err(error) = connection.send(data) {
            connection.abort(error);
        }
    }

    fn on_end(&mut self, connection: &Connection) {
        tracing::debug!("{} has sent all; {} bytes to go", connection.peer(), connection.buffered());
        connection.close();
    }

    fn on_close(&mut self, connection: &Connection, reason_to_close: io::Result<()>) {
        let (peer, bytes_in, bytes_out) = (connection.peer(), self.bytes_in, connection.sent());
        self.clients.remove(connection, |totals| {
            totals.bytes_in += bytes_in;
            totals.bytes_out += bytes_out;
            match &reason_to_close {
                Ok(()) => totals.finished += 1,
                Err(error) if CutOff::is_why(error) => totals.cancelled += 1,
                Err(_) => totals.failed += 1,
            }
        });
        match reason_to_close {
            Ok(()) => tracing::info!("{peer} closed: {bytes_in} bytes in, {bytes_out} bytes out"),
            Err(error) => tracing::info!(
                "{peer} failed: {}; {bytes_in} bytes in, {bytes_out} bytes out",
                reason(&error)
            ),
        }
    }
}
