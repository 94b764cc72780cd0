//! *boom*: an echo that fails at a line `boom`, to see what a failure does: it is reported once, ends this connection,
//! and nothing else.

use super::{Conversation, Then};

#[derive(Debug, Default)]
pub(super) struct Boom {
    fuse: Fuse,
}

impl Conversation for Boom {
    /// What came before the failure goes back all the same, and the line with it.
    fn hear(&mut self, bytes: &[u8], say: &mut Vec<u8>) -> Then {
        match self.fuse.burn(bytes) {
            None => {
                say.extend_from_slice(bytes);
                Then::GoOn
            }
            Some(end) => {
                say.extend_from_slice(&bytes[..end]);
                Then::Fail("boom")
            }
        }
    }
}

/// Looks for the line in pieces of any size, and keeps none of them.
#[derive(Debug)]
struct Fuse {
    /// How much of it the current line is so far; `None` if it is another line.
    burnt: Option<usize>,
}

impl Default for Fuse {
    /// At the beginning of a line.
    fn default() -> Self {
        Self { burnt: Some(0) }
    }
}

impl Fuse {
    /// Where the line ends in this piece, if it does.
    fn burn(&mut self, piece: &[u8]) -> Option<usize> {
        for (at, &byte) in piece.iter().enumerate() {
            self.burnt = match (byte, self.burnt) {
                (b'\n', Some(burnt)) if burnt >= BOOM.len() => return Some(at + 1),
                (b'\n', _) => Some(0),
                (b'\r', Some(burnt)) if burnt == BOOM.len() => Some(burnt + 1),
                (_, Some(burnt)) if BOOM.get(burnt) == Some(&byte) => Some(burnt + 1),
                _ => None,
            };
        }
        None
    }
}

const BOOM: &[u8] = b"boom";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_found_however_it_is_cut() {
        for (text, end) in [
            ("boom\n", Some(5)),
            ("boom\r\n", Some(6)),
            ("\nboom\nmore", Some(6)),
            ("hello\r\nboom\r\nmore", Some(13)),
            ("boomboom\nboom\n", Some(14)),
            ("boom", None),
            ("boom\r", None),
            ("boom\r\r\n", None),
            ("boom \n", None),
            (" boom\n", None),
            ("boo\nm\n", None),
            ("Boom\n", None),
        ] {
            assert_eq!(Fuse::default().burn(text.as_bytes()), end, "{text:?}");
            let mut fuse = Fuse::default();
            let one_by_one = (0..text.len()).find(|&at| fuse.burn(&text.as_bytes()[at..=at]).is_some());
            assert_eq!(one_by_one.map(|at| at + 1), end, "{text:?}, byte by byte");
        }
    }
}
