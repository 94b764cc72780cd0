//! What may be typed after `switchboard man` and `switchboard completions`, and what it means.

use std::path::PathBuf;

use clap::Args;

use super::Command;
use crate::completions::Shell;
use crate::error::Error;
use crate::man::What;

/// Print the man page of switchboard, or of one of its commands.
///
/// The pages are made from what `--help` is made from. They are in the format of man(7): `switchboard man serve | man -l -`
/// shows one, and with --directory all are written as files, to be installed.
#[derive(Debug, Args)]
#[command(after_help = MAN_EXAMPLES)]
pub(super) struct LowMan {
    /// Of this command; without it, the page of switchboard itself
    #[arg(value_name = "COMMAND")]
    command: Option<String>,

    /// Write all pages as files there, such as switchboard-serve.1; it is made if there is no such folder
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    directory: Option<PathBuf>,
}

/// Print what lets a shell complete commands and options of switchboard.
///
/// It is made from what `--help` is made from, for bash, zsh or fish.
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(super) struct LowCompletions {
    /// bash, zsh or fish
    #[arg(value_name = "SHELL")]
    shell: String,
}

impl LowMan {
    pub(super) fn understand(self) -> Command {
        Command::Man {
            what: match (self.command, self.directory) {
                (_, Some(directory)) => What::All(directory),
                (command, None) => What::One(command),
            },
        }
    }
}

impl LowCompletions {
    pub(super) fn understand(&self) -> Result<Command, Error> {
        self.shell.parse::<Shell>().map(|shell| Command::Completions { shell })
    }
}

const MAN_EXAMPLES: &str = "\
Examples:
  switchboard man | man -l -                # read the page of switchboard
  switchboard man serve | man -l -          # and that of one of its commands
  switchboard man --directory ~/.local/share/man/man1 # then `man switchboard-serve` finds it

Exit codes:
  0      written
  1      it could not be written
  2      wrong use, such as a command that there is not";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  source <(switchboard completions bash)    # in this shell only
  switchboard completions bash >~/.local/share/bash-completion/completions/switchboard
  switchboard completions zsh >\"${fpath[1]}/_switchboard\"
  switchboard completions fish >~/.config/fish/completions/switchboard.fish

Exit codes:
  0      written
  1      it could not be written
  2      wrong use, such as a shell that is none of these";
