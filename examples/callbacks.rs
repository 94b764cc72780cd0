//! An echo server on callbacks: one thread, any number of clients.
//!
//! `cargo run --example callbacks`, then `telnet 127.0.0.1 PORT` with the port it prints.

use std::io;

use switchboard::engine::{Fact, Listen, Plan, Question};
use switchboard::event_loop::{Acceptor, Connection};
use switchboard::{Address, EventLoop};

fn main() -> io::Result<()> {
    let address: Address = "127.0.0.1:0".parse().map_err(io::Error::other)?;
    let event_loop = EventLoop::new()?;
    let listener = event_loop.engine().open(Plan::Listen(Listen::at(address)))?;
    if let Fact::Address(address) = event_loop.engine().ask(listener, Question::Local)? {
        println!("listening on {address}");
    }

    Acceptor::start(&event_loop, listener, |event_loop, socket, peer| {
        eprintln!("{peer} has connected");
        // What is received goes out again. A peer that never reads stops itself: while much waits to be
        // sent to it, nothing more is received from it.
        Connection::start(event_loop, socket, peer, |connection: &Connection, data: &[u8]| {
            if let Err(error) = connection.send(data) {
                connection.abort(error);
            }
        });
    });
    event_loop.run()
}
