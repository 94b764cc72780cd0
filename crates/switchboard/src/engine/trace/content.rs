//! What is kept of bytes that went by: how many, a digest, and the first few.
//!
//! Bytes that came in two pieces are the same as those that came in one, so two contents can be joined: the digest is a
//! polynomial of the bytes, modulo a prime (Karp and Rabin, 1987). It finds a difference; it withstands no forger.

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
        for &byte in bytes {
            self.digest = reduce(multiply(self.digest, BASE) + u64::from(byte) + 1);
        }
    }

    /// Appends the bytes of another.
    pub(super) fn join(&mut self, other: &Self) {
        self.show(&other.first[..other.length.min(SHOWN)]);
        self.length += other.length;
        self.digest = reduce(multiply(self.digest, power(BASE, other.length)) + other.digest);
    }

    fn show(&mut self, bytes: &[u8]) {
        let shown = self.length.min(SHOWN);
        let more = bytes.len().min(SHOWN - shown);
        self.first[shown..shown + more].copy_from_slice(&bytes[..more]);
    }
}

/// `17 bytes "hello, how are yo"`; of more than are shown, the digest, too: what differs looks different.
impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.first[..self.length.min(SHOWN)].escape_ascii();
        let plural = if self.length == 1 { "" } else { "s" };
        if self.length <= SHOWN {
            return write!(f, "{} byte{plural} \"{shown}\"", self.length);
        }
        write!(f, "{} byte{plural} \"{shown}…\" #{:016x}", self.length, self.digest)
    }
}

fn multiply(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    reduce((product & u128::from(PRIME)) as u64 + (product >> 61) as u64)
}

fn reduce(number: u64) -> u64 {
    number % PRIME
}

fn power(mut base: u64, mut exponent: usize) -> u64 {
    let mut result = 1;
    while exponent > 0 {
        if exponent % 2 == 1 {
            result = multiply(result, base);
        }
        base = multiply(base, base);
        exponent /= 2;
    }
    result
}

/// How many of the bytes can be read.
const SHOWN: usize = 24;

/// A Mersenne prime, so that the rest of a division is a sum.
const PRIME: u64 = (1 << 61) - 1;

/// Any number that is no small power of two will do.
const BASE: u64 = 0x0005_deec_e66d_1cad;

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
        assert_ne!(Content::of(&zeros[..50]).digest, Content::of(&zeros[..51]).digest);
    }

    #[test]
    fn few_bytes_can_be_read() {
        assert_eq!(Content::of(b"a\"\n").to_string(), r#"3 bytes "a\"\n""#);
        assert_eq!(Content::of(b"x").to_string(), r#"1 byte "x""#);
    }
}
