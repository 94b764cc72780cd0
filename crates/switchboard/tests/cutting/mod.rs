//! Lines cut from chunks, and what they should be: for `net_lines.rs`, and for the fuzzer.

use switchboard::net::{LineTooLong, Lines};

/// Lines and whether each is whole, and whether all kept the limit.
pub(crate) type Cut = (Vec<(Vec<u8>, bool)>, Result<(), LineTooLong>);

/// The lines of some chunks, and whether the limit was kept.
pub(crate) fn cut(limit: usize, chunks: &[&[u8]]) -> Cut {
    let (mut lines, mut found) = (Lines::new(limit), Vec::new());
    let chunks = chunks.iter().filter(|chunk| !chunk.is_empty());
    for chunk in chunks.copied().chain([&[][..]]) {
        lines.feed(chunk);
        loop {
            match lines.cut() {
                Ok(Some(line)) => found.push((line.bytes.to_vec(), line.is_whole)),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(lines.cut(), Err(error));
                    return (found, Err(error));
                }
            }
        }
    }
    (found, Ok(()))
}

/// What lines are, said without a thought of chunks or speed.
pub(crate) fn model(limit: usize, bytes: &[u8]) -> Cut {
    let mut found = Vec::new();
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let (line, is_whole) = match line.strip_suffix(b"\n") {
            Some(line) => (line.strip_suffix(b"\r").unwrap_or(line), true),
            None => (line, false),
        };
        if line.len() > limit {
            return (found, Err(LineTooLong { limit }));
        }
        found.push((line.to_vec(), is_whole));
    }
    (found, Ok(()))
}
