//! Which engine to run on, as it is chosen with `--engine`.

use std::io;

use switchboard::{Engine, Mechanism};

use crate::error::{Error, is_out_of_descriptors, reason};

/// Which mechanism to run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The best one this system has.
    Auto,
    /// This one.
    Named(Mechanism),
}

impl std::str::FromStr for Choice {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match (name, name.parse()) {
            ("auto", _) => Ok(Self::Auto),
            (_, Ok(mechanism)) => Ok(Self::Named(mechanism)),
            _ => {
                let names = names(Mechanism::ALL);
                Err(Error::wrong_use(format_args!(
                    "--engine {}: no such engine; give one of {names}",
                    shown(name)
                )))
            }
        }
    }
}

impl Choice {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Named(mechanism) => mechanism.name(),
        }
    }

    /// Opens the engine.
    pub(crate) fn open(self) -> Result<Box<dyn Engine>, Error> {
        let name = self.name();
        let opened = match self {
            Self::Auto => switchboard::engine::from_environment(),
            Self::Named(mechanism) => switchboard::engine::with(mechanism),
        };
        opened.map_err(|error| match error.kind() {
            // Of the environment's variable, which the message names.
            io::ErrorKind::InvalidInput => Error::wrong_use(reason(&error)),
            io::ErrorKind::Unsupported if self == Self::Auto => Error::wrong_use(format_args!(
                "SWITCHBOARD_ENGINE: this system does not have that engine; give one of {}",
                names(Mechanism::available())
            )),
            io::ErrorKind::Unsupported => Error::wrong_use(format_args!(
                "--engine {name}: this system does not have it; give one of {}",
                names(Mechanism::available())
            )),
            _ if is_out_of_descriptors(&error) => Error::refused(format_args!(
                "cannot open the engine {name}: too many open files; close some, or allow more with `ulimit -n`"
            )),
            _ => Error::refused(format_args!(
                "cannot open the engine {name}: {}; give another with --engine, such as poll",
                reason(&error)
            )),
        })
    }
}

/// A value as it was typed, unless it would be hard to see.
pub(crate) fn shown(value: &str) -> String {
    let is_plain = !value.is_empty() && !value.contains(char::is_whitespace);
    if is_plain { value.to_owned() } else { format!("{value:?}") }
}

fn names(mechanisms: impl IntoIterator<Item = Mechanism>) -> String {
    let names: Vec<_> = ["auto"].into_iter().chain(mechanisms.into_iter().map(Mechanism::name)).collect();
    names.join(", ")
}
