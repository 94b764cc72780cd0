//! Commands of RFC 854: what follows the byte 255, by code and by the name under which a user sends it.

use std::str::FromStr;

/// A command that a user may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::connect) enum Command {
    /// Nothing, but it shows whether the connection still takes bytes.
    NoOperation,
    /// The Break key: as a process sees fit.
    Break,
    /// Stop the process.
    InterruptProcess,
    /// Let the process run, but do not send its output.
    AbortOutput,
    /// Send something that can be seen.
    AreYouThere,
    /// Take back the last character.
    EraseCharacter,
    /// Take back the line.
    EraseLine,
    /// It is the peer's turn to speak, where the line takes turns.
    GoAhead,
}

impl Command {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::NoOperation => 241,
            Self::Break => 243,
            Self::InterruptProcess => 244,
            Self::AbortOutput => 245,
            Self::AreYouThere => 246,
            Self::EraseCharacter => 247,
            Self::EraseLine => 248,
            Self::GoAhead => 249,
        }
    }
}

impl FromStr for Command {
    type Err = String;

    /// By the short names of RFC 854, as every telnet has them.
    fn from_str(name: &str) -> Result<Self, String> {
        Ok(match name {
            "nop" => Self::NoOperation,
            "brk" => Self::Break,
            "ip" => Self::InterruptProcess,
            "ao" => Self::AbortOutput,
            "ayt" => Self::AreYouThere,
            "ec" => Self::EraseCharacter,
            "el" => Self::EraseLine,
            "ga" => Self::GoAhead,
            _ => {
                return Err(format!(
                    "no such command: {name}; give one of ayt, brk, ip, ao, ec, el, ga, nop"
                ));
            }
        })
    }
}

/// How what is typed goes to the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::connect) enum Mode {
    /// When a line is complete, echoed by the terminal.
    Line,
    /// Each character at once, echoed by the peer.
    Character,
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "line" => Ok(Self::Line),
            "character" => Ok(Self::Character),
            _ => Err(format!("no such mode: {name}; give line or character")),
        }
    }
}

/// The end of a subnegotiation.
pub(super) const SE: u8 = 240;

/// The beginning of a subnegotiation.
pub(super) const SB: u8 = 250;

/// "Interpret as command": the next byte is one. Twice, it is the byte 255 itself.
pub(super) const IAC: u8 = 255;
