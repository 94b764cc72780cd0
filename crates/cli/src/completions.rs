//! `switchboard completions`: what lets a shell complete commands and options, made from the definition of the arguments.

use std::process::ExitCode;
use std::str::FromStr;

use clap::builder::PossibleValuesParser;
use clap::{Command, ValueHint};
use clap_complete::generate;
use clap_complete::shells::{Bash, Fish, Zsh};
use switchboard::Mechanism;

use crate::choice::shown;
use crate::error::Error;
use crate::ladder::Model;
use crate::service::Service;
use crate::{args, outlet};

/// A shell that is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    const ALL: [Self; 3] = [Self::Bash, Self::Zsh, Self::Fish];

    fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }
}

impl FromStr for Shell {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|shell| shell.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::wrong_use(format_args!("completions {}: no such shell; give one of {names}", shown(name)))
        })
    }
}

/// Writes them on stdout.
pub(crate) fn run(shell: Shell) -> Result<ExitCode, Error> {
    let (mut definition, name, mut text) = (with_values(args::definition()), "switchboard", Vec::new());
    match shell {
        Shell::Bash => generate(Bash, &mut definition, name, &mut text),
        Shell::Zsh => generate(Zsh, &mut definition, name, &mut text),
        Shell::Fish => generate(Fish, &mut definition, name, &mut text),
    }
    outlet::print("the completions", &text)?;
    Ok(ExitCode::SUCCESS)
}

/// The definition with the values that can be listed. They are not in it from the start, as what is wrong with a value is
/// said better by us than by clap. Where there is no list, nothing is completed: but for paths, no file would be right.
fn with_values(definition: Command) -> Command {
    let commands: Vec<_> =
        definition.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    definition.mut_subcommands(|command| {
        let name = command.get_name().to_owned();
        command.mut_args(|argument| match values(&name, argument.get_id().as_str(), &commands) {
            Some(values) => argument.value_parser(PossibleValuesParser::new(values)),
            None if argument.get_action().takes_values()
                && argument.get_value_hint() == ValueHint::Unknown =>
            {
                argument.value_hint(ValueHint::Other)
            }
            None => argument,
        })
    })
}

fn values(command: &str, argument: &str, commands: &[String]) -> Option<Vec<String>> {
    let names: Vec<&str> = match (command, argument) {
        (_, "engine") => ["auto"].into_iter().chain(Mechanism::ALL.map(Mechanism::name)).collect(),
        ("simulate", "model") => {
            Model::ALL.into_iter().filter(|model| model.has_event_loop()).map(Model::name).collect()
        }
        (_, "model") => Model::ALL.map(Model::name).to_vec(),
        (_, "service") => Service::ALL.map(Service::name).to_vec(),
        ("man", "command") => commands.iter().map(String::as_str).collect(),
        ("completions", "shell") => Shell::ALL.map(Shell::name).to_vec(),
        _ => return None,
    };
    Some(names.into_iter().map(str::to_owned).collect())
}
