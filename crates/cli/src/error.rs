//! What ends the command: one line that says what, on what and what to do, and an exit code.
//!
//! The codes are a contract: 0 all is well (a drain after a signal, too), 1 the network or the system
//! refused, 2 it was used wrongly, 3 a limit or an expectation that was stated was missed, 4 a measurement cannot be trusted. 128 + n is
//! a server that was ended at once, by a second signal n, or a client that was ended by a first.

use std::fmt;
use std::io;
use std::process::ExitCode;

use rustix::io::Errno;

use crate::outlet;

/// Why the command ends without having done what it was asked to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Error {
    code: u8,
    message: String,
}

impl Error {
    /// What was typed cannot be meant.
    pub(crate) fn wrong_use(message: impl fmt::Display) -> Self {
        Self { code: 2, message: message.to_string() }
    }

    /// What was meant could not be done here and now.
    pub(crate) fn refused(message: impl fmt::Display) -> Self {
        Self { code: 1, message: message.to_string() }
    }

    /// What was to hold did not.
    pub(crate) fn missed(message: impl fmt::Display) -> Self {
        Self { code: 3, message: message.to_string() }
    }

    /// Serving ended without anybody having asked for it.
    pub(crate) fn cannot_go_on(error: &io::Error) -> Self {
        Self::refused(format_args!("cannot go on serving: {}", reason(error)))
    }

    /// Says it on stderr, in one line, and gives the exit code.
    pub(crate) fn tell(&self) -> ExitCode {
        say(&format!("error: {}", self.message));
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Writes one line on stderr. Where nobody hears it, there is nothing left to do: `eprintln!` would panic.
pub(crate) fn say(line: &str) {
    outlet::write_line(&mut io::stderr(), &one_line(line), outlet::PATIENCE).ok();
}

/// What a user or a system gave us may hold line ends and escape sequences; shown as they are written.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// Whether the process (EMFILE) or the system (ENFILE) has no descriptors left.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// The system's reason without the number behind it, and in lower case: part of a sentence.
pub(crate) fn reason(error: &io::Error) -> String {
    plain(&error.to_string())
}

/// The same of an error that is a text already.
pub(crate) fn plain(text: &str) -> String {
    let text = text.split(" (os error").next().unwrap_or_default();
    // A name such as EPERM stays as it is.
    if text.chars().nth(1).is_some_and(char::is_uppercase) {
        return text.to_owned();
    }
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_lowercase().to_string()).unwrap_or_default();
    first + letters.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stays_one_line_whatever_was_typed() {
        assert_eq!(one_line("a\nb\u{1b}[31mü"), "a\\nb\\u{1b}[31mü");
    }

    #[test]
    fn a_reason_is_part_of_a_sentence() {
        assert_eq!(reason(&io::Error::from_raw_os_error(13)), "permission denied");
        assert_eq!(reason(&io::Error::other("Über")), "über");
        assert_eq!(reason(&io::Error::other("SWITCHBOARD_CHAOS=1: no")), "SWITCHBOARD_CHAOS=1: no");
    }
}
