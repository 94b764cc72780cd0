//! What all servers here have in common, so that they differ in nothing but in what carries them.
//!
//! Each is told a port by its only argument (none, or 0, for a free one), listens on it at 127.0.0.1 with the same
//! backlog, says `listening on 127.0.0.1:PORT (…)` once it could serve, and serves until a signal ends it.
//! What goes wrong before is one line on stderr and the exit code 1, or 2 if the port is none.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;
use std::{env, fmt};

use socket2::{Domain, Protocol, Socket, Type};

/// Serves with a listener, non-blocking, on the port that the command line names.
pub fn run(name: &str, serve: impl FnOnce(TcpListener) -> io::Result<()>) -> ExitCode {
    let port = match port(env::args().skip(1)) {
        Ok(port) => port,
        Err(message) => return failure(name, &message, 2),
    };
    match bind(port) {
        Ok(listener) => match serve(listener) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failure(name, &format_args!("cannot serve: {error}"), 1),
        },
        Err(error) => failure(name, &format_args!("cannot listen on 127.0.0.1:{port}: {error}"), 1),
    }
}

/// Listens on 127.0.0.1, on a free port if it is 0.
pub fn bind(port: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// The readiness line, which also says what serves.
pub fn ready(listener: &TcpListener, what: &str) -> io::Result<()> {
    writeln!(io::stdout(), "listening on {} (tcp, echo, {what})", listener.local_addr()?)
}

/// Whether the next connection may well be accepted although this one was not: the peer has given it up meanwhile.
/// Otherwise something has run out, such as descriptors, and the next attempt had better wait.
pub fn concerns_one_peer(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
}

fn port(mut arguments: impl Iterator<Item = String>) -> Result<u16, String> {
    match (arguments.next(), arguments.next()) {
        (None, _) => Ok(0),
        (Some(port), None) => port.parse().map_err(|_| format!("no port '{port}'; give one from 0 to 65535")),
        (Some(_), Some(more)) => Err(format!("'{more}' is too much; give a port, nothing else")),
    }
}

fn failure(name: &str, message: &dyn fmt::Display, code: u8) -> ExitCode {
    eprintln!("{name}: {message}");
    ExitCode::from(code)
}

/// Connections that wait to be accepted: as many as a load that connects thousands at once may need. The system's
/// `net.core.somaxconn` is the limit.
const BACKLOG: i32 = 4096;
