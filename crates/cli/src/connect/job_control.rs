//! What a terminal has to say to a program, in signals: stop, go on, another size, the end.

use std::convert::Infallible;

use super::console::Console;
use super::exchange::Exchange;
use super::terminal::Terminal;
use crate::stop::{First, Signal, Signals, first};

/// The signals, from the moment they are caught. Before the terminal is changed, that is: who is stopped by one that is
/// not caught yet leaves it as it is then.
pub(super) struct JobControl {
    ending: Signals,
    others: Signals,
}

impl JobControl {
    /// Catches them, if there is a terminal. Without one they are nobody's business: `nohup` asks for no less.
    pub(super) async fn catch() -> Option<Self> {
        if !Terminal::is_there() {
            return None;
        }
        let others = [stop(), go_on(), resized()];
        Some(Self {
            ending: Signals::catch_these(&[HANGUP, QUIT]).await,
            others: Signals::catch_these(&others).await,
        })
    }

    /// Waits for a signal that ends us, and does meanwhile what the others ask for.
    pub(super) async fn follow(self, exchange: &Exchange<'_>, console: &Console) -> Signal {
        let Self { mut ending, mut others } = self;
        match first(ending.next(), obey(&mut others, exchange, console)).await {
            First::One(signal) => signal,
            First::Other(never) => match never {},
        }
    }
}

async fn obey(signals: &mut Signals, exchange: &Exchange<'_>, console: &Console) -> Infallible {
    loop {
        match signals.next().await {
            signal if signal == stop() => console.suspend(),
            signal if signal == go_on() => console.resume(),
            _ => {}
        }
        exchange.resized(console).await;
    }
}

fn stop() -> Signal {
    numbered(rustix::process::Signal::TSTP, "SIGTSTP")
}

fn go_on() -> Signal {
    numbered(rustix::process::Signal::CONT, "SIGCONT")
}

fn resized() -> Signal {
    numbered(rustix::process::Signal::WINCH, "SIGWINCH")
}

/// Their numbers differ from system to system.
fn numbered(signal: rustix::process::Signal, name: &'static str) -> Signal {
    Signal { number: signal.as_raw().try_into().expect("signals have small numbers"), name }
}

/// The same numbers on every Unix (POSIX, kill(1)).
const HANGUP: Signal = Signal { number: 1, name: "SIGHUP" };
const QUIT: Signal = Signal { number: 3, name: "SIGQUIT" };
