//! An echo server on the selector alone: what an event loop does, by hand.
//!
//! `cargo run --example selector`, then `telnet 127.0.0.1 PORT` with the port it prints.
//! `SELECTOR=poll` or `SELECTOR=select` runs it on another mechanism.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use switchboard_selector::{Events, Interest, Key, Mode, Selector};

/// What the selector owns: our sockets, and with each whatever belongs to it.
enum Source {
    Listener(TcpListener),
    Client { stream: TcpStream, unsent: VecDeque<u8>, ended: bool },
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Listener(listener) => listener.as_fd(),
            Self::Client { stream, .. } => stream.as_fd(),
        }
    }
}

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;

    let mut selector = match std::env::var("SELECTOR") {
        Ok(name) => Selector::with(name.parse()?)?,
        Err(_) => Selector::new()?,
    };
    let listener = selector.register(Source::Listener(listener), Interest::READ, Mode::Level)?;
    println!("listening on {address} (echo on {})", selector.mechanism());

    let mut events = Events::default();
    loop {
        selector.select(&mut events, None)?;
        for event in &events {
            // Unregistered since this batch was fetched: then the key names nothing any more.
            match selector.source(event.key()) {
                Some(Source::Listener(_)) => accept(&mut selector, listener)?,
                Some(Source::Client { .. }) => serve(&mut selector, event.key(), listener)?,
                None => {}
            }
        }
    }
}

/// Takes one client in. If there is no descriptor for it, nobody is accepted until one is free: a listener that
/// stays ready would make every select return at once.
fn accept(selector: &mut Selector<Source>, listener: Key) -> io::Result<()> {
    let Source::Listener(socket) = &selector[listener] else { return Ok(()) };
    match socket.accept() {
        Ok((stream, _)) => {
            stream.set_nonblocking(true)?;
            let client = Source::Client { stream, unsent: VecDeque::new(), ended: false };
            // select(2) cannot watch every number; the client comes back out with the error, and is closed.
            if let Err(rejected) = selector.register(client, Interest::READ, Mode::Level) {
                eprintln!("cannot serve a client: {rejected}");
            }
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(error) => {
            eprintln!("cannot accept until a client leaves: {error}");
            selector.modify(listener, Interest::NONE, Mode::Level)?;
        }
    }
    Ok(())
}

/// Receives once, sends what can be sent, and asks for the lamp that is needed next.
fn serve(selector: &mut Selector<Source>, key: Key, listener: Key) -> io::Result<()> {
    let Some(Source::Client { stream, unsent, ended }) = selector.source_mut(key) else { return Ok(()) };
    let interest = match echo(stream, unsent, ended) {
        Ok(()) if !unsent.is_empty() => Some(Interest::WRITE), // and nothing more is read meanwhile
        Ok(()) if !*ended => Some(Interest::READ),
        Ok(()) => None,
        Err(error) => {
            eprintln!("lost a client: {error}");
            None
        }
    };
    let kept = interest.is_some_and(|interest| selector.modify(key, interest, Mode::Level).is_ok());
    if !kept {
        drop(selector.unregister(key)?); // out it comes, and dropping it closes it
        selector.modify(listener, Interest::READ, Mode::Level)?;
    }
    Ok(())
}

fn echo(stream: &mut TcpStream, unsent: &mut VecDeque<u8>, ended: &mut bool) -> io::Result<()> {
    if unsent.is_empty() && !*ended {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(0) => *ended = true,
            Ok(count) => unsent.extend(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    while !unsent.is_empty() {
        match stream.write(unsent.as_slices().0) {
            Ok(count) => drop(unsent.drain(..count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
