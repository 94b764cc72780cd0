//! *chargen*: lines of 72 printable characters, each beginning one character later, for as long as the client listens
//! (RFC 864). What the client sends is thrown away, and its end is not the end: who half-closes may still listen.

use super::{Conversation, Then};

#[derive(Debug, Default)]
pub(super) struct Chargen {
    /// With which character the next line begins.
    first: usize,
}

impl Conversation for Chargen {
    fn hear(&mut self, _: &[u8], _: &mut Vec<u8>) -> Then {
        Then::GoOn
    }

    fn hear_end(&mut self, _: &mut Vec<u8>) -> Then {
        Then::GoOn
    }

    fn go_on(&mut self, say: &mut Vec<u8>) {
        for _ in 0..LINES_AT_ONCE {
            line(self.first, say);
            self.first = (self.first + 1) % CHARACTERS.len();
        }
    }
}

/// An answer to a datagram: as many whole lines as 512 bytes hold.
pub(super) fn fill_datagram(say: &mut Vec<u8>) {
    for first in 0..512 / LINE {
        line(first, say);
    }
}

fn line(first: usize, say: &mut Vec<u8>) {
    say.extend(CHARACTERS.iter().cycle().skip(first).take(LINE - 2));
    say.extend_from_slice(b"\r\n");
}

/// All that print, with the space at the end (in the order of ASCII, from `!`).
const CHARACTERS: [u8; 95] = {
    let mut all = [b' '; 95];
    let mut at = 0;
    while at < 94 {
        all[at] = b'!' + at as u8;
        at += 1;
    }
    all
};

/// How long a line is, bytes, with its end.
const LINE: usize = 74;

/// About 4 KiB.
const LINES_AT_ONCE: usize = 56;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_is_that_of_the_rfc() {
        let (mut chargen, mut said) = (Chargen::default(), Vec::new());
        chargen.go_on(&mut said);
        chargen.go_on(&mut said);
        let lines: Vec<_> = said.chunks(LINE).collect();
        assert_eq!(
            lines[0],
            b"!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefgh\r\n"
        );
        assert!(lines[1].starts_with(b"\"#$") && lines[1].ends_with(b"ghi\r\n"));
        assert!(lines[30].ends_with(b"~ !\"#$%&\r\n") || lines[30].windows(3).any(|three| three == b"~ !"));
        assert_eq!(lines[95], lines[0]);
        assert_eq!(lines.len(), 2 * LINES_AT_ONCE);
    }

    #[test]
    fn a_datagram_holds_at_most_512_bytes() {
        let mut said = Vec::new();
        fill_datagram(&mut said);
        assert_eq!(said.len(), 6 * LINE);
    }
}
