//! `peer-mio [PORT]`: mio, one loop on one thread.
//!
//! By its documentation: each socket is registered once, for both directions, and what is ready is used until it would
//! block. With one liberty, which tokio takes with mio on epoll(7), too: a read that did not fill the buffer has taken all
//! there was, unless the event says that the peer has ended. One buffer for all connections; TCP_NODELAY.

#![forbid(unsafe_code)]

use std::io::{self, ErrorKind};
use std::process::ExitCode;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};
use peers::BUFFER;
use peers::readiness::{Echo, Fate};

/// The connections by their tokens, and the tokens that are free.
#[derive(Default)]
struct Peers {
    all: Vec<Option<Peer>>,
    free: Vec<usize>,
}

struct Peer {
    stream: TcpStream,
    echo: Echo,
    /// An event has said that the stream ends: a short read is then no reason to stop reading.
    ending: bool,
}

impl Peers {
    /// Whether all could be accepted, or else the system has run out of something.
    fn accept_all(&mut self, listener: &TcpListener, registry: &Registry) -> io::Result<bool> {
        loop {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if listen::concerns_one_peer(&error) => continue,
                Err(_) => return Ok(false),
            };
            stream.set_nodelay(true).ok();
            let key = self.free.pop().unwrap_or(self.all.len());
            registry.register(&mut stream, Token(key), Interest::READABLE | Interest::WRITABLE)?;
            if key == self.all.len() {
                self.all.push(None);
            }
            self.all[key] = Some(Peer { stream, echo: Echo::default(), ending: false });
        }
    }
}

const LISTENER: Token = Token(usize::MAX);

fn main() -> ExitCode {
    listen::run("peer-mio", serve)
}

fn serve(listener: std::net::TcpListener) -> io::Result<()> {
    let mut poll = Poll::new()?;
    listen::ready(&listener, "mio")?;
    let mut listener = TcpListener::from_std(listener);
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut peers = Peers::default();
    let mut events = Events::with_capacity(256);
    let mut buffer = vec![0; BUFFER];
    let mut unaccepted = false;
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            if event.token() == LISTENER {
                unaccepted = !peers.accept_all(&listener, poll.registry())?;
                continue;
            }
            let Token(key) = event.token();
            let Some(peer) = &mut peers.all[key] else { continue };
            peer.ending |= event.is_read_closed() || event.is_error();
            let fate = peer.echo.go_on(&mut peer.stream, &mut buffer, !peer.ending);
            if matches!(fate, Ok(Fate::Ended) | Err(_)) {
                peers.all[key] = None; // closing it takes it out of the poll
                peers.free.push(key);
                if unaccepted {
                    unaccepted = !peers.accept_all(&listener, poll.registry())?;
                }
            }
        }
    }
}
