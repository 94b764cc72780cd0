//! Who is compared: models of `serve`, on their engines, and servers of the user's own.

use std::fmt;

use switchboard::Mechanism;

use crate::ladder::Model;
use crate::service::Service;

/// A server that takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contestant {
    pub(crate) name: String,
    pub(crate) program: Program,
}

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Program {
    /// `switchboard serve`.
    Ours {
        /// On what.
        model: Model,
        /// Of a model that has an event loop.
        engine: Option<Mechanism>,
    },
    /// Another program, whose words may hold `{port}` and `{service}`.
    Foreign(Vec<String>),
}

impl Contestant {
    /// A model, on each of these engines if it can be chosen.
    pub(crate) fn of_model(model: Model, engines: &[Mechanism]) -> Vec<Self> {
        if !model.has_event_loop() {
            let program = Program::Ours { model, engine: None };
            return vec![Self { name: model.name().to_owned(), program }];
        }
        let on = |engine: &Mechanism| Self {
            name: format!("{}/{engine}", model.name()),
            program: Program::Ours { model, engine: Some(*engine) },
        };
        engines.iter().map(on).collect()
    }

    /// The words after the program's name that have it serve; of a foreign one, its name, too. It is to listen on this port of 127.0.0.1,
    /// ours on any.
    pub(super) fn words(&self, service: Service, port: u16) -> Vec<String> {
        match &self.program {
            Program::Ours { model, engine } => {
                let mut words =
                    vec!["serve", "--listen", "127.0.0.1:0", "--backlog", "4096", "--grace", "100ms"];
                words.extend(["--model", model.name(), "--service", service.name()]);
                words.extend(engine.iter().flat_map(|engine| ["--engine", engine.name()]));
                words.into_iter().map(str::to_owned).collect()
            }
            Program::Foreign(words) => {
                let port = port.to_string();
                let filled =
                    |word: &String| word.replace("{port}", &port).replace("{service}", service.name());
                words.iter().map(filled).collect()
            }
        }
    }

    /// What is run, as it is told.
    pub(super) fn command(&self) -> Vec<String> {
        match &self.program {
            Program::Ours { .. } => {
                let words = self.words(Service::Echo, 0);
                ["switchboard".to_owned()].into_iter().chain(words).collect()
            }
            Program::Foreign(words) => words.clone(),
        }
    }
}

/// What load is put on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scenario {
    pub(crate) service: Service,
    pub(crate) connections: usize,
    /// Of a message, bytes.
    pub(crate) size: usize,
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, connections, size } = self;
        describe(f, service.name(), *connections, *size)
    }
}

/// `echo, 50 connections, 64 B`.
pub(super) fn describe(
    to: &mut impl fmt::Write,
    service: &str,
    connections: usize,
    size: usize,
) -> fmt::Result {
    let plural = if connections == 1 { "" } else { "s" };
    let size = match size {
        size if size >= 1 << 10 && size % (1 << 10) == 0 => format!("{} KiB", size >> 10),
        size => format!("{size} B"),
    };
    write!(to, "{service}, {connections} connection{plural}, {size}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_with_a_loop_takes_part_once_for_each_engine() {
        let engines = [Mechanism::Epoll, Mechanism::Poll];
        let names = |model| Contestant::of_model(model, &engines).into_iter().map(|one| one.name);
        assert_eq!(names(Model::Tasks).collect::<Vec<_>>(), ["tasks/epoll", "tasks/poll"]);
        assert_eq!(names(Model::Threads).collect::<Vec<_>>(), ["threads"]);
        let tasks = Contestant::of_model(Model::Tasks, &engines).remove(1);
        let words = tasks.words(Service::Upper, 0).join(" ");
        assert!(words.ends_with("--model tasks --service upper --engine poll"), "{words}");
    }

    #[test]
    fn a_foreign_command_is_told_its_port_and_service() {
        let words = ["serve", "-p{port}", "{service}", "{port}"].map(str::to_owned).to_vec();
        let other = Contestant { name: "other".to_owned(), program: Program::Foreign(words) };
        assert_eq!(other.words(Service::Echo, 81), ["serve", "-p81", "echo", "81"]);
    }

    #[test]
    fn a_scenario_is_said_in_words() {
        let said = |connections, size| Scenario { service: Service::Echo, connections, size }.to_string();
        assert_eq!(said(1, 64), "echo, 1 connection, 64 B");
        assert_eq!(said(50, 16 << 10), "echo, 50 connections, 16 KiB");
    }
}
