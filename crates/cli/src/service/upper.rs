//! *upper*: what a client sends goes back in capitals.
//!
//! Capitals are made of characters, and a network carries bytes: a receive may end in the middle of a character, whose
//! bytes then wait for the rest. Bytes that are no UTF-8 go back unchanged.

use std::io;
use std::str::from_utf8;

use switchboard::net::Stream;

/// One answer per receive, but for what waits.
pub(super) async fn serve(mut stream: Stream) -> io::Result<()> {
    let mut capitals = Capitals::default();
    loop {
        let data = stream.recv().await?;
        if data.is_empty() {
            return stream.send_all(capitals.rest()).await;
        }
        stream.send_all(capitals.of(&data)).await?;
    }
}

/// Makes capitals of text that comes in pieces.
#[derive(Debug, Default)]
struct Capitals {
    /// The first bytes of a character whose last ones are still to come: three at most.
    begun: Vec<u8>,
}

impl Capitals {
    /// A piece in capitals. It may be longer than it was (`ß` becomes `SS`).
    fn of(&mut self, piece: &[u8]) -> Vec<u8> {
        let joined = [&self.begun[..], piece].concat();
        self.begun.clear();
        let mut left = &joined[..];
        let mut capitals = Vec::with_capacity(left.len());
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
            capitals.extend_from_slice(text.to_uppercase().as_bytes());
            let (odd, after) = left[text.len()..].split_at(wrong);
            if self.begun.is_empty() {
                capitals.extend_from_slice(odd);
            }
            left = after;
        }
        capitals
    }

    /// What never became a character.
    fn rest(self) -> Vec<u8> {
        self.begun
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
                    let mut capitals = Capitals::default();
                    let mut all = capitals.of(&small[..first]);
                    all.extend(capitals.of(&small[first..second]));
                    all.extend(capitals.of(&small[second..]));
                    assert!(capitals.begun.len() <= 3);
                    all.extend(capitals.rest());
                    assert_eq!(all, large, "cut at {first} and {second}");
                }
            }
        }
    }

    #[test]
    fn only_what_may_still_become_a_character_waits() {
        let mut capitals = Capitals::default();
        assert_eq!(capitals.of("да".as_bytes()), "ДА".as_bytes());
        assert_eq!(capitals.of(b"\xd0"), b"");
        assert_eq!(capitals.of(b"x"), b"\xd0X");
    }
}
