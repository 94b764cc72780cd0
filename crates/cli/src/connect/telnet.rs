//! The user's side of TELNET (RFC 854): what a peer's bytes mean, and how a user's bytes go on the wire.
//!
//! Options are refused but for those that make a session better. The peer may echo (RFC 857) and transmit binary
//! (RFC 856); both sides may suppress go-ahead (RFC 858); we transmit binary if asked, and tell the type (RFC 1091) and
//! the size (RFC 1073) of the terminal if there is one. We never echo.
//!
//! Nothing is sent before the peer negotiates, so that a service that has not heard of TELNET sees plain bytes; from
//! then on the size is offered. Whatever a peer sends, an answer is sent for a change only (RFC 1143), so that two
//! sides never answer each other for ever, and what is kept is bounded.
//!
//! There is no Synch: without TCP's urgent data, which nothing here can send, its data mark means nothing.

mod command;
mod decoder;
mod line_end;
mod negotiation;
mod options;

pub(super) use command::{Command, Mode};
use command::{IAC, SB, SE};
use decoder::{Decoder, Event};
use line_end::{Received, Typed};
use negotiation::Verb;
use options::{BINARY, ECHO, NAWS, Options, SUPPRESS_GO_AHEAD, Side, TERMINAL_TYPE, TIMING_MARK};

/// One TELNET connection, as its user sees it.
#[derive(Debug)]
pub(super) struct Telnet {
    decoder: Decoder,
    received: Received,
    typed: Typed,
    options: Options,
    terminal: Option<Terminal>,
    /// Whether the peer has negotiated, and so has been offered what we would like.
    is_met: bool,
}

/// The terminal at which the user sits.
#[derive(Debug, Clone)]
pub(super) struct Terminal {
    /// Its type, as `TERM` has it.
    pub(super) name: String,
    /// Its width, characters; zero says that it is not known.
    pub(super) columns: u16,
    /// Its height, lines; zero says that it is not known.
    pub(super) rows: u16,
}

impl Telnet {
    /// A connection that has just been made. Without a terminal, its type and size are refused.
    pub(super) fn new(terminal: Option<Terminal>) -> Self {
        Self {
            decoder: Decoder::default(),
            received: Received::default(),
            typed: Typed::default(),
            options: Options::new(terminal.is_some()),
            terminal,
            is_met: false,
        }
    }

    /// Takes in bytes of the peer, cut anywhere: text for the user is appended to `text`, answers to `reply`.
    pub(super) fn receive(&mut self, bytes: &[u8], text: &mut Vec<u8>, reply: &mut Vec<u8>) {
        let mut left = bytes;
        while let Some(event) = self.decoder.next(&mut left) {
            match event {
                Event::Data(data) if self.options.is_on(Side::Peer, BINARY) => {
                    self.received.plain(data, text);
                }
                Event::Data(data) => self.received.lines(data, text),
                Event::Negotiation(verb, option) => self.negotiate(verb, option, reply),
                Event::Subnegotiation(&[TERMINAL_TYPE, SEND]) => self.tell_type(reply),
                Event::Subnegotiation(_) => {}
            }
        }
    }

    /// Appends what the user typed as it goes on the wire: 255 doubled, a line end (LF) as CR LF, a lone CR as CR NUL.
    ///
    /// At a terminal, a character at a time, each byte is a key. Otherwise CR LF is one line end, even when it is cut
    /// between two calls: the NUL of a CR at the end of a piece waits for the next call, or for [`end`](Self::end).
    pub(super) fn send(&mut self, typed: &[u8], wire: &mut Vec<u8>) {
        if self.options.is_on(Side::Ours, BINARY) {
            self.typed.plain(typed, wire);
        } else if self.terminal.is_some() && self.character_at_a_time() {
            self.typed.keys(typed, wire);
        } else {
            self.typed.lines(typed, wire);
        }
    }

    /// The user's input has ended: appends what a CR at its very end still lacks.
    pub(super) fn end(&mut self, wire: &mut Vec<u8>) {
        self.typed.end(wire);
    }

    /// The terminal has a new size: appends it, if the peer wants to know.
    pub(super) fn resized(&mut self, columns: u16, rows: u16, reply: &mut Vec<u8>) {
        let Some(terminal) = &mut self.terminal else { return };
        if (terminal.columns, terminal.rows) != (columns, rows) {
            (terminal.columns, terminal.rows) = (columns, rows);
            if self.options.is_on(Side::Ours, NAWS) {
                self.tell_size(reply);
            }
        }
    }

    /// Whether the peer shows what is typed, so that the terminal must not.
    pub(super) fn peer_echoes(&self) -> bool {
        self.options.is_on(Side::Peer, ECHO)
    }

    /// Whether every key is to be sent at once: the peer echoes and suppresses go-ahead.
    pub(super) fn character_at_a_time(&self) -> bool {
        self.peer_echoes() && self.options.is_on(Side::Peer, SUPPRESS_GO_AHEAD)
    }

    /// Appends a command of the user.
    pub(super) fn command(&mut self, command: Command, wire: &mut Vec<u8>) {
        wire.extend([IAC, command.code()]);
    }

    /// Asks the peer for a mode; whether it agrees shows in [`character_at_a_time`](Self::character_at_a_time).
    pub(super) fn ask(&mut self, mode: Mode, wire: &mut Vec<u8>) {
        for option in [SUPPRESS_GO_AHEAD, ECHO] {
            let asked = self.options.ask(Side::Peer, option, mode == Mode::Character);
            put_verb(asked, option, wire);
        }
    }

    /// What was negotiated, in lines for a person.
    pub(super) fn status(&self) -> Vec<String> {
        let mode = match (self.character_at_a_time(), self.peer_echoes()) {
            (true, _) => "input goes a character at a time, and the peer echoes it",
            (false, true) => "input goes a line at a time, and the peer echoes it",
            (false, false) => "input goes a line at a time, and is echoed here",
        };
        let mut lines = vec![mode.to_owned()];
        lines.extend(self.options.status());
        if let Some(Terminal { name, columns, rows }) = &self.terminal {
            lines.push(format!("terminal: {}, {columns} columns, {rows} rows", type_of(name)));
        }
        lines
    }

    fn negotiate(&mut self, verb: Verb, option: u8, reply: &mut Vec<u8>) {
        if (verb, option) == (Verb::Do, TIMING_MARK) {
            // No option that is on or off, but a question that is answered each time.
            // Servers take WILL for a claim to edit lines without LINEMODE, and then hand nothing over by keys.
            put_verb(Some(Verb::Wont), TIMING_MARK, reply);
        } else {
            let told_size = self.options.is_on(Side::Ours, NAWS);
            put_verb(self.options.heard(verb, option), option, reply);
            if !told_size && self.options.is_on(Side::Ours, NAWS) {
                self.tell_size(reply);
            }
        }
        if !self.is_met && self.terminal.is_some() && option != NAWS {
            put_verb(self.options.ask(Side::Ours, NAWS, true), NAWS, reply);
        }
        self.is_met = true;
    }

    fn tell_type(&self, reply: &mut Vec<u8>) {
        if let Some(terminal) =
            self.terminal.as_ref().filter(|_| self.options.is_on(Side::Ours, TERMINAL_TYPE))
        {
            reply.extend([IAC, SB, TERMINAL_TYPE, IS]);
            reply.extend(type_of(&terminal.name).bytes());
            reply.extend([IAC, SE]);
        }
    }

    fn tell_size(&self, reply: &mut Vec<u8>) {
        let Some(terminal) = &self.terminal else { return };
        reply.extend([IAC, SB, NAWS]);
        for byte in [terminal.columns, terminal.rows].map(u16::to_be_bytes).concat() {
            line_end::put(byte, reply);
        }
        reply.extend([IAC, SE]);
    }
}

/// A terminal's type as the wire has it: capitals, as is the custom, and nothing that is no name (RFC 1091).
fn type_of(name: &str) -> String {
    let is_name =
        (1..=LONGEST_TYPE).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    if is_name { name.to_ascii_uppercase() } else { "UNKNOWN".to_owned() }
}

fn put_verb(verb: Option<Verb>, option: u8, wire: &mut Vec<u8>) {
    if let Some(verb) = verb {
        wire.extend([IAC, verb.code(), option]);
    }
}

/// RFC 1091: a type has at most 40 characters.
const LONGEST_TYPE: usize = 40;

const IS: u8 = 0;
const SEND: u8 = 1;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
