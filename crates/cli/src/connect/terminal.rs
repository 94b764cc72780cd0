//! The terminal we were started from: its modes, taken and always given back.
//!
//! The modes belong to the terminal and outlive us: a shell that finds them changed shows nothing of what is typed. So
//! they are given back when this is dropped, which a panic does, too, and before we are stopped. A terminal in whose
//! background we are is another's: it is neither changed, for which we would be stopped, nor given back.

use std::cell::{Cell, RefCell};
use std::io::{self, IsTerminal};

use rustix::process::{Signal, getpgrp, getpid, kill_process};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, OutputModes, Termios, tcgetattr, tcgetpgrp, tcgetwinsize,
    tcsetattr,
};

/// stdin and stdout, of which both are a terminal.
#[derive(Debug)]
pub(super) struct Terminal {
    mode: Cell<Mode>,
    /// What was found, while it is changed.
    found: RefCell<Option<Termios>>,
}

/// What the terminal does with what is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// It hands over every key and shows none, but for those that are signals: Ctrl-C, Ctrl-Z.
    Line,
    /// It hands over every key, and prints bytes as they are.
    Character,
}

impl Terminal {
    /// Whether there is one for what is typed and for what is shown.
    pub(super) fn is_there() -> bool {
        io::stdin().is_terminal() && io::stdout().is_terminal()
    }

    /// Takes it.
    pub(super) fn open() -> Self {
        let terminal = Self { mode: Cell::new(Mode::Line), found: RefCell::default() };
        terminal.apply();
        terminal
    }

    pub(super) fn set(&self, mode: Mode) {
        if self.mode.replace(mode) != mode {
            self.apply();
        }
    }

    /// Sets the modes, at first and when we may have come back from the background.
    pub(super) fn apply(&self) {
        if !is_in_foreground() {
            return;
        }
        let mut found = self.found.borrow_mut();
        if found.is_none() {
            *found = tcgetattr(io::stdin()).ok();
        }
        if let Some(found) = &*found {
            tcsetattr(io::stdin(), OptionalActions::Now, &changed(found.clone(), self.mode.get())).ok();
        }
    }

    /// Stops us, as Ctrl-Z is to, with the terminal as it was found; returns when we go on.
    pub(super) fn suspend(&self) {
        self.give_back();
        kill_process(getpid(), Signal::STOP).ok();
        self.apply();
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> (u16, u16) {
        match tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 => (size.ws_col, size.ws_row),
            _ => (80, 24),
        }
    }

    fn give_back(&self) {
        if let Some(found) = self.found.take()
            && is_in_foreground()
        {
            tcsetattr(io::stdin(), OptionalActions::Now, &found).ok();
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Or whether it is a terminal that no shell shares out, where there is no background.
fn is_in_foreground() -> bool {
    tcgetpgrp(io::stdin()).map_or(true, |group| group == getpgrp())
}

fn changed(mut modes: Termios, mode: Mode) -> Termios {
    modes.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::IEXTEN;
    modes.input_modes -= InputModes::ICRNL | InputModes::INLCR | InputModes::IGNCR | InputModes::ISTRIP;
    if mode == Mode::Character {
        modes.local_modes -= LocalModes::ISIG;
        modes.input_modes -= InputModes::IXON | InputModes::BRKINT;
        modes.output_modes -= OutputModes::OPOST;
    }
    modes.special_codes[rustix::termios::SpecialCodeIndex::VMIN] = 1;
    modes.special_codes[rustix::termios::SpecialCodeIndex::VTIME] = 0;
    modes
}
