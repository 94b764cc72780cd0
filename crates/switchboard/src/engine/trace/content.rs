//! What is kept of bytes that went by: how many, a digest, and the first few.
//!
//! Bytes that came in two pieces are the same as those that came in one, so two contents can be joined: the digest is the
//! number that the bytes are in base 256, modulo a prime (Karp and Rabin, 1987). It finds a difference; it withstands no
//! forger.

use std::fmt;

/// Some bytes, as a trace keeps them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Content {
    length: usize,
    digest: u64,
    /// The first of them, zeros behind the last.
    first: [u8; SHOWN],
}

impl Content {
    pub(super) const EMPTY: Self = Self { length: 0, digest: 0, first: [0; SHOWN] };

    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut content = Self::EMPTY;
        content.push(bytes);
        content
    }

    /// The first `count` bytes of some slices.
    pub(super) fn of_first<'a>(count: usize, parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut content = Self::EMPTY;
        for part in parts {
            let left = count - content.length;
            content.push(&part[..left.min(part.len())]);
        }
        content
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Appends bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.show(bytes);
        self.length += bytes.len();
        let (words, rest) = bytes.as_chunks();
        // Eight words at most, or the sum would not fit.
        for some in words.chunks(8) {
            let word = |word: &[u8; 8]| u128::from(u64::from_be_bytes(*word));
            self.digest =
                reduce(some.iter().fold(self.digest.into(), |sum, one| sum * u128::from(FOLD) + word(one)));
        }
        for &byte in rest {
            self.digest = append(self.digest, 256, byte.into());
        }
    }

    /// Appends the bytes of another.
    pub(super) fn join(&mut self, other: &Self) {
        self.show(&other.first[..other.length.min(SHOWN)]);
        self.length += other.length;
        self.digest = append(self.digest, power(256, other.length), other.digest);
    }

    /// The first bytes; where these are not all, the digest, too: what differs looks different.
    pub(super) fn excerpt(&self) -> String {
        let mut text = String::new();
        for &byte in &self.first[..self.length.min(SHOWN)] {
            let escaped = byte.escape_ascii().to_string();
            if text.len() + escaped.len() > SHOWN {
                return format!("\"{text}…\" #{:016x}", self.digest);
            }
            text += &escaped;
        }
        if self.length > SHOWN {
            format!("\"{text}…\" #{:016x}", self.digest)
        } else {
            format!("\"{text}\"")
        }
    }

    fn show(&mut self, bytes: &[u8]) {
        let shown = self.length.min(SHOWN);
        let more = bytes.len().min(SHOWN - shown);
        self.first[shown..shown + more].copy_from_slice(&bytes[..more]);
    }
}

/// `17 bytes "hello, how are yo"`.
impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.length == 1 { "" } else { "s" };
        write!(f, "{} byte{plural} {}", self.length, self.excerpt())
    }
}

/// `digest * factor + more`, modulo the prime.
fn append(digest: u64, factor: u64, more: u64) -> u64 {
    reduce(u128::from(digest) * u128::from(factor) + u128::from(more))
}

fn reduce(mut sum: u128) -> u64 {
    while sum > u128::from(u64::MAX) {
        sum = (sum >> 64) * u128::from(FOLD) + u128::from(sum as u64);
    }
    let rest = sum as u64;
    if rest >= PRIME { rest - PRIME } else { rest }
}

fn power(mut base: u64, mut exponent: usize) -> u64 {
    let mut result = 1;
    while exponent > 0 {
        if exponent % 2 == 1 {
            result = append(result, base, 0);
        }
        base = append(base, base, 0);
        exponent /= 2;
    }
    result
}

/// How many of the bytes are kept to be read, and how many columns they get.
const SHOWN: usize = 24;

/// The greatest prime below 2^64.
const PRIME: u64 = u64::MAX - 58;

/// What is left of 2^64, modulo the prime: to append eight bytes is to multiply by that.
const FOLD: u64 = 59;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_bytes_are_cut_makes_no_difference() {
        let bytes: Vec<u8> = (0..1000_usize).map(|at| (at * 31 + at / 251) as u8).collect();
        let whole = Content::of(&bytes);
        for cut in [0, 1, SHOWN - 1, SHOWN, SHOWN + 1, 500, 999, 1000] {
            let mut joined = Content::of(&bytes[..cut]);
            joined.join(&Content::of(&bytes[cut..]));
            assert!(joined == whole, "cut at {cut}: {joined} instead of {whole}");
            let first = Content::of_first(1000, [&bytes[..cut], &bytes[cut..], b"and more"]);
            assert!(first == whole, "cut at {cut}: {first} instead of {whole}");
        }
    }

    #[test]
    fn what_differs_behind_what_is_shown_differs() {
        let zeros = [0; 100];
        for at in 0..zeros.len() {
            let mut other = zeros;
            other[at] = 1;
            assert_ne!(Content::of(&zeros).to_string(), Content::of(&other).to_string(), "at {at}");
        }
        let (mut ab, mut ba) = ([7; 60], [7; 60]);
        (ab[40], ab[41], ba[40], ba[41]) = (1, 2, 2, 1);
        assert_ne!(Content::of(&ab).digest, Content::of(&ba).digest);
        assert!(Content::of(&zeros[..50]) != Content::of(&zeros[..51]));
    }

    #[test]
    fn few_bytes_can_be_read() {
        assert_eq!(Content::of(b"a\"\n").to_string(), r#"3 bytes "a\"\n""#);
        assert_eq!(Content::of(&[1; 6]).to_string(), r#"6 bytes "\x01\x01\x01\x01\x01\x01""#);
        assert_eq!(
            Content::of(&[1; 7]).to_string(),
            r#"7 bytes "\x01\x01\x01\x01\x01\x01…" #0001010101010101"#
        );
        assert_eq!(Content::of(b"x").to_string(), r#"1 byte "x""#);
    }
}
