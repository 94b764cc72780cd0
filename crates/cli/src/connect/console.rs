//! What a person has before them: a line to edit, or keys that go straight to the peer, and a menu.
//!
//! stdin and stdout are one terminal here, and share its screen: what the peer says is shown through the same editor
//! that shows what is typed.

use std::cell::{Cell, RefCell};

use super::editor::{Editor, Typed};
use super::menu::{self, Choice};
use super::terminal::{Mode, Terminal};

/// The terminal, and who uses it.
pub(super) struct Console {
    terminal: Terminal,
    editor: RefCell<Editor>,
    /// Keys go to the peer one by one, as the peer or the menu would have it.
    by_character: Cell<bool>,
    menu_is_open: Cell<bool>,
}

/// What is to be done about what was typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Bytes as they were typed.
    Send(Vec<u8>),
    /// A choice of the menu that concerns the connection.
    Choose(Choice),
    /// Our side is to end.
    End,
}

impl Console {
    /// Takes the terminal.
    pub(super) fn open() -> Self {
        let console = Self {
            terminal: Terminal::open(),
            editor: RefCell::default(),
            by_character: Cell::new(false),
            menu_is_open: Cell::new(false),
        };
        console.resized();
        console
    }

    /// Takes in what was typed; what has to be shown for it is appended to `screen`.
    pub(super) fn type_keys(&self, bytes: &[u8], screen: &mut Vec<u8>) -> Vec<Deed> {
        let mut deeds = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.is_by_character() {
                let end = rest.iter().position(|&byte| byte == ESCAPE).unwrap_or(rest.len());
                let (keys, after) = rest.split_at(end);
                if !keys.is_empty() {
                    deeds.push(Deed::Send(keys.to_vec()));
                }
                rest = after.get(1..).unwrap_or_default();
                if !after.is_empty() {
                    self.open_menu(screen);
                }
            } else {
                // To the next key that may change what those behind it mean.
                let end = rest.iter().position(|byte| TURNS.contains(byte)).map_or(rest.len(), |at| at + 1);
                let (keys, after) = rest.split_at(end);
                rest = after;
                let typed = self.editor.borrow_mut().type_keys(keys, screen);
                deeds.extend(typed.into_iter().filter_map(|typed| self.take(typed, screen)));
            }
        }
        deeds
    }

    /// Shows what the peer said.
    pub(super) fn show(&self, text: &[u8], screen: &mut Vec<u8>) {
        self.editor.borrow_mut().show(text, screen);
    }

    /// Does as the peer would have it: a line or characters, seen or unseen.
    pub(super) fn adapt(&self, by_character: bool, hidden: bool, screen: &mut Vec<u8>) {
        self.editor.borrow_mut().hide(hidden, screen);
        self.by_character.set(by_character);
        self.set_mode();
    }

    /// The terminal has another size.
    pub(super) fn resized(&self) -> (u16, u16) {
        let size = self.terminal.size();
        self.editor.borrow_mut().resize(size.0);
        size
    }

    /// We may have come back from the background.
    pub(super) fn resume(&self) {
        self.terminal.apply();
    }

    pub(super) fn suspend(&self) {
        self.terminal.suspend();
    }

    fn is_by_character(&self) -> bool {
        self.by_character.get() && !self.menu_is_open.get()
    }

    fn set_mode(&self) {
        self.terminal.set(if self.is_by_character() { Mode::Character } else { Mode::Line });
    }

    fn take(&self, typed: Typed, screen: &mut Vec<u8>) -> Option<Deed> {
        match typed {
            Typed::Line(line) if self.menu_is_open.get() => self.choose(&line, screen),
            Typed::Line(line) => Some(Deed::Send(line.into_bytes().into_iter().chain([b'\n']).collect())),
            Typed::End if self.menu_is_open.get() => self.choose("", screen),
            Typed::End => Some(Deed::End),
            Typed::Menu if self.menu_is_open.get() => None,
            Typed::Menu => {
                self.open_menu(screen);
                None
            }
        }
    }

    fn open_menu(&self, screen: &mut Vec<u8>) {
        self.menu_is_open.set(true);
        self.set_mode();
        self.editor.borrow_mut().ask(menu::PROMPT, screen);
    }

    fn choose(&self, line: &str, screen: &mut Vec<u8>) -> Option<Deed> {
        let choice = menu::read(line);
        let mut editor = self.editor.borrow_mut();
        editor.start_row(screen);
        match &choice {
            Ok(Choice::Help) => editor.show(menu::HELP.replace('\n', "\r\n").as_bytes(), screen),
            Err(wrong) => editor.show(format!("{wrong}\r\n").as_bytes(), screen),
            Ok(_) => {}
        }
        editor.resume(screen);
        drop(editor);
        self.menu_is_open.set(false);
        self.set_mode();
        choice.ok().map(Deed::Choose)
    }
}

/// Ctrl-].
const ESCAPE: u8 = 0x1d;

/// Enter, Ctrl-D and Ctrl-].
const TURNS: [u8; 4] = [b'\r', b'\n', 4, ESCAPE];
