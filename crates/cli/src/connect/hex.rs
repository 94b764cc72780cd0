//! A conversation in bytes, in the manner of `hexdump -C`: an arrow, an offset, sixteen bytes, and the same as text.
//!
//! ```text
//! < 00000000  57 65 6c 63 6f 6d 65 21  0d 0a                    |Welcome!..|
//! ```
//!
//! Each direction has a dump of its own, whose offsets count that direction only. A piece is shown at once and whole:
//! who watches a conversation wants to see what came when it came. So a line may be short in the middle of a dump, and
//! the next one goes on where it stopped; nothing is kept back, and nothing is shown twice.

use std::fmt::Write as _;

/// The dump of one direction.
#[derive(Debug)]
pub(super) struct Dump {
    arrow: char,
    offset: u64,
}

impl Dump {
    /// A dump whose lines begin with `arrow`: `>` for what is sent, `<` for what is received.
    pub(super) fn new(arrow: char) -> Self {
        Self { arrow, offset: 0 }
    }

    /// Appends the lines of a piece to `out`.
    pub(super) fn take(&mut self, bytes: &[u8], out: &mut String) {
        for row in bytes.chunks(ROW) {
            self.begin_line(out);
            out.push(' ');
            for column in 0..ROW {
                if column == ROW / 2 {
                    out.push(' ');
                }
                match row.get(column) {
                    Some(byte) => put(out, format_args!(" {byte:02x}")),
                    None => out.push_str("   "),
                }
            }
            out.push_str("  |");
            out.extend(row.iter().map(|&byte| if is_visible(byte) { char::from(byte) } else { '.' }));
            out.push_str("|\n");
            self.offset = self.offset.saturating_add(row.len() as u64);
        }
    }

    /// Appends the last line, which tells how many bytes there were; as in `hexdump`, there is none if there were none.
    pub(super) fn end(&mut self, out: &mut String) {
        if self.offset > 0 {
            self.begin_line(out);
            out.push('\n');
        }
    }

    fn begin_line(&self, out: &mut String) {
        put(out, format_args!("{} {:08x}", self.arrow, self.offset));
    }
}

fn is_visible(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes whatever is written to it");
}

/// How many bytes a line shows.
const ROW: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn dumped(arrow: char, pieces: &[&[u8]]) -> String {
        let (mut dump, mut out) = (Dump::new(arrow), String::new());
        for piece in pieces {
            dump.take(piece, &mut out);
        }
        dump.end(&mut out);
        out
    }

    #[test]
    fn a_dump_looks_like_one_of_hexdump() {
        let cases: [(&[&[u8]], &[&str]); 6] = [
            (&[], &[]),
            (&[b""], &[]),
            (&[b"a"], &["> 00000000  61                                                |a|", "> 00000001"]),
            (
                &[b"Welcome!"],
                &["> 00000000  57 65 6c 63 6f 6d 65 21                           |Welcome!|", "> 00000008"],
            ),
            (
                &[b"\x00\x1f ~\x7f\x80\xff|\r"],
                &["> 00000000  00 1f 20 7e 7f 80 ff 7c  0d                       |.. ~...|.|", "> 00000009"],
            ),
            (
                &[b"0123456789abcdef!"],
                &[
                    "> 00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|",
                    "> 00000010  21                                                |!|",
                    "> 00000011",
                ],
            ),
        ];
        for (pieces, lines) in cases {
            let expected: String = lines.iter().map(|line| format!("{line}\n")).collect();
            assert_eq!(dumped('>', pieces), expected);
        }
    }

    #[test]
    fn a_piece_is_shown_at_once_and_the_next_one_goes_on_where_it_stopped() {
        let (mut dump, mut out) = (Dump::new('<'), String::new());
        dump.take(b"one", &mut out);
        assert_eq!(out, "< 00000000  6f 6e 65                                          |one|\n");
        out.clear();
        dump.take(b"two", &mut out);
        assert_eq!(out, "< 00000003  74 77 6f                                          |two|\n");
    }

    #[test]
    fn a_direction_counts_for_itself() {
        let (mut sent, mut received) = (Dump::new('>'), Dump::new('<'));
        let mut out = String::new();
        sent.take(&[b'x'; 32], &mut out);
        out.clear();
        received.take(b"y", &mut out);
        sent.end(&mut out);
        assert_eq!(out, "< 00000000  79                                                |y|\n> 00000020\n");
    }

    #[test]
    fn an_offset_that_is_longer_than_its_column_is_shown_whole() {
        let (mut dump, mut out) = (Dump { arrow: '<', offset: 0x1_0000_0000 }, String::new());
        dump.end(&mut out);
        assert_eq!(out, "< 100000000\n");
    }
}
