//! `peer-polling [PORT]`: polling, one loop on one thread.
//!
//! By its documentation an event is delivered once, and interest is then set again, a system call for each message. `PollMode::Level`,
//! which it offers for those who want that spared, needs none: one wait, one receive and one send, as the floor. (Not
//! `Edge`: its events do not tell that a peer has ended, so each read would have to be repeated until it would block.)
//! One buffer for all connections; TCP_NODELAY. Interest changes only when a peer does not read.

use std::io::{self, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;

use peers::BUFFER;
use peers::readiness::{Echo, Fate};
use polling::{Event, Events, PollMode, Poller};

/// The connections by their keys, and the keys that are free.
struct Peers {
    poller: Poller,
    all: Vec<Option<Peer>>,
    free: Vec<usize>,
}

struct Peer {
    stream: TcpStream,
    echo: Echo,
    fate: Fate,
}

impl Peers {
    /// Whether all could be accepted, or else the system has run out of something.
    fn accept_all(&mut self, listener: &TcpListener) -> io::Result<bool> {
        loop {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if listen::concerns_one_peer(&error) => continue,
                Err(_) => return Ok(false),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true).ok();
            let key = self.free.pop().unwrap_or(self.all.len());
            // SAFETY: `end` takes it out of the poller before it is closed.
            unsafe { self.poller.add_with_mode(&stream, Event::readable(key), PollMode::Level)? };
            if key == self.all.len() {
                self.all.push(None);
            }
            self.all[key] = Some(Peer { stream, echo: Echo::default(), fate: Fate::Receives });
        }
    }

    /// Whether this connection has ended.
    fn go_on(&mut self, key: usize, buffer: &mut [u8]) -> io::Result<bool> {
        let Some(peer) = &mut self.all[key] else { return Ok(false) };
        let fate = peer.echo.go_on(&peer.stream, buffer, true).unwrap_or(Fate::Ended);
        if fate == peer.fate {
            return Ok(false);
        }
        peer.fate = fate;
        match fate {
            Fate::Receives => {
                self.poller.modify_with_mode(&peer.stream, Event::readable(key), PollMode::Level)?
            }
            Fate::Sends => {
                self.poller.modify_with_mode(&peer.stream, Event::writable(key), PollMode::Level)?
            }
            Fate::Ended => self.end(key)?,
        }
        Ok(fate == Fate::Ended)
    }

    fn end(&mut self, key: usize) -> io::Result<()> {
        if let Some(peer) = self.all[key].take() {
            self.poller.delete(&peer.stream)?;
            self.free.push(key);
        }
        Ok(())
    }

    /// Waits for the listener, or no more.
    fn listen(&self, listener: &TcpListener, accepting: bool) -> io::Result<()> {
        let interest = if accepting { Event::readable(LISTENER) } else { Event::none(LISTENER) };
        self.poller.modify_with_mode(listener, interest, PollMode::Level)
    }
}

const LISTENER: usize = usize::MAX - 1; // the last one is polling's own

fn main() -> ExitCode {
    listen::run("peer-polling", serve)
}

fn serve(listener: TcpListener) -> io::Result<()> {
    let mut peers = Peers { poller: Poller::new()?, all: Vec::new(), free: Vec::new() };
    // SAFETY: it is closed when the process ends, and the poller with it.
    unsafe { peers.poller.add_with_mode(&listener, Event::readable(LISTENER), PollMode::Level)? };
    listen::ready(&listener, "polling")?;
    let mut events = Events::new();
    let mut buffer = vec![0; BUFFER];
    let mut accepting = true;
    loop {
        events.clear();
        match peers.poller.wait(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        };
        for event in events.iter() {
            let accepts = if event.key == LISTENER {
                peers.accept_all(&listener)?
            } else {
                peers.go_on(event.key, &mut buffer)? || accepting
            };
            if accepts != accepting {
                accepting = accepts;
                peers.listen(&listener, accepting)?;
            }
        }
    }
}
