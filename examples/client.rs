//! A client on the selector alone: connect, send into a buffer, flush, receive and close, and never wait in a call.
//!
//! `cargo run -- serve`, then `cargo run --example client -- 127.0.0.1:8000 'Hello, server!'`

#![allow(clippy::disallowed_methods, reason = "without an engine there is only the system's clock")]

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use switchboard_selector::{Events, Interest, Mode, Selector};

/// A TCP client that never waits. What is sent goes into a buffer, and from there as the system takes it.
struct Client {
    socket: Socket,
    connected: bool,
    unsent: Vec<u8>,
}

impl Client {
    /// Begins to connect. In non-blocking mode connect(2) does not wait for the handshake: `EINPROGRESS` means that it
    /// is under way.
    fn connect(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        let connected = match socket.connect(&address.into()) {
            Ok(()) => true,
            Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => false,
            Err(error) => return Err(error),
        };
        Ok(Self { socket, connected, unsent: Vec::new() })
    }

    /// Whether the handshake is done, to be asked when the socket is writable. Writable alone does not say it: a refused
    /// connection is writable, too. `SO_ERROR` tells which (connect(2)).
    fn is_connected(&mut self) -> io::Result<bool> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        // A wake-up may be a false one: only somebody who is connected has a peer.
        self.connected = self.connected || self.socket.peer_addr().is_ok();
        Ok(self.connected)
    }

    /// Puts bytes into the buffer.
    fn send(&mut self, bytes: &[u8]) {
        self.unsent.extend_from_slice(bytes);
    }

    /// Sends what the system takes of it, and keeps the rest: whether all has gone.
    fn flush(&mut self) -> io::Result<bool> {
        while !self.unsent.is_empty() {
            match self.socket.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Receives what is there: `None` if nothing is, and nothing at all at the end of the stream.
    fn recv(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut buffer = [0; 4096];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(count) => return Ok(Some(buffer[..count].to_vec())),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let message = arguments.next().unwrap_or_else(|| "Hello, server!".to_owned()) + "\r\n";
    let address = address.parse().map_err(|_| io::Error::other(format!("{address}: give IP:PORT")))?;

    let mut selector = Selector::new()?;
    let mut events = Events::default();
    let key = selector.register(Client::connect(address)?, Interest::WRITE, Mode::Level)?;
    let deadline = Instant::now() + Duration::from_secs(5);
    while !selector.source_mut(key).map_or(Ok(false), Client::is_connected)? {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(
                ErrorKind::TimedOut,
                format!("no connection to {address} within 5 s"),
            ));
        }
        selector.select(&mut events, Some(left))?;
    }
    println!("connected to {address}");

    let client = selector.source_mut(key).expect("it is registered until it is taken out");
    client.send(message.as_bytes());
    let mut received = 0;
    while received < message.len() {
        // Readable: something came. Writable: only asked for while something waits, or it would be so all the time.
        let client = selector.source_mut(key).expect("it is registered until it is taken out");
        let all_gone = client.flush()?;
        match client.recv()? {
            Some(data) if data.is_empty() => break,
            Some(data) => {
                received += data.len();
                io::stdout().write_all(&data)?;
                continue;
            }
            None => {}
        }
        let interest = if all_gone { Interest::READ } else { Interest::READ | Interest::WRITE };
        selector.modify(key, interest, Mode::Level)?;
        selector.select(&mut events, None)?;
    }
    drop(selector.unregister(key)?); // out it comes, and dropping it closes it
    println!("closed after {received} bytes");
    Ok(())
}
