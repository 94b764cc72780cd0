//! The options of both sides: which we agree to, and which are on.

use super::negotiation::{Say, State, Verb};

/// Every option of both sides.
#[derive(Debug)]
pub(super) struct Options {
    peer: [State; 256],
    ours: [State; 256],
    has_terminal: bool,
}

/// Whose side an option is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The peer's: it says WILL and WONT, we say DO and DONT.
    Peer,
    /// Ours: the other way round.
    Ours,
}

impl Options {
    /// Everything off.
    pub(super) fn new(has_terminal: bool) -> Self {
        Self { peer: [State::No; 256], ours: [State::No; 256], has_terminal }
    }

    /// Whether an option is in force.
    pub(super) fn is_on(&self, side: Side, option: u8) -> bool {
        self.states(side)[usize::from(option)].is_on()
    }

    /// The peer has said something; gives what is to be answered.
    pub(super) fn heard(&mut self, verb: Verb, option: u8) -> Option<Verb> {
        let side = match verb {
            Verb::Will | Verb::Wont => Side::Peer,
            Verb::Do | Verb::Dont => Side::Ours,
        };
        let is_welcome = self.is_welcome(side, option);
        let state = self.state(side, option);
        let say = match verb {
            Verb::Will | Verb::Do => state.heard_yes(is_welcome),
            Verb::Wont | Verb::Dont => state.heard_no(),
        };
        verb_of(side, say)
    }

    /// We would like an option to be on, or off; gives what is to be said.
    pub(super) fn ask(&mut self, side: Side, option: u8, on: bool) -> Option<Verb> {
        let state = self.state(side, option);
        let say = if on { state.want_yes() } else { state.want_no() };
        verb_of(side, say)
    }

    /// What is on, and what was asked for, in lines for a person.
    pub(super) fn status(&self) -> Vec<String> {
        let on = |side, whose| match self.names(side, State::is_on) {
            names if names.is_empty() => format!("{whose}: no option is on"),
            names => format!("{whose}: {}", names.join(", ")),
        };
        let mut lines = vec![on(Side::Peer, "the peer's side"), on(Side::Ours, "our side")];
        for (side, whose) in [(Side::Peer, "of the peer"), (Side::Ours, "by us")] {
            let names = self.names(side, State::is_waiting);
            if !names.is_empty() {
                lines.push(format!("asked {whose} and not answered yet: {}", names.join(", ")));
            }
        }
        lines
    }

    fn is_welcome(&self, side: Side, option: u8) -> bool {
        match (side, option) {
            (_, BINARY | SUPPRESS_GO_AHEAD) | (Side::Peer, ECHO) => true,
            (Side::Ours, TERMINAL_TYPE | NAWS) => self.has_terminal,
            _ => false,
        }
    }

    fn names(&self, side: Side, holds: fn(State) -> bool) -> Vec<&'static str> {
        let is_held = |option: u8| holds(self.states(side)[usize::from(option)]);
        KNOWN.into_iter().filter(|&(option, _)| is_held(option)).map(|(_, name)| name).collect()
    }

    fn states(&self, side: Side) -> &[State; 256] {
        match side {
            Side::Peer => &self.peer,
            Side::Ours => &self.ours,
        }
    }

    fn state(&mut self, side: Side, option: u8) -> &mut State {
        let states = match side {
            Side::Peer => &mut self.peer,
            Side::Ours => &mut self.ours,
        };
        &mut states[usize::from(option)]
    }
}

fn verb_of(side: Side, say: Say) -> Option<Verb> {
    Some(match (side, say?) {
        (Side::Peer, true) => Verb::Do,
        (Side::Peer, false) => Verb::Dont,
        (Side::Ours, true) => Verb::Will,
        (Side::Ours, false) => Verb::Wont,
    })
}

/// RFC 856: bytes as they are, without line ends of the wire.
pub(super) const BINARY: u8 = 0;

/// RFC 857: this side shows the other what it typed.
pub(super) const ECHO: u8 = 1;

/// RFC 858: this side does not say when it is the other's turn.
pub(super) const SUPPRESS_GO_AHEAD: u8 = 3;

/// RFC 860: not an option but a question, whose answer tells that everything before it was taken in.
pub(super) const TIMING_MARK: u8 = 6;

/// RFC 1091: this side tells the type of its terminal.
pub(super) const TERMINAL_TYPE: u8 = 24;

/// RFC 1073, "negotiate about window size": this side tells the size of its terminal.
pub(super) const NAWS: u8 = 31;

/// The options that can be on, by the names of their RFCs.
const KNOWN: [(u8, &str); 5] = [
    (BINARY, "TRANSMIT-BINARY"),
    (ECHO, "ECHO"),
    (SUPPRESS_GO_AHEAD, "SUPPRESS-GO-AHEAD"),
    (TERMINAL_TYPE, "TERMINAL-TYPE"),
    (NAWS, "NAWS"),
];
