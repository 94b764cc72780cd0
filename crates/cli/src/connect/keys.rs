//! From the bytes of a terminal to keys: characters, and the sequences that terminals send for the others.
//!
//! The bindings are those of Emacs, as in shells.

use tui_input::InputRequest::{self, *};
use vte::{Params, Parser, Perform};

/// A key, by what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// Changes the line, or moves in it.
    Edit(InputRequest),
    Enter,
    /// Ctrl-D.
    End,
    /// Up, and Ctrl-P.
    Earlier,
    /// Down, and Ctrl-N.
    Later,
    /// Ctrl-L.
    Clear,
    /// Ctrl-].
    Menu,
}

/// Reads keys, which may come in pieces.
#[derive(Default)]
pub(super) struct Keys {
    parser: Parser,
    /// ESC O came, which begins the sequence of a key (SS3).
    after_ss3: bool,
}

impl Keys {
    /// The keys of which these bytes are the last.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Vec<Key> {
        let mut found = Found { keys: Vec::new(), after_ss3: &mut self.after_ss3 };
        self.parser.advance(&mut found, bytes);
        found.keys
    }
}

struct Found<'a> {
    keys: Vec<Key>,
    after_ss3: &'a mut bool,
}

impl Found<'_> {
    fn add(&mut self, key: Option<Key>) {
        self.keys.extend(key);
    }
}

impl Perform for Found<'_> {
    fn print(&mut self, c: char) {
        let key = match c {
            _ if std::mem::take(self.after_ss3) => arrow(c),
            '\u{7f}' => Some(Key::Edit(DeletePrevChar)),
            c => Some(Key::Edit(InsertChar(c))),
        };
        self.add(key);
    }

    fn execute(&mut self, byte: u8) {
        self.add(control(byte));
    }

    fn csi_dispatch(&mut self, params: &Params, _: &[u8], _: bool, action: char) {
        let number = |at: usize| params.iter().nth(at).and_then(|param| param.first().copied()).unwrap_or(0);
        let with_modifier = number(1) > 1;
        let key = match (action, number(0)) {
            ('C', _) if with_modifier => Some(Key::Edit(GoToNextWord)),
            ('D', _) if with_modifier => Some(Key::Edit(GoToPrevWord)),
            ('~', 1 | 7) => Some(Key::Edit(GoToStart)),
            ('~', 4 | 8) => Some(Key::Edit(GoToEnd)),
            ('~', 3) => Some(Key::Edit(DeleteNextChar)),
            (action, _) => arrow(action),
        };
        self.add(key);
    }

    fn esc_dispatch(&mut self, _: &[u8], _: bool, byte: u8) {
        *self.after_ss3 = byte == b'O';
        self.add(match byte {
            b'b' => Some(Key::Edit(GoToPrevWord)),
            b'f' => Some(Key::Edit(GoToNextWord)),
            b'd' => Some(Key::Edit(DeleteNextWord)),
            _ => None,
        });
    }
}

fn arrow(action: char) -> Option<Key> {
    Some(match action {
        'A' => Key::Earlier,
        'B' => Key::Later,
        'C' => Key::Edit(GoToNextChar),
        'D' => Key::Edit(GoToPrevChar),
        'H' => Key::Edit(GoToStart),
        'F' => Key::Edit(GoToEnd),
        _ => return None,
    })
}

fn control(byte: u8) -> Option<Key> {
    let letter = char::from(byte | 0x40);
    Some(match letter {
        'J' | 'M' => Key::Enter,
        'A' => Key::Edit(GoToStart),
        'B' => Key::Edit(GoToPrevChar),
        'D' => Key::End,
        'E' => Key::Edit(GoToEnd),
        'F' => Key::Edit(GoToNextChar),
        'H' => Key::Edit(DeletePrevChar),
        'I' => Key::Edit(InsertChar('\t')),
        'K' => Key::Edit(DeleteTillEnd),
        'L' => Key::Clear,
        'N' => Key::Later,
        'P' => Key::Earlier,
        'U' => Key::Edit(DeleteFromStart),
        'W' => Key::Edit(DeletePrevWord),
        'Y' => Key::Edit(Yank),
        ']' => Key::Menu,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_same_however_their_bytes_are_cut() {
        let bytes = "ä\u{1b}[A\u{1b}OB\u{1b}[1;5C\u{1b}[3~\u{1b}b\u{7f}\r\u{1d}\u{4}日".as_bytes();
        let keys = [
            Key::Edit(InsertChar('ä')),
            Key::Earlier,
            Key::Later,
            Key::Edit(GoToNextWord),
            Key::Edit(DeleteNextChar),
            Key::Edit(GoToPrevWord),
            Key::Edit(DeletePrevChar),
            Key::Enter,
            Key::Menu,
            Key::End,
            Key::Edit(InsertChar('日')),
        ];
        for cut in 0..=bytes.len() {
            let mut reader = Keys::default();
            let mut read = reader.read(&bytes[..cut]);
            read.extend(reader.read(&bytes[cut..]));
            assert_eq!(read, keys, "cut at {cut}");
        }
    }
}
