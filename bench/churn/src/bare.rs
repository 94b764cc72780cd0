//! The least a server can do that greets and ends the connection first: accept, send, close, on epoll(7).
//!
//! Nothing is asked of a connection after that, so none is registered, and what a peer still sends is answered with a
//! reset: cheaper than a server may be that wants its last words to arrive.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketFlags, accept_with, send};

use crate::{GREETING, listening};

pub(crate) fn greet() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    listening(listener.local_addr()?, "the floor")?;

    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(0), EventFlags::IN | EventFlags::ET)?;
    let mut events = Vec::with_capacity(1);
    loop {
        events.clear();
        match epoll::wait(&epoll, spare_capacity(&mut events), None) {
            Err(Errno::INTR) => continue,
            result => result?,
        };
        greet_all(&listener)?;
    }
}

fn greet_all(listener: &TcpListener) -> io::Result<()> {
    loop {
        let socket = match accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok(socket) => socket,
            Err(Errno::AGAIN) => return Ok(()),
            Err(Errno::INTR | Errno::CONNABORTED) => continue,
            Err(error) => return Err(error.into()),
        };
        // A new connection has room for a greeting; who has gone already misses nothing.
        send(&socket, &GREETING, SendFlags::NOSIGNAL).ok();
    }
}
