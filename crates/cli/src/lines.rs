//! Lines out of a stream of bytes, with a bound on their length.

use std::io;

use switchboard::net::Stream;

/// Cuts a stream into lines.
#[derive(Debug)]
pub(crate) struct Lines {
    limit: usize,
    /// What was received: lines handed out, then `looked` bytes without a line end, then what was not looked at.
    buffer: Vec<u8>,
    handed_out: usize,
    looked: usize,
    ended: bool,
}

/// A line.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    /// Without the LF or CRLF that ended it.
    pub(crate) bytes: &'a [u8],
}

impl Lines {
    /// Lines of at most so many bytes, not counting what ends them.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, buffer: Vec::new(), handed_out: 0, looked: 0, ended: false }
    }

    /// The next line; `None` at the end of the stream. A line that is too long is [`io::ErrorKind::InvalidData`].
    pub(crate) async fn next_line(&mut self, stream: &mut Stream) -> io::Result<Option<Line<'_>>> {
        loop {
            let from = self.handed_out;
            let fresh = &self.buffer[from + self.looked..];
            let found = fresh.iter().position(|&byte| byte == b'\n').map(|at| from + self.looked + at);
            let end = found.unwrap_or(self.buffer.len());
            let mut bytes = from..end;
            if self.buffer[bytes.clone()].ends_with(b"\r") {
                bytes.end -= 1;
            }
            if bytes.len() > self.limit {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long"));
            }
            if found.is_some() || (self.ended && from < end) {
                self.handed_out = found.map_or(end, |at| at + 1);
                self.looked = 0;
                return Ok(Some(Line { bytes: &self.buffer[bytes] }));
            }
            if self.ended {
                return Ok(None);
            }
            self.buffer.drain(..from);
            (self.handed_out, self.looked) = (0, self.buffer.len());
            if self.buffer.is_empty() {
                // Between two lines it holds no memory.
                self.buffer = Vec::new();
            }
            let data = stream.recv().await?;
            self.ended = data.is_empty();
            self.buffer.extend_from_slice(&data);
        }
    }
}
