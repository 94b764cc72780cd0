//! *line*: a welcome, and then every line comes back as `Echo: <line>`.
//!
//! A line ends with LF or CRLF, as telnet, nc and people send it; an answer ends with CRLF. What follows the last line
//! end is a line, too.

use switchboard::engine::Lease;
use switchboard::net::Lines;

use super::{Conversation, Then};

#[derive(Debug)]
pub(super) struct Line {
    lines: Lines,
}

impl Default for Line {
    fn default() -> Self {
        Self { lines: Lines::new(LONGEST) }
    }
}

impl Line {
    /// A line that is too long gets an error line, and that is the end: where the next one begins is not waited for.
    fn answer(&mut self, bytes: &[u8], say: &mut Vec<u8>, then: Then) -> Then {
        self.lines.feed(Lease::from(bytes));
        loop {
            match self.lines.cut() {
                Ok(Some(line)) => {
                    for part in [b"Echo: ", line.bytes, b"\r\n"] {
                        say.extend_from_slice(part);
                    }
                }
                Ok(None) => return then,
                Err(_) => {
                    say.extend_from_slice(TOO_LONG);
                    return Then::HangUp;
                }
            }
        }
    }
}

impl Conversation for Line {
    fn open(&mut self, say: &mut Vec<u8>) -> Then {
        say.extend_from_slice(WELCOME);
        Then::GoOn
    }

    fn hear(&mut self, bytes: &[u8], say: &mut Vec<u8>) -> Then {
        self.answer(bytes, say, Then::GoOn)
    }

    fn hear_end(&mut self, say: &mut Vec<u8>) -> Then {
        self.answer(b"", say, Then::HangUp)
    }
}

/// How long a line may be, bytes, without its end.
const LONGEST: usize = 64 << 10;

const WELCOME: &[u8] = b"Welcome! Every line you send comes back.\r\n";

const TOO_LONG: &[u8] = b"Error: a line has at most 65536 bytes\r\n";
