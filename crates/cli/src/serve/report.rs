//! What the command says about its run: ready, and how it ended. In words, or as one JSON object a line.
//!
//! That it is ready is a result: it goes to stdout, flushed, so that a script may wait for it. A reader who has gone
//! away is no reason to stop serving; any other trouble with stdout is told once on stderr. How it ended goes to stderr.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;

use serde_json::{Value, json};
use switchboard::Address;
use switchboard::engine::UnixName;

use crate::error::{one_line, reason, say};
use crate::outlet;
use crate::serve::end::End;
use crate::serve::options::Options;

/// How the results are told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report {
    json: bool,
}

/// A server that is ready.
#[derive(Debug)]
pub(crate) struct Ready {
    addresses: Vec<Address>,
    service: &'static str,
    model: &'static str,
    /// Of a model that has an event loop.
    engine: Option<String>,
    threads: usize,
    is_udp: bool,
}

impl Report {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// The readiness line.
    pub(crate) fn listening(&self, ready: &Ready) {
        let line = if self.json { ready.to_json().to_string() } else { ready.to_line() };
        if let Err(error) = outlet::write_line(&mut io::stdout().lock(), &one_line(&line), outlet::PATIENCE)
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            say(&format!("cannot write on stdout: {}; serving goes on without it", reason(&error)));
        }
    }

    /// How it ended, and so with which code: 0 after a drain, 128 + n after a second signal n.
    pub(crate) fn ended(&self, end: &End) -> ExitCode {
        if self.json {
            say(&json_ended(end).to_string());
        } else {
            match end {
                // A line for the sum, and one for each who was left.
                End::Drained(receipt, cost) => {
                    format!("ended; {receipt}").lines().for_each(say);
                    if let Some(cost) = cost {
                        say(&cost.to_line());
                    }
                }
                End::Datagrams(tally) => say(&format!("ended; {}", tally.to_line())),
                End::AtOnce(signal) => say(&format!("ended at once, by a second signal ({})", signal.name)),
            }
        }
        match end {
            End::Drained(..) | End::Datagrams(_) => ExitCode::SUCCESS,
            End::AtOnce(signal) => ExitCode::from(128 + signal.number),
        }
    }
}

impl Ready {
    pub(crate) fn new(addresses: Vec<Address>, options: &Options, engine: &str) -> Self {
        Self {
            addresses,
            service: options.service.name(),
            model: options.model.name(),
            engine: options.model.has_event_loop().then(|| engine.to_owned()),
            threads: options.threads,
            is_udp: options.udp,
        }
    }

    fn to_line(&self) -> String {
        let Self { addresses, service, model, engine, threads, is_udp } = self;
        let all: Vec<_> = addresses.iter().map(Address::to_string).collect();
        let mut protocols: Vec<_> = addresses.iter().map(|address| protocol(address, *is_udp)).collect();
        protocols.sort_unstable();
        protocols.dedup();
        let threads = if *threads == 1 { String::new() } else { format!(", {threads} threads") };
        let (all, protocols) = (all.join(" and "), protocols.join(" and "));
        let example = addresses.first().map(|address| example(address, *is_udp)).unwrap_or_default();
        let engine = engine.as_ref().map(|engine| format!(" on {engine}")).unwrap_or_default();
        format!("listening on {all} ({protocols}, {service}, {model}{engine}{threads}); try: {example}")
    }

    fn to_json(&self) -> Value {
        let Self { addresses, service, model, engine, threads, is_udp } = self;
        let listeners: Vec<_> = addresses
            .iter()
            .map(|address| {
                let protocol = protocol(address, *is_udp);
                json!({ "address": host(address), "port": address.port(), "protocol": protocol })
            })
            .collect();
        let first = listeners.first().cloned().unwrap_or_default();
        json!({
            "event": "listening",
            "address": first["address"],
            "port": first["port"],
            "protocol": first["protocol"],
            "service": service,
            "model": model,
            "engine": engine,
            "threads": threads,
            "listeners": listeners,
        })
    }
}

fn json_ended(end: &End) -> Value {
    match end {
        End::Drained(receipt, cost) => {
            let mut told = json!({ "event": "ended" });
            if let (Value::Object(told), Ok(Value::Object(receipt))) =
                (&mut told, serde_json::to_value(receipt))
            {
                told.extend(receipt);
                told.extend(cost.map(|cost| ("cost".to_owned(), cost.to_json())));
            }
            told
        }
        End::Datagrams(tally) => {
            let mut told = json!({ "event": "ended" });
            if let (Value::Object(told), Value::Object(tally)) = (&mut told, tally.to_json()) {
                told.extend(tally);
            }
            told
        }
        End::AtOnce(signal) => json!({ "event": "ended at once", "signal": signal.name }),
    }
}

fn protocol(address: &Address, is_udp: bool) -> &'static str {
    match address {
        Address::Ip(_) if is_udp => "udp",
        Address::Ip(_) => "tcp",
        Address::Unix(_) => "unix",
    }
}

/// The address without its port, or the name of the file.
fn host(address: &Address) -> String {
    match address {
        Address::Ip(address) => address.ip().to_string(),
        Address::Unix(_) => address.to_string().split_off("unix:".len()),
    }
}

/// How a person could connect, from this machine.
fn example(address: &Address, is_udp: bool) -> String {
    match address {
        Address::Ip(address) => {
            let near = near(*address);
            let command = if is_udp { "nc -u" } else { "telnet" };
            format!("{command} {} {}", near.ip(), near.port())
        }
        Address::Unix(UnixName::Abstract(_)) => format!("socat - ABSTRACT-CONNECT:{}", &host(address)[1..]),
        Address::Unix(_) => format!("nc -U {}", host(address)),
    }
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
    use switchboard::server::Receipt;

    fn ready(addresses: &[&str], threads: usize) -> Ready {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        Ready {
            addresses,
            service: "echo",
            model: "tasks",
            engine: Some("poll".to_owned()),
            threads,
            is_udp: false,
        }
    }

    #[test]
    fn datagrams_are_said_to_be_served_and_how_to_send_one() {
        let ready = Ready { is_udp: true, ..ready(&["0.0.0.0:80"], 1) };
        let line = "listening on 0.0.0.0:80 (udp, echo, tasks on poll); try: nc -u 127.0.0.1 80";
        assert_eq!(ready.to_line(), line);
        assert_eq!(ready.to_json()["listeners"][0]["protocol"], "udp");
    }

    #[test]
    fn the_readiness_line_names_all_addresses_and_how_to_connect_to_the_first() {
        for (addresses, line) in [
            (
                &["127.0.0.1:8000"][..],
                "listening on 127.0.0.1:8000 (tcp, echo, tasks on poll); try: telnet 127.0.0.1 8000",
            ),
            (
                &["0.0.0.0:80", "unix:/tmp/a", "[::1]:80"],
                "listening on 0.0.0.0:80 and unix:/tmp/a and [::1]:80 (tcp and unix, echo, tasks on poll); \
                 try: telnet 127.0.0.1 80",
            ),
            (&["unix:/tmp/a"], "listening on unix:/tmp/a (unix, echo, tasks on poll); try: nc -U /tmp/a"),
            (
                &["unix:@a"],
                "listening on unix:@a (unix, echo, tasks on poll); try: socat - ABSTRACT-CONNECT:a",
            ),
        ] {
            assert_eq!(ready(addresses, 1).to_line(), line);
        }
        assert!(ready(&["[::1]:1"], 4).to_line().contains("(tcp, echo, tasks on poll, 4 threads); "));
    }

    #[test]
    fn json_says_first_what_it_is_about_and_names_all_listeners() {
        assert_eq!(
            ready(&["[::1]:80", "unix:/a b"], 1).to_json().to_string(),
            concat!(
                r#"{"event":"listening","address":"::1","port":80,"protocol":"tcp","service":"echo","#,
                r#""model":"tasks","engine":"poll","threads":1,"listeners":["#,
                r#"{"address":"::1","port":80,"protocol":"tcp"},"#,
                r#"{"address":"/a b","port":null,"protocol":"unix"}]}"#
            )
        );
        let ended = json_ended(&End::Drained(Receipt::default(), None)).to_string();
        assert!(ended.starts_with(r#"{"event":"ended","accepted":0,"#), "{ended}");
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
