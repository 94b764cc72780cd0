//! The line that is being typed: edited here, and kept below what the peer says meanwhile.
//!
//! Sans I/O: keys and received text go in, and what the terminal has to be sent comes out. What the peer said last and
//! did not end, such as `login: `, is what the line is typed behind. The line is never longer than what is left of that
//! row: a longer one is seen through a window. So nothing here ever makes the terminal scroll, and the line can be
//! taken away and put back wherever the row has gone.

use std::fmt::Write as _;
use std::mem;

use tui_input::{Input, InputRequest};
use unicode_width::UnicodeWidthChar;
use vte::{Parser, Perform};

use super::history::History;
use super::keys::{Key, Keys};

/// The line.
#[derive(Default)]
pub(super) struct Editor {
    keys: Keys,
    line: Input,
    history: History,
    begin: Column,
    columns: usize,
    /// The peer wants it unseen: a password.
    hidden: bool,
    /// Something of the line is on the terminal.
    drawn: bool,
    /// The line that was begun when the menu was opened.
    set_aside: Option<String>,
}

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// Without its end.
    Line(String),
    /// Ctrl-D on an empty line.
    End,
    /// Ctrl-].
    Menu,
}

impl Editor {
    /// The terminal has so many columns.
    pub(super) fn resize(&mut self, columns: u16) {
        self.columns = columns.into();
    }

    /// Hides what is typed, or shows it.
    pub(super) fn hide(&mut self, hidden: bool, screen: &mut Vec<u8>) {
        self.erase(screen);
        self.hidden = hidden;
        self.draw(screen);
    }

    /// Takes in the bytes of keys.
    pub(super) fn type_keys(&mut self, bytes: &[u8], screen: &mut Vec<u8>) -> Vec<Typed> {
        let keys = self.keys.read(bytes);
        self.erase(screen);
        let typed = keys.into_iter().filter_map(|key| self.press(key, screen)).collect();
        self.draw(screen);
        typed
    }

    /// Shows what the peer says, above the line or before it.
    pub(super) fn show(&mut self, text: &[u8], screen: &mut Vec<u8>) {
        self.erase(screen);
        screen.extend_from_slice(text);
        self.begin.follow(text);
        self.draw(screen);
    }

    /// Begins a line of another kind behind a prompt; the one that was begun is set aside.
    pub(super) fn ask(&mut self, prompt: &str, screen: &mut Vec<u8>) {
        self.erase(screen);
        self.set_aside = Some(self.line.value_and_reset());
        self.start_row(screen);
        self.show(prompt.as_bytes(), screen);
    }

    /// Takes the line again that was set aside.
    pub(super) fn resume(&mut self, screen: &mut Vec<u8>) {
        self.erase(screen);
        self.line = self.set_aside.take().unwrap_or_default().into();
        self.draw(screen);
    }

    /// Goes to the beginning of a row, if it is not there.
    pub(super) fn start_row(&mut self, screen: &mut Vec<u8>) {
        if self.begin.column > 0 {
            screen.extend_from_slice(b"\r\n");
            self.begin = Column::default();
        }
    }

    fn press(&mut self, key: Key, screen: &mut Vec<u8>) -> Option<Typed> {
        match key {
            Key::Edit(InputRequest::InsertChar(_)) if self.line.value().len() >= LONGEST => screen.push(BELL),
            Key::Edit(request) => drop(self.line.handle(request)),
            Key::Earlier => self.recall(|history, shown| history.earlier(shown)),
            Key::Later => self.recall(|history, _| history.later()),
            Key::Clear => {
                screen.extend_from_slice(b"\x1b[H\x1b[2J");
                self.begin = Column::default();
            }
            Key::End if self.line.value().is_empty() => return Some(Typed::End),
            Key::End => drop(self.line.handle(InputRequest::DeleteNextChar)),
            Key::Menu => return Some(Typed::Menu),
            Key::Enter => return Some(self.enter(screen)),
        }
        None
    }

    fn enter(&mut self, screen: &mut Vec<u8>) -> Typed {
        let line = self.line.value_and_reset();
        let is_secret = self.hidden && self.set_aside.is_none();
        if !is_secret {
            screen.extend(line.chars().flat_map(|c| visible(c).to_string().into_bytes()));
            self.history.add(&line);
        }
        // In any mode of the terminal; the CR does no harm where it is one too many.
        screen.extend_from_slice(b"\r\n");
        self.begin = Column::default();
        Typed::Line(line)
    }

    fn recall(&mut self, find: impl FnOnce(&mut History, &str) -> Option<String>) {
        if let Some(line) = find(&mut self.history, self.line.value()) {
            self.line = line.into();
        }
    }

    fn erase(&mut self, screen: &mut Vec<u8>) {
        if mem::take(&mut self.drawn) {
            self.go_to_begin(screen);
            screen.extend_from_slice(b"\x1b[K");
        }
    }

    fn go_to_begin(&self, screen: &mut Vec<u8>) {
        screen.push(b'\r');
        if self.begin.column > 0 {
            screen.extend_from_slice(format!("\x1b[{}C", self.begin.column).as_bytes());
        }
    }

    /// Draws what fits, with the cursor in it.
    fn draw(&mut self, screen: &mut Vec<u8>) {
        let is_secret = self.hidden && self.set_aside.is_none();
        if self.line.value().is_empty() || is_secret {
            return;
        }
        let columns = self.columns.max(NARROWEST);
        self.begin.column %= columns;
        if columns - self.begin.column < NARROWEST {
            self.start_row(screen);
        }
        // The last column stays free: a cursor behind it would be nowhere.
        let room = columns - self.begin.column - 1;
        let characters: Vec<char> = self.line.value().chars().map(visible).collect();
        let (before, after) = characters.split_at(self.line.cursor().min(characters.len()));
        let mut used = 0;
        let mut fits = |c: &char| {
            used += c.width().unwrap_or(0);
            used <= room
        };
        let shown = before.iter().rev().take_while(|c| fits(c)).count();
        let behind = after.iter().take_while(|c| fits(c)).count();
        let back: usize = after[..behind].iter().map(|c| c.width().unwrap_or(0)).sum();
        let mut drawn: String = characters[before.len() - shown..before.len() + behind].iter().collect();
        if back > 0 {
            write!(drawn, "\x1b[{back}D").expect("a string takes whatever is written to it");
        }
        self.go_to_begin(screen);
        screen.extend_from_slice(b"\x1b[K");
        screen.extend_from_slice(drawn.as_bytes());
        self.drawn = true;
    }
}

/// In which column the terminal's cursor is after what was shown.
#[derive(Default)]
struct Column {
    column: usize,
    parser: Parser,
}

impl Column {
    fn follow(&mut self, text: &[u8]) {
        let row = match text.iter().rposition(|&byte| byte == b'\n') {
            Some(end) => {
                *self = Self::default();
                &text[end + 1..]
            }
            None => text,
        };
        let mut moves = Moves(&mut self.column);
        self.parser.advance(&mut moves, row);
    }
}

struct Moves<'a>(&'a mut usize);

impl Perform for Moves<'_> {
    fn print(&mut self, c: char) {
        *self.0 += c.width().unwrap_or(0);
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\r' => *self.0 = 0,
            0x08 => *self.0 = self.0.saturating_sub(1),
            b'\t' => *self.0 = (*self.0 / 8 + 1) * 8,
            _ => {}
        }
    }
}

/// What stands for a character that would move the cursor in its own way.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '?',
        c => c,
    }
}

/// How long a line may be, bytes.
const LONGEST: usize = 64 << 10;

/// With fewer columns than this the line begins on a row of its own.
const NARROWEST: usize = 10;

const BELL: u8 = 7;

#[cfg(test)]
mod tests {
    use super::*;

    /// What a terminal of so many columns shows in its last rows, given what it was sent.
    fn rows(sent: &[u8]) -> Vec<String> {
        let mut glass = Glass { rows: vec![Vec::new()], column: 0 };
        Parser::new().advance(&mut glass, sent);
        glass.rows.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned()).collect()
    }

    /// Just enough of a terminal for what the editor sends.
    struct Glass {
        rows: Vec<Vec<char>>,
        column: usize,
    }

    impl Perform for Glass {
        fn print(&mut self, c: char) {
            let row = self.rows.last_mut().unwrap();
            row.resize(row.len().max(self.column + 1), ' ');
            row[self.column] = c;
            self.column += 1;
        }

        fn execute(&mut self, byte: u8) {
            match byte {
                b'\r' => self.column = 0,
                b'\n' => self.rows.push(Vec::new()),
                _ => {}
            }
        }

        fn csi_dispatch(&mut self, params: &vte::Params, _: &[u8], _: bool, action: char) {
            let count = params.iter().next().map_or(0, |param| usize::from(param[0]));
            match action {
                'C' => self.column += count,
                'D' => self.column -= count,
                'K' => self.rows.last_mut().unwrap().truncate(self.column),
                'm' => {}
                other => panic!("an editor of one row has no use for {other:?}"),
            }
        }
    }

    fn editor(columns: u16) -> (Editor, Vec<u8>) {
        let mut editor = Editor::default();
        editor.resize(columns);
        (editor, Vec::new())
    }

    #[test]
    fn the_line_stays_below_what_the_peer_says() {
        let (mut editor, mut screen) = editor(80);
        editor.show(b"Welcome\r\n", &mut screen);
        editor.type_keys(b"hal", &mut screen);
        editor.show(b"news", &mut screen);
        assert_eq!(rows(&screen), ["Welcome", "newshal"]);
        editor.show(b" and more\r\n> ", &mut screen);
        assert_eq!(rows(&screen), ["Welcome", "news and more", "> hal"]);
        let typed = editor.type_keys(b"f\r", &mut screen);
        assert_eq!(typed, [Typed::Line("half".to_owned())]);
        editor.show(b"ok\r\n", &mut screen);
        assert_eq!(rows(&screen), ["Welcome", "news and more", "> half", "ok", ""]);
    }

    #[test]
    fn a_line_longer_than_the_row_is_seen_through_a_window_with_the_cursor_in_it() {
        let (mut editor, mut screen) = editor(20);
        editor.show(b"\x1b[1mname\x1b[0m: ", &mut screen);
        editor.type_keys(b"abcdefghijklmnopqrstuvwxyz", &mut screen);
        assert_eq!(rows(&screen), ["name: nopqrstuvwxyz"]);
        editor.type_keys(b"\x01", &mut screen);
        assert_eq!(rows(&screen), ["name: abcdefghijklm"]);
        editor.type_keys(b"_", &mut screen);
        assert_eq!(rows(&screen), ["name: _abcdefghijkl"]);
        let typed = editor.type_keys(b"\r", &mut screen);
        assert_eq!(typed, [Typed::Line("_abcdefghijklmnopqrstuvwxyz".to_owned())]);
    }

    #[test]
    fn what_is_hidden_is_neither_drawn_nor_kept() {
        let (mut editor, mut screen) = editor(80);
        editor.hide(true, &mut screen);
        let typed = editor.type_keys(b"sesame\r", &mut screen);
        assert_eq!((typed, rows(&screen)), (vec![Typed::Line("sesame".to_owned())], vec![String::new(); 2]));
        editor.hide(false, &mut screen);
        editor.type_keys(b"\x1b[A", &mut screen);
        assert_eq!(rows(&screen), ["", ""]);
    }

    #[test]
    fn ctrl_d_ends_only_an_empty_line() {
        let (mut editor, mut screen) = editor(80);
        assert_eq!(editor.type_keys(b"x\x04\x01\x04", &mut screen), []);
        assert_eq!(editor.type_keys(b"\x04", &mut screen), [Typed::End]);
    }
}
