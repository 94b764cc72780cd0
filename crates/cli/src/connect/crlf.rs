//! Line ends as the protocols of the Internet want them: CR LF.

/// Makes CR LF of every LF that has no CR before it. What comes in pieces becomes the same as what comes at once.
#[derive(Debug, Default)]
pub(super) struct LineEnds {
    /// The last piece ended with a CR.
    after_cr: bool,
}

impl LineEnds {
    /// Appends a piece as it goes on the wire.
    pub(super) fn convert(&mut self, piece: &[u8], wire: &mut Vec<u8>) {
        for line in piece.split_inclusive(|&byte| byte == b'\n') {
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            wire.extend_from_slice(text);
            self.after_cr = text.last().map_or(self.after_cr, |&last| last == b'\r');
            if text.len() < line.len() {
                wire.extend_from_slice(if self.after_cr { b"\n" } else { b"\r\n" });
                self.after_cr = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_the_same_however_the_bytes_are_cut() {
        for (typed, sent) in [
            (&b"a\nb\r\nc"[..], &b"a\r\nb\r\nc"[..]),
            (b"\n\n\r\n\r\r\n", b"\r\n\r\n\r\n\r\r\n"),
            (b"\r", b"\r"),
            (b"x\ry\n", b"x\ry\r\n"),
            (b"", b""),
        ] {
            for first in 0..=typed.len() {
                for second in first..=typed.len() {
                    let (mut ends, mut wire) = (LineEnds::default(), Vec::new());
                    for piece in [&typed[..first], &typed[first..second], &typed[second..]] {
                        ends.convert(piece, &mut wire);
                    }
                    assert_eq!(wire, sent, "cut at {first} and {second}");
                }
            }
        }
    }
}
