//! *upper*: what a client sends goes back in capitals.
//!
//! Capitals are made of characters, and a network carries bytes: a receive may end in the middle of a character, whose
//! bytes then wait for the rest. Bytes that are no UTF-8 go back unchanged.

use std::str::from_utf8;

use super::{Conversation, Then};

/// Makes capitals of text that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Upper {
    /// The first bytes of a character whose last ones are still to come: three at most.
    begun: Vec<u8>,
}

impl Conversation for Upper {
    fn hear(&mut self, bytes: &[u8], say: &mut Vec<u8>) -> Then {
        self.capitals_of(bytes, say);
        Then::GoOn
    }

    /// What never became a character goes back as it was.
    fn hear_end(&mut self, say: &mut Vec<u8>) -> Then {
        say.append(&mut self.begun);
        Then::HangUp
    }
}

impl Upper {
    /// A piece in capitals. It may be longer than it was (`ß` becomes `SS`).
    fn capitals_of(&mut self, piece: &[u8], say: &mut Vec<u8>) {
        let joined = [&self.begun[..], piece].concat();
        self.begun.clear();
        let mut left = &joined[..];
        while !left.is_empty() {
            let (text, wrong) = match from_utf8(left) {
                Ok(text) => (text, 0),
                Err(error) => {
                    let (text, after) = left.split_at(error.valid_up_to());
                    let wrong = error.error_len().unwrap_or_else(|| {
                        self.begun.extend_from_slice(after);
                        after.len()
                    });
                    (from_utf8(text).unwrap_or_default(), wrong)
                }
            };
            say.extend_from_slice(text.to_uppercase().as_bytes());
            let (odd, after) = left[text.len()..].split_at(wrong);
            if self.begun.is_empty() {
                say.extend_from_slice(odd);
            }
            left = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_are_the_same_however_the_bytes_are_cut() {
        for (small, large) in [
            ("hello\r\n".as_bytes(), "HELLO\r\n".as_bytes()),
            ("äöüß, привет, ŉ ﬃ 𐐨 日本 🙂".as_bytes(), "ÄÖÜSS, ПРИВЕТ, ʼN FFI 𐐀 日本 🙂".as_bytes()),
            (b"a\xffb\xc3(c\xe2\x82d\xf0\x9f\x98", b"A\xffB\xc3(C\xe2\x82D\xf0\x9f\x98"),
            (b"\x80\xbf\xf5\xed\xa0\x80", b"\x80\xbf\xf5\xed\xa0\x80"),
            (b"\xd0", b"\xd0"),
            (b"", b""),
        ] {
            for first in 0..=small.len() {
                for second in first..=small.len() {
                    let (mut upper, mut all) = (Upper::default(), Vec::new());
                    for piece in [&small[..first], &small[first..second], &small[second..]] {
                        upper.hear(piece, &mut all);
                        assert!(upper.begun.len() <= 3);
                    }
                    upper.hear_end(&mut all);
                    assert_eq!(all, large, "cut at {first} and {second}");
                }
            }
        }
    }

    #[test]
    fn only_what_may_still_become_a_character_waits() {
        let (mut upper, mut said) = (Upper::default(), Vec::new());
        upper.hear("да".as_bytes(), &mut said);
        assert_eq!(said, "ДА".as_bytes());
        said.clear();
        upper.hear(b"\xd0", &mut said);
        assert_eq!(said, b"");
        upper.hear(b"x", &mut said);
        assert_eq!(said, b"\xd0X");
    }
}
