//! What lies between what is typed or shown and what is on the wire: TELNET, line ends, and the dump of both.

use std::borrow::Cow;

use super::Options;
use super::crlf::LineEnds;
use super::hex::Dump;
use super::telnet::{Command, Mode, Telnet, Terminal};

/// What was asked for of these.
#[derive(Debug)]
pub(super) struct Codec {
    pub(super) telnet: Option<Telnet>,
    line_ends: Option<LineEnds>,
    dumps: Option<Dumps>,
}

#[derive(Debug)]
struct Dumps {
    sent: Dump,
    received: Dump,
    /// A terminal in character mode takes line ends as they are.
    line_end: &'static str,
}

impl Codec {
    /// For a person at a terminal, if there is one.
    pub(super) fn new(options: &Options, terminal: Option<Terminal>) -> Self {
        let line_end = if terminal.is_some() { "\r\n" } else { "\n" };
        let dumps = || Dumps { sent: Dump::new('>'), received: Dump::new('<'), line_end };
        Self {
            telnet: options.telnet.then(|| Telnet::new(terminal)),
            line_ends: options.crlf.then(LineEnds::default),
            dumps: options.hex.then(dumps),
        }
    }

    /// What was typed, as it goes on the wire.
    pub(super) fn encode<'a>(&mut self, typed: &'a [u8]) -> Cow<'a, [u8]> {
        let mut typed = Cow::Borrowed(typed);
        if let Some(line_ends) = &mut self.line_ends {
            let mut converted = Vec::with_capacity(typed.len() + typed.len() / 16);
            line_ends.convert(&typed, &mut converted);
            typed = converted.into();
        }
        if let Some(telnet) = &mut self.telnet {
            let mut wire = Vec::with_capacity(typed.len() + typed.len() / 16);
            telnet.send(&typed, &mut wire);
            typed = wire.into();
        }
        typed
    }

    /// What still has to go on the wire at the end of what is typed.
    pub(super) fn end(&mut self) -> Vec<u8> {
        self.telnet_bytes(Telnet::end)
    }

    /// What was received, as text; what is to be answered is appended to `reply`.
    pub(super) fn decode<'a>(&mut self, received: &'a [u8], reply: &mut Vec<u8>) -> Cow<'a, [u8]> {
        let Some(telnet) = &mut self.telnet else { return Cow::Borrowed(received) };
        let mut text = Vec::with_capacity(received.len());
        telnet.receive(received, &mut text, reply);
        text.into()
    }

    /// What is to be shown of bytes that were received: the text, or else a dump.
    pub(super) fn show_received<'a>(&mut self, received: &[u8], text: Cow<'a, [u8]>) -> Cow<'a, [u8]> {
        match &mut self.dumps {
            Some(dumps) => dumps.show(|dumps, shown| dumps.received.take(received, shown)).into(),
            None => text,
        }
    }

    /// What is to be shown of bytes that go on the wire: nothing, unless there is a dump.
    pub(super) fn show_sent(&mut self, wire: &[u8]) -> Vec<u8> {
        let Some(dumps) = &mut self.dumps else { return Vec::new() };
        dumps.show(|dumps, shown| dumps.sent.take(wire, shown))
    }

    /// The ends of the dumps.
    pub(super) fn show_end(&mut self) -> Vec<u8> {
        let Some(dumps) = &mut self.dumps else { return Vec::new() };
        dumps.show(|dumps, shown| {
            dumps.sent.end(shown);
            dumps.received.end(shown);
        })
    }

    pub(super) fn command(&mut self, command: Command) -> Vec<u8> {
        self.telnet_bytes(|telnet, wire| telnet.command(command, wire))
    }

    pub(super) fn ask(&mut self, mode: Mode) -> Vec<u8> {
        self.telnet_bytes(|telnet, wire| telnet.ask(mode, wire))
    }

    pub(super) fn resized(&mut self, (columns, rows): (u16, u16)) -> Vec<u8> {
        self.telnet_bytes(|telnet, wire| telnet.resized(columns, rows, wire))
    }

    fn telnet_bytes(&mut self, write: impl FnOnce(&mut Telnet, &mut Vec<u8>)) -> Vec<u8> {
        let mut wire = Vec::new();
        if let Some(telnet) = &mut self.telnet {
            write(telnet, &mut wire);
        }
        wire
    }
}

impl Dumps {
    fn show(&mut self, write: impl FnOnce(&mut Self, &mut String)) -> Vec<u8> {
        let mut shown = String::new();
        write(self, &mut shown);
        if self.line_end == "\n" { shown } else { shown.replace('\n', self.line_end) }.into_bytes()
    }
}
