//! What the command says about its run: ready, and how it ended. In words, or as one JSON object a line.
//!
//! Results go to stdout, flushed, so that a script may wait for the first line. A reader who has gone away is no
//! reason to stop serving; any other trouble with stdout is told once on stderr.

use std::cell::Cell;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde_json::{Value, json};

use crate::error::{reason, say};

/// Where the results go.
#[derive(Debug)]
pub(crate) struct Report {
    json: bool,
    /// Writing failed: said once, not tried again.
    broken: Cell<bool>,
}

/// What a server has done, counted. accepted = finished + failed + cancelled, once it has ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) accepted: u64,
    /// Closed in good order.
    pub(crate) finished: u64,
    /// Ended by an error, such as a reset by the peer.
    pub(crate) failed: u64,
    /// Ended by us, because the time to finish in was over.
    pub(crate) cancelled: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

impl Report {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, broken: Cell::new(false) }
    }

    /// The readiness line.
    pub(crate) fn listening(&self, address: SocketAddr, engine: &str) {
        if self.json {
            self.write(&json_listening(address, engine).to_string());
        } else {
            let near = near(address);
            let (ip, port) = (near.ip(), near.port());
            self.write(&format!(
                "listening on {address} (tcp, echo, callbacks on {engine}); try: telnet {ip} {port}"
            ));
        }
    }

    /// The sum of it all. In words it goes to stderr: it is no result of anything.
    pub(crate) fn ended(&self, totals: Totals) {
        if self.json {
            self.write(&json_ended(totals).to_string());
        } else {
            let Totals { accepted, finished, failed, cancelled, bytes_in, bytes_out } = totals;
            let s = if accepted == 1 { "" } else { "s" };
            say(&format!(
                "ended: {accepted} connection{s} accepted, {finished} finished, {failed} failed, \
                 {cancelled} cancelled; {bytes_in} bytes in, {bytes_out} bytes out"
            ));
        }
    }

    fn write(&self, line: &str) {
        if self.broken.get() {
            return;
        }
        let mut stdout = io::stdout().lock();
        if let Err(error) = writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
            self.broken.set(true);
            if error.kind() != io::ErrorKind::BrokenPipe {
                say(&format!("cannot write on stdout: {}; serving goes on without it", reason(&error)));
            }
        }
    }
}

fn json_listening(address: SocketAddr, engine: &str) -> Value {
    json!({
        "event": "listening",
        "address": address.ip().to_string(),
        "port": address.port(),
        "protocol": "tcp",
        "service": "echo",
        "model": "callbacks",
        "engine": engine,
    })
}

fn json_ended(totals: Totals) -> Value {
    json!({
        "event": "ended",
        "accepted": totals.accepted,
        "finished": totals.finished,
        "failed": totals.failed,
        "cancelled": totals.cancelled,
        "bytes_in": totals.bytes_in,
        "bytes_out": totals.bytes_out,
    })
}

/// An address to connect to from this machine: one that means "all of them" is none.
fn near(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_first_what_it_is_about() {
        let line = json_listening("[::1]:80".parse().unwrap(), "poll").to_string();
        assert_eq!(
            line,
            r#"{"event":"listening","address":"::1","port":80,"protocol":"tcp","service":"echo","model":"callbacks","engine":"poll"}"#
        );
        assert!(json_ended(Totals::default()).to_string().starts_with(r#"{"event":"ended","accepted":0,"#));
    }

    #[test]
    fn the_address_to_try_is_one_that_can_be_connected_to() {
        for (listening, near_by) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("10.0.0.1:1", "10.0.0.1:1")]
        {
            assert_eq!(near(listening.parse().unwrap()), near_by.parse().unwrap());
        }
    }
}
