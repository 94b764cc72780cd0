//! Which engine to run on, as it is chosen with `--engine`.

use std::io;

use switchboard::{Engine, Mechanism, engine};

use crate::error::{Error, is_out_of_descriptors, reason};

/// Which mechanism to run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The one the environment names, or else the best one this system has.
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

    /// What a load is put on from, if nobody says: the engine on which that costs least (`docs/measuring.md`), unless the
    /// environment names one.
    pub(crate) fn for_load() -> Self {
        let is_named = std::env::var_os("SWITCHBOARD_ENGINE").is_some_and(|name| !name.is_empty());
        if is_named || !Mechanism::Epoll.is_available() { Self::Auto } else { Self::Named(Mechanism::Epoll) }
    }

    /// Opens the engine. Says why it is not the one that was to be expected.
    pub(crate) fn open(self) -> Result<Box<dyn Engine>, Error> {
        match self {
            Self::Named(mechanism) => engine::with(mechanism)
                .map_err(|error| self.refusal(format!("--engine {mechanism}"), mechanism, &error)),
            Self::Auto => {
                // Its message names the variable.
                let choice =
                    engine::Choice::from_environment().map_err(|error| Error::wrong_use(reason(&error)))?;
                let opened = choice.open().map_err(|error| {
                    self.refusal(format!("SWITCHBOARD_ENGINE={}", choice.mechanism), choice.mechanism, &error)
                })?;
                if opened.name() == choice.mechanism.name() {
                    tracing::info!("engine {}: {}", opened.name(), choice.why);
                } else {
                    tracing::info!(
                        "engine {}: {} worked before, and is refused now",
                        opened.name(),
                        choice.mechanism
                    );
                }
                Ok(opened)
            }
        }
    }

    fn refusal(self, named: String, mechanism: Mechanism, error: &io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied => {
                let why = if mechanism == Mechanism::Uring {
                    reason(error)
                } else {
                    "this system does not have it".to_owned()
                };
                Error::wrong_use(format_args!(
                    "{named}: {why}; give one of {}",
                    names(Mechanism::available())
                ))
            }
            // The environment says how engines are to go wrong, and says it wrongly.
            io::ErrorKind::InvalidInput => Error::wrong_use(reason(error)),
            _ if is_out_of_descriptors(error) => Error::refused(format_args!(
                "cannot open the engine {}: too many open files; close some, or allow more with `ulimit -n`",
                self.name()
            )),
            _ => Error::refused(format_args!(
                "cannot open the engine {}: {}; give another with --engine, such as poll",
                self.name(),
                reason(error)
            )),
        }
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
