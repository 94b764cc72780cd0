//! Lines out of a stream of bytes, with a bound on their length.
//!
//! A line that arrived in one piece is lent out of the buffer it was received in; only what was cut between two
//! receives is copied. What is kept is the beginning of a line, at most one byte longer than the limit, and no buffer
//! of the engine's. No byte is looked at twice, however the chunks fall.

use std::future::poll_fn;
use std::{error, fmt, io, mem};

use super::reader::ReadHalf;
use crate::engine::Lease;
use crate::task::poll_budget;

/// Cuts a stream into lines, without the LF or CRLF that ends them (a CR elsewhere is part of its line).
///
/// Either it receives by itself ([`next_line`](Self::next_line)), or it is fed ([`feed`](Self::feed), [`cut`](Self::cut)).
///
/// ```
/// use switchboard::net::{Lines, TcpListener, TcpStream};
///
/// #[switchboard::main]
/// async fn main() -> std::io::Result<()> {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let mut client = TcpStream::connect(listener.local_addr()?).await?;
///     client.write_all(b"GET /\r\nHost: here\r\n\r\n").await?;
///
///     let (mut stream, _) = listener.accept().await?;
///     let mut lines = Lines::new(8192);
///     let mut head = Vec::new();
///     while let Some(line) = lines.next_line(&mut stream).await? {
///         if line.bytes.is_empty() {
///             break;
///         }
///         head.push(String::from_utf8_lossy(line.bytes).into_owned());
///     }
///     assert_eq!(head, ["GET /", "Host: here"]);
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Lines {
    limit: usize,
    /// Received, and not yet looked at.
    data: Lease,
    /// The beginning of a line whose end is not in sight; looked at.
    begun: Vec<u8>,
    ended: bool,
    too_long: bool,
    /// Until the next call.
    lent: Lent,
}

/// A line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Without what ended it.
    pub bytes: &'a [u8],
    /// Whether it was ended: what follows the last LF of a stream is a line, too, perhaps half of one.
    pub is_whole: bool,
}

/// A line is longer than the limit. It and all that follows it are given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineTooLong {
    /// How many bytes a line may have.
    pub limit: usize,
}

/// What of a [`Lines`] has been lent as a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lent {
    Nothing,
    /// The first bytes of `data`, so many with the LF.
    InData(usize),
    /// All of `begun`.
    InBegun,
}

impl Lines {
    /// Lines of at most so many bytes, not counting what ends them.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let (data, begun) = (Lease::empty(), Vec::new());
        Self { limit, data, begun, ended: false, too_long: false, lent: Lent::Nothing }
    }

    /// The next line of a stream or its reading half; `None` at its end. Waiting, it holds no buffer.
    ///
    /// *Cancel safety.* Dropping it loses no byte.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] around a [`LineTooLong`], as soon as there are too many bytes; from then on it is the
    /// answer to every call. Otherwise as [`ReadHalf::recv`], and the line that had begun goes on with the next call.
    pub async fn next_line(
        &mut self,
        from: &mut (impl AsMut<ReadHalf> + ?Sized),
    ) -> io::Result<Option<Line<'_>>> {
        // Many lines may have come at once: others have their turn between them.
        poll_fn(poll_budget).await;
        loop {
            if let Some(is_whole) = self.find()? {
                return Ok(Some(self.line(is_whole)));
            }
            if self.ended {
                return Ok(None);
            }
            let data = from.as_mut().recv().await?;
            self.feed(data);
        }
    }

    /// Takes in what was received: empty, it is the end of the stream.
    ///
    /// # Panics
    ///
    /// When not all lines of what was fed before have been [cut](Self::cut) off.
    pub fn feed(&mut self, data: impl Into<Lease>) {
        self.take_back();
        assert!(self.data.is_empty(), "lines are fed when all that was fed before has been cut up");
        self.data = data.into();
        self.ended |= self.data.is_empty();
    }

    /// The next line of what was fed; `None` if more has to be fed first, or nothing is left after the end.
    ///
    /// # Errors
    ///
    /// [`LineTooLong`], from then on always.
    pub fn cut(&mut self) -> Result<Option<Line<'_>>, LineTooLong> {
        let found = self.find()?;
        Ok(found.map(|is_whole| self.line(is_whole)))
    }

    /// What was received and not handed out as a line: for a protocol whose lines are followed by something else.
    #[must_use]
    pub fn into_rest(mut self) -> Lease {
        self.take_back();
        if self.begun.is_empty() {
            return self.data;
        }
        self.begun.extend_from_slice(&self.data);
        self.begun.into()
    }

    /// Finds the next line and lends it: whether it was ended.
    fn find(&mut self) -> Result<Option<bool>, LineTooLong> {
        self.take_back();
        // A line that keeps the limit ends within it and its CR and LF: nothing behind that needs to be looked at.
        let room = self.limit.saturating_add(2) - self.begun.len();
        let near = &self.data[..self.data.len().min(room)];
        let end = near.iter().position(|&byte| byte == b'\n');
        let here = &near[..end.unwrap_or(near.len())];
        let is_last = end.is_none() && self.ended;
        // A CR is part of its line unless an LF follows, which may be still to come.
        let ends_in_cr = here.last().or(self.begun.last()) == Some(&b'\r');
        let length = self.begun.len() + here.len() - usize::from(ends_in_cr && !is_last);
        if self.too_long || length > self.limit {
            return Err(self.give_up());
        }
        if let (Some(end), true) = (end, self.begun.is_empty()) {
            self.lent = Lent::InData(end + 1);
            return Ok(Some(true));
        }
        self.begun.extend_from_slice(here);
        let passed = here.len() + usize::from(end.is_some());
        self.drop_data(passed);
        if end.is_none() && (!is_last || self.begun.is_empty()) {
            return Ok(None);
        }
        self.lent = Lent::InBegun;
        Ok(Some(!is_last))
    }

    /// The line that `find` has lent.
    fn line(&self, is_whole: bool) -> Line<'_> {
        let bytes = match self.lent {
            Lent::Nothing => &[],
            Lent::InData(length) => &self.data[..length - 1],
            Lent::InBegun => &self.begun[..],
        };
        let bytes = if is_whole { bytes.strip_suffix(b"\r").unwrap_or(bytes) } else { bytes };
        Line { bytes, is_whole }
    }

    /// Ends the lending of the last line.
    fn take_back(&mut self) {
        match mem::replace(&mut self.lent, Lent::Nothing) {
            Lent::Nothing => {}
            Lent::InData(length) => self.drop_data(length),
            Lent::InBegun => {
                self.begun.clear();
                self.begun.shrink_to(KEPT);
            }
        }
    }

    fn drop_data(&mut self, length: usize) {
        self.data.advance(length);
        if self.data.is_empty() {
            self.data = Lease::empty();
        }
    }

    fn give_up(&mut self) -> LineTooLong {
        self.too_long = true;
        self.data = Lease::empty();
        self.begun = Vec::new();
        LineTooLong { limit: self.limit }
    }
}

impl fmt::Display for LineTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a line is longer than {} bytes", self.limit)
    }
}

impl error::Error for LineTooLong {}

impl From<LineTooLong> for io::Error {
    fn from(error: LineTooLong) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// How large a buffer is kept for the next line that is cut between two receives, bytes.
const KEPT: usize = 1024;
