//! The menu that Ctrl-] opens: one command, and back to the connection.

use super::telnet::{Command as Sendable, Mode};

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// Nothing: back to the connection.
    Back,
    Status,
    Send(Sendable),
    /// Ctrl-] itself.
    SendEscape,
    Mode(Mode),
    Close,
    Quit,
    Suspend,
    Help,
}

/// Reads a command. Any beginning of a word will do that no other word has.
pub(super) fn read(line: &str) -> Result<Choice, String> {
    let mut words = line.split_whitespace();
    let Some(command) = words.next() else { return Ok(Choice::Back) };
    let argument = words.next();
    let takes_none = |choice| match argument {
        None => Ok(choice),
        Some(argument) => Err(format!("{command} stands alone, without {argument:?}")),
    };
    match *find(command, &COMMANDS)? {
        Command::Alone(choice) => takes_none(choice),
        Command::Send => match argument {
            Some("escape") => Ok(Choice::SendEscape),
            name => name.unwrap_or_default().parse().map(Choice::Send),
        },
        Command::Mode => argument.unwrap_or_default().parse().map(Choice::Mode),
    }
}

#[derive(Clone, Copy)]
enum Command {
    Alone(Choice),
    Send,
    Mode,
}

fn find<'a, T>(word: &str, table: &'a [(&str, T)]) -> Result<&'a T, String> {
    let all = || table.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let mut fit = table.iter().filter(|(name, _)| name.starts_with(word));
    match (table.iter().find(|(name, _)| *name == word), fit.next(), fit.next()) {
        (Some((_, found)), ..) | (None, Some((_, found)), None) => Ok(found),
        (None, Some(_), Some(_)) => Err(format!("{word:?} may mean several: {}", all())),
        (None, None, _) => Err(format!("there is no {word:?}; give one of {}", all())),
    }
}

const COMMANDS: [(&str, Command); 8] = [
    ("status", Command::Alone(Choice::Status)),
    ("send", Command::Send),
    ("mode", Command::Mode),
    ("close", Command::Alone(Choice::Close)),
    ("quit", Command::Alone(Choice::Quit)),
    ("suspend", Command::Alone(Choice::Suspend)),
    ("help", Command::Alone(Choice::Help)),
    ("?", Command::Alone(Choice::Help)),
];

pub(super) const PROMPT: &str = "switchboard> ";

pub(super) const HELP: &str = "\
status            what goes on
send WORD         with --telnet: ayt (are you there?), brk (break), ip (interrupt process), ao, ec, el, ga, nop
send escape       send Ctrl-] itself
mode line         edit lines, and send each when it is whole
mode character    send each key at once
close             end our side, as Ctrl-D does, and go on reading
quit              end the connection now
suspend           stop, as Ctrl-Z does; `fg` goes on
help              this
An empty line goes back. The beginning of a command will do.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_by_their_beginnings() {
        for (line, choice) in [
            ("", Choice::Back),
            ("  ", Choice::Back),
            ("status", Choice::Status),
            ("q", Choice::Quit),
            (" send  ayt", Choice::Send(Sendable::AreYouThere)),
            ("sen escape", Choice::SendEscape),
            ("m line", Choice::Mode(Mode::Line)),
            ("mode character", Choice::Mode(Mode::Character)),
            ("?", Choice::Help),
        ] {
            assert_eq!(read(line), Ok(choice), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_what_there_is() {
        for (line, said) in [
            ("x", "there is no \"x\"; give one of status, send, mode,"),
            ("s", "\"s\" may mean several: status, send,"),
            ("send", "no such command: "),
            ("send what", "no such command: what; give one of ayt,"),
            ("quit now", "quit stands alone, without \"now\""),
        ] {
            let wrong = read(line).expect_err(line);
            assert!(wrong.starts_with(said), "{line}: {wrong}");
        }
    }
}
