//! The floor: an echo server that does nothing but echo, on one thread and edge-triggered epoll(7).
//!
//! It is what Switchboard is measured against: the same system calls per message (wait, receive, send), and
//! as little as safe Rust can do between them. No layers, no timers, no drain; it ends when it is killed.
//! Nothing is allocated per message unless a peer reads slower than it writes. What runs out of descriptors accepts
//! again when a peer has gone.

#![forbid(unsafe_code)]

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send, sockopt};

struct Peer {
    socket: OwnedFd,
    /// Received and not yet sent back; nothing more is received meanwhile.
    unsent: Vec<u8>,
    /// An event has said that the stream ends: a short read is then no reason to stop reading.
    ending: bool,
}

/// What became of a peer after everything was done that could be done.
enum Fate {
    Waits,
    Ended,
}

const LISTENER: u64 = u64::MAX;
const EDGES: EventFlags =
    EventFlags::IN.union(EventFlags::OUT).union(EventFlags::RDHUP).union(EventFlags::ET);

/// Serves for ever with a listener that does not block; says so once it could.
pub fn serve(listener: TcpListener) -> io::Result<()> {
    sockopt::set_tcp_nodelay(&listener, true)?; // whom it accepts inherits it
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN | EventFlags::ET)?;
    let mut peers: Vec<Option<Peer>> = Vec::new(); // by number of descriptor
    let mut events = Vec::with_capacity(256);
    let mut buffer = vec![0; 64 * 1024];
    let mut unaccepted = false;
    listen::ready(&listener, "the floor")?;
    loop {
        events.clear();
        match epoll::wait(&epoll, spare_capacity(&mut events), None) {
            Err(Errno::INTR) => continue,
            result => result?,
        };
        for event in &events {
            let (key, flags) = (event.data.u64(), event.flags);
            if key == LISTENER {
                unaccepted = !accept_all(&listener, &epoll, &mut peers)?;
            } else if let Some(peer) = &mut peers[key as usize] {
                peer.ending |= flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
                if matches!(echo(peer, &mut buffer), Ok(Fate::Ended) | Err(_)) {
                    peers[key as usize] = None;
                    if unaccepted {
                        unaccepted = !accept_all(&listener, &epoll, &mut peers)?;
                    }
                }
            }
        }
    }
}

/// Whether all could be accepted, or else the system has run out of something.
fn accept_all(listener: &TcpListener, epoll: impl AsFd, peers: &mut Vec<Option<Peer>>) -> io::Result<bool> {
    loop {
        let socket = match accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok(socket) => socket,
            Err(Errno::AGAIN) => return Ok(true),
            Err(Errno::INTR | Errno::CONNABORTED) => continue,
            Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let number = socket.as_raw_fd() as usize;
        epoll::add(&epoll, &socket, EventData::new_u64(number as u64), EDGES)?;
        if peers.len() <= number {
            peers.resize_with(number + 1, || None);
        }
        peers[number] = Some(Peer { socket, unsent: Vec::new(), ending: false });
    }
}

/// Sends and receives until one of them would block: with edges nobody reminds us.
fn echo(peer: &mut Peer, buffer: &mut [u8]) -> Result<Fate, Errno> {
    loop {
        if !peer.unsent.is_empty() {
            let sent = send_all(&peer.socket, &peer.unsent)?;
            peer.unsent.drain(..sent);
            if !peer.unsent.is_empty() {
                return Ok(Fate::Waits);
            }
        }
        let received = match recv(&peer.socket, &mut *buffer, RecvFlags::empty()) {
            Ok((0, _)) => return Ok(Fate::Ended),
            Ok((received, _)) => received,
            Err(Errno::AGAIN) => return Ok(Fate::Waits),
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error),
        };
        let sent = send_all(&peer.socket, &buffer[..received])?;
        peer.unsent.extend_from_slice(&buffer[sent..received]);
        if received < buffer.len() && peer.unsent.is_empty() && !peer.ending {
            return Ok(Fate::Waits); // a short read means drained
        }
    }
}

/// How much could be sent before it would have blocked.
fn send_all(socket: &OwnedFd, data: &[u8]) -> Result<usize, Errno> {
    let mut sent = 0;
    while sent < data.len() {
        match send(socket, &data[sent..], SendFlags::NOSIGNAL) {
            Ok(more) => sent += more,
            Err(Errno::AGAIN) => break,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}
