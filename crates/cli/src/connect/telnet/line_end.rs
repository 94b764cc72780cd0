//! Line ends on the wire (RFC 854): CR LF ends a line, CR NUL is a CR by itself, and no CR stands alone.
//!
//! Received, CR LF stays as it is, which is right for a terminal in any mode, and CR NUL becomes CR. A byte is handed on
//! when it comes: after a CR it is only remembered that a NUL would belong to it. Typed, the CR goes out at once, too,
//! and what must follow it when that is known. Binary (RFC 856) has no line ends.

use super::command::IAC;

/// What comes from the peer.
#[derive(Debug, Default)]
pub(super) struct Received {
    after_cr: bool,
}

impl Received {
    /// Appends data in which line ends are those of the wire.
    pub(super) fn lines(&mut self, data: &[u8], text: &mut Vec<u8>) {
        for &byte in data {
            if !(self.after_cr && byte == NUL) {
                text.push(byte);
            }
            self.after_cr = byte == b'\r';
        }
    }

    /// Appends binary data.
    pub(super) fn plain(&mut self, data: &[u8], text: &mut Vec<u8>) {
        text.extend_from_slice(data);
        self.after_cr = false;
    }
}

/// What goes to the peer.
#[derive(Debug, Default)]
pub(super) struct Typed {
    /// A CR is on the wire, and what follows it is not known yet.
    after_cr: bool,
}

impl Typed {
    /// Appends text, in which LF and CR LF end a line.
    pub(super) fn lines(&mut self, typed: &[u8], wire: &mut Vec<u8>) {
        for &byte in typed {
            match byte {
                b'\n' if self.after_cr => wire.push(b'\n'),
                b'\n' => wire.extend(*b"\r\n"),
                _ => {
                    self.end(wire);
                    put(byte, wire);
                }
            }
            self.after_cr = byte == b'\r';
        }
    }

    /// Appends keys, each of which stands for itself.
    pub(super) fn keys(&mut self, typed: &[u8], wire: &mut Vec<u8>) {
        self.end(wire);
        for &byte in typed {
            match byte {
                b'\n' => wire.extend(*b"\r\n"),
                b'\r' => wire.extend([b'\r', NUL]),
                _ => put(byte, wire),
            }
        }
    }

    /// Appends binary data.
    pub(super) fn plain(&mut self, typed: &[u8], wire: &mut Vec<u8>) {
        self.after_cr = false;
        for &byte in typed {
            put(byte, wire);
        }
    }

    /// Appends what a CR needs when no LF followed it.
    pub(super) fn end(&mut self, wire: &mut Vec<u8>) {
        if self.after_cr {
            wire.push(NUL);
            self.after_cr = false;
        }
    }
}

/// Appends a byte that is data, whatever it is.
pub(super) fn put(byte: u8, wire: &mut Vec<u8>) {
    if byte == IAC {
        wire.push(IAC);
    }
    wire.push(byte);
}

const NUL: u8 = 0;
