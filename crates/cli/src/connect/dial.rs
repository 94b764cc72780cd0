//! Making the connection, and explaining why there is none.

use std::io;

use switchboard::engine::{Address, Setting};
use switchboard::net::{Stream, Target};
use switchboard::timeout;

use super::datagrams::Datagrams;
use super::link::Link;
use super::{Options, Transport};
use crate::error::{Error, is_out_of_descriptors};

/// Connects.
pub(super) async fn link(options: &Options) -> Result<Link, Error> {
    match options.transport {
        Transport::Stream => stream(options).await.map(Link::of_stream),
        Transport::Datagrams(_) => {
            let target = &options.target;
            let refused = |error: &io::Error| Error::refused(explain(target, error));
            let resolved = timeout(options.timeout, target.resolve()).await;
            let addresses = resolved.map_err(io::Error::from).flatten().map_err(|error| refused(&error))?;
            let datagrams = Datagrams::to(target, &addresses).map_err(|error| refused(&error))?;
            tracing::info!("sending datagrams to {}", datagrams.peer());
            Ok(Link::of_datagrams(datagrams))
        }
    }
}

async fn stream(options: &Options) -> Result<Stream, Error> {
    let target = &options.target;
    tracing::debug!("connecting to {target}");
    let stream = Stream::connect_timeout(target, options.timeout)
        .await
        .map_err(|error| Error::refused(explain(target, &error)))?;
    if let Ok(Address::Ip(_)) = stream.peer_addr() {
        // A typist waits for the echo of each piece. Where it cannot be set, it is only slower.
        stream.set(Setting::NoDelay(true)).ok();
        // TELNET marks where to look in the stream; taken out of it, the mark would leave half a command behind.
        if options.telnet {
            stream.set(Setting::UrgentInline(true)).ok();
        }
    }
    match (stream.peer_addr(), stream.local_addr()) {
        (Ok(peer), Ok(Address::Ip(local))) => tracing::info!("connected to {peer} from {local}"),
        _ => tracing::info!("connected to {target}"),
    }
    Ok(stream)
}

/// What hindered it, and what to do.
pub(crate) fn explain(target: &Target, error: &io::Error) -> String {
    let what = plainly(&error.to_string());
    let is_unix = matches!(target, Target::Address(Address::Unix(_)));
    let hint = match error.kind() {
        _ if what.starts_with("cannot find the host") => "; check its name, or give an IP address",
        io::ErrorKind::ConnectionRefused if is_unix => {
            "; the server that made this socket has gone, start it again"
        }
        io::ErrorKind::ConnectionRefused => "; is a server listening there?",
        io::ErrorKind::NotFound if is_unix => "; is the server running, and is this the path it listens on?",
        io::ErrorKind::TimedOut => "; is it up, and does no firewall drop this? --timeout gives it more time",
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            "; check the address, and the network of this machine"
        }
        io::ErrorKind::PermissionDenied if is_unix => "; its file may only be opened by others",
        _ if is_out_of_descriptors(error) => "; close some files, or allow more with `ulimit -n`",
        _ => "",
    };
    format!("{what}{hint}")
}

/// The system's messages as parts of a sentence: without their numbers, and in lower case.
fn plainly(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(" (os error ") {
        push_lower(&mut plain, before);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    push_lower(&mut plain, rest);
    plain
}

/// Appends a text whose last part, behind a colon, begins a sentence of the system's.
fn push_lower(plain: &mut String, text: &str) {
    let (head, tail) = text.rsplit_once(": ").map_or(("", text), |(head, tail)| (head, tail));
    let mut letters = tail.chars();
    if head.is_empty() {
        return plain.push_str(text);
    }
    plain.push_str(head);
    plain.push_str(": ");
    plain.extend(letters.next().into_iter().flat_map(char::to_lowercase));
    plain.push_str(letters.as_str());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_system_become_parts_of_a_sentence() {
        for (text, plain) in [
            (
                "cannot connect to 127.0.0.1:1: Connection refused (os error 111)",
                "cannot connect to 127.0.0.1:1: connection refused",
            ),
            (
                "cannot connect to a:1: 1.1.1.1:1: Connection refused (os error 111); [::1]:1: No route to host (os error 113)",
                "cannot connect to a:1: 1.1.1.1:1: connection refused; [::1]:1: no route to host",
            ),
            ("cannot connect to a:1 within 1s: no answer", "cannot connect to a:1 within 1s: no answer"),
            ("no colon", "no colon"),
        ] {
            assert_eq!(plainly(text), plain);
        }
    }
}
