//! From stdin to the wire: as it is read, or as a person edits it.

use std::io;

use rustix::process::{Signal, kill_current_process_group};

use super::console::{Console, Deed};
use super::datagrams::Cutter;
use super::exchange::Exchange;
use super::input::Input;
use super::menu::Choice;
use super::{Cut, Transport};

impl Exchange<'_> {
    /// What is read, to its end.
    pub(super) async fn copy(&self, input: &mut Input) -> io::Result<()> {
        let mut cutter = self.cutter();
        loop {
            let bytes = input.read().await?;
            if bytes.is_empty() {
                break;
            }
            match &mut cutter {
                None => self.say(bytes).await,
                Some(cutter) => {
                    for datagram in cutter.take(bytes) {
                        self.say(&datagram).await;
                    }
                }
            }
        }
        if let Some(rest) = cutter.and_then(|mut cutter| cutter.rest()) {
            self.say(&rest).await;
        }
        Ok(())
    }

    /// What a person types, until the terminal is gone; our side of the connection may end before.
    pub(super) async fn converse(&self, input: &mut Input, console: &Console) -> io::Result<()> {
        let mut is_open = true;
        loop {
            let keys = input.read().await?;
            if keys.is_empty() {
                return Ok(());
            }
            let mut screen = Vec::new();
            let deeds = console.type_keys(keys, &mut screen);
            self.screen.give_urgent(&screen).await;
            for deed in deeds {
                match deed {
                    Deed::Send(bytes) if is_open => self.say(&bytes).await,
                    Deed::Send(_) => self.tell("our side has ended; ^] opens the menu").await,
                    Deed::End | Deed::Choose(Choice::Close) => {
                        is_open = false;
                        self.end_sending().await;
                    }
                    Deed::Choose(choice) => self.choose(choice, console, is_open).await,
                }
            }
        }
    }

    async fn choose(&self, choice: Choice, console: &Console, is_open: bool) {
        match choice {
            Choice::Status => self.tell_status(is_open).await,
            Choice::Quit => self.quit.open(),
            Choice::Suspend => drop(kill_current_process_group(Signal::TSTP)),
            Choice::Send(_) if self.codec.borrow().telnet.is_none() => {
                self.tell("only with --telnet").await;
            }
            Choice::Send(command) if is_open => {
                let wire = self.codec.borrow_mut().command(command);
                self.put(&wire).await;
            }
            Choice::SendEscape if is_open => self.say(&[0x1d]).await,
            Choice::Send(_) | Choice::SendEscape => self.tell("our side has ended").await,
            Choice::Mode(mode) if self.codec.borrow().telnet.is_some() && is_open => {
                let wire = self.codec.borrow_mut().ask(mode);
                self.put(&wire).await;
                self.adapt(console).await;
            }
            Choice::Mode(mode) => {
                let mut screen = Vec::new();
                console.adapt(mode == super::telnet::Mode::Character, false, &mut screen);
                self.screen.give(&screen).await;
            }
            Choice::Back | Choice::Help | Choice::Close => {}
        }
    }

    async fn tell_status(&self, is_open: bool) {
        let (sent, received) = (self.traffic.sent.get(), self.traffic.received.get());
        let ours = if is_open { "" } else { "; our side has ended" };
        let target = &self.options.target;
        self.tell(&format!("connected to {target}; sent {sent} bytes, received {received}{ours}")).await;
        let lines = self.codec.borrow().telnet.as_ref().map(|telnet| telnet.status()).unwrap_or_default();
        for line in lines {
            self.tell(&line).await;
        }
    }

    fn cutter(&self) -> Option<Cutter> {
        match self.options.transport {
            Transport::Stream => None,
            Transport::Datagrams(cut) => Some(Cutter::new(cut)),
        }
    }
}

impl Cut {
    /// As `--datagram` has it.
    pub(crate) fn of_size(size: Option<usize>) -> Self {
        size.map_or(Self::Lines, Self::Size)
    }
}
