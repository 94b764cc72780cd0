//! Texts of a script, which are bytes: read, and written again where a person is told of them.

use std::fmt::Write as _;

/// Reads a text: quoted, with escapes, or as it is.
pub(super) fn read(written: &str) -> Result<Vec<u8>, String> {
    match written.strip_prefix('"') {
        Some(rest) => read_quoted(rest),
        None if written.contains('\\') => {
            Err(format!("a backslash outside of quotes; put the text in quotes: \"{written}\""))
        }
        None => Ok(written.as_bytes().to_vec()),
    }
}

/// Reads what follows an opening quote.
fn read_quoted(written: &str) -> Result<Vec<u8>, String> {
    const UNENDED: &str = "a quote without an end; add one, or write \\\" for a quote in the text";
    let mut bytes = Vec::new();
    let mut left = written.chars();
    loop {
        match left.next().ok_or(UNENDED)? {
            '"' if left.as_str().is_empty() => return Ok(bytes),
            '"' => {
                let rest = left.as_str();
                return Err(format!(
                    "`{rest}` after the closing quote; take it out, or write \\\" for a quote in the text"
                ));
            }
            '\\' => bytes.push(match left.next().ok_or(UNENDED)? {
                'r' => b'\r',
                'n' => b'\n',
                't' => b'\t',
                '0' => 0,
                'x' => hexadecimal(&mut left)?,
                same @ ('\\' | '"') => same as u8,
                other => {
                    return Err(format!(
                        "no such escape: \\{other}; give one of \\r \\n \\t \\0 \\xHH \\\\ \\\""
                    ));
                }
            }),
            other => bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

fn hexadecimal(left: &mut std::str::Chars<'_>) -> Result<u8, String> {
    let mut digit =
        || left.next().and_then(|digit| digit.to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
    match (digit(), digit()) {
        (Some(high), Some(low)) => Ok(high << 4 | low),
        _ => Err("\\x without two hexadecimal digits; give them, such as \\x0d".to_owned()),
    }
}

/// Writes bytes as a script would have them.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let mut written = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\r' => written.push_str("\\r"),
                '\n' => written.push_str("\\n"),
                '\t' => written.push_str("\\t"),
                '\0' => written.push_str("\\0"),
                '\\' => written.push_str("\\\\"),
                '"' => written.push_str("\\\""),
                _ if letter.is_control() => escape(letter.encode_utf8(&mut [0; 4]).as_bytes(), &mut written),
                _ => written.push(letter),
            }
        }
        escape(chunk.invalid(), &mut written);
    }
    written + "\""
}

/// The same of many bytes: of more than 200, the first and the last hundred.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    let left_out = bytes.len().saturating_sub(2 * HALF);
    if left_out == 0 {
        return quoted(bytes);
    }
    let (first, last) = (&bytes[..HALF], &bytes[bytes.len() - HALF..]);
    format!("{}, {left_out} bytes more, and {}", quoted(first), quoted(last))
}

fn escape(bytes: &[u8], written: &mut String) {
    for byte in bytes {
        write!(written, "\\x{byte:02x}").expect("a string takes whatever is written to it");
    }
}

const HALF: usize = 100;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_are_written_so_that_nothing_is_hidden() {
        for (bytes, written) in [
            (&b"hello"[..], r#""hello""#),
            (b"\r\n\t\0\\\"", r#""\r\n\t\0\\\"""#),
            (b"\x1b[31m\x7f\xff", r#""\x1b[31m\x7f\xff""#),
            ("да\u{85}".as_bytes(), r#""да\xc2\x85""#),
            (b"\xd0", r#""\xd0""#),
        ] {
            assert_eq!(quoted(bytes), written);
        }
    }

    #[test]
    fn of_many_bytes_the_ends_are_shown() {
        assert_eq!(excerpt(&[b'a'; 200]), format!("\"{}\"", "a".repeat(200)));
        let bytes = [&[b'a'; 100][..], &[b'-'; 50], &[b'b'; 100]].concat();
        let shown = format!("\"{}\", 50 bytes more, and \"{}\"", "a".repeat(100), "b".repeat(100));
        assert_eq!(excerpt(&bytes), shown);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(bytes: Vec<u8>) {
            prop_assert_eq!(read(&quoted(&bytes)), Ok(bytes));
        }
    }
}
