//! The table: which models there are, how each is called, and what each claims.
//!
//! A model is one line of it, or one for each engine it runs on. Where a model's lesson is to behave differently, that
//! is a claim here, and the behaviour's body says what it means; everything else is the same on all of them.

use std::net::SocketAddr;

use crate::server::{self, Server};

/// One model, as it is tested.
pub(crate) struct Model {
    /// What the command calls it.
    pub(crate) name: &'static str,
    arguments: &'static [&'static str],
    /// On which it runs, if that is to be chosen.
    pub(crate) engine: Option<&'static str>,
    /// A client is served when those who came before have left: that is the lesson of the model.
    pub(crate) one_at_a_time: bool,
    /// It asks its sockets over and over, which costs time even when nothing happens, unless it pauses.
    pub(crate) polls: bool,
    /// With how many clients at once it is tested at most.
    pub(crate) most: usize,
    /// What a client may cost at most that sends and never reads, bytes: what waits for it, and whatever serves it.
    pub(crate) memory: usize,
}

/// Makes the table, and the macro that makes of each behaviour one test for each row of it. The first token is `$`,
/// which a macro cannot write into the macro it makes otherwise.
macro_rules! models {
    ($d:tt $($row:ident: $model:expr,)+) => {
        /// All of them, each with the name of its tests.
        pub(crate) const MODELS: &[(&str, Model)] = &[$((stringify!($row), $model)),+];

        /// Makes one test for each model of each body.
        macro_rules! on_every_model {
            ($d($d body:ident),+ $d(,)?) => {$d(
                mod $d body {
                    $(#[test] fn $row() { crate::table::run(stringify!($row), super::$d body); })+
                }
            )+};
        }
    };
}

models! { $
    blocking: Model::called("blocking").one_at_a_time(),
    threads: Model::called("threads"),
    processes: Model::called("processes").in_processes(),
    polling: Model::called("polling").polling(),
    buffered: Model::called("buffered").polling(),
    select: Model::called("select"),
    poll: Model::called("poll"),
    epoll: Model::called("epoll"),
    callbacks_on_uring: Model::called("callbacks").on("uring"),
    callbacks_on_epoll: Model::called("callbacks").on("epoll"),
    callbacks_on_poll: Model::called("callbacks").on("poll"),
    callbacks_on_select: Model::called("callbacks").on("select"),
    tasks_on_uring: Model::called("tasks").on("uring"),
    tasks_on_epoll: Model::called("tasks").on("epoll"),
    tasks_on_poll: Model::called("tasks").on("poll"),
    tasks_on_select: Model::called("tasks").on("select"),
}

impl Model {
    const fn called(name: &'static str) -> Self {
        Self {
            name,
            arguments: &[],
            engine: None,
            one_at_a_time: false,
            polls: false,
            most: 500,
            memory: 1 << 20,
        }
    }

    const fn on(self, engine: &'static str) -> Self {
        Self { engine: Some(engine), ..self }
    }

    const fn one_at_a_time(self) -> Self {
        Self { one_at_a_time: true, ..self }
    }

    const fn in_processes(self) -> Self {
        Self { most: 60, memory: 4 << 20, ..self }
    }

    const fn polling(self) -> Self {
        Self { polls: true, arguments: &["--pause", "200us"], ..self }
    }

    /// A server on a free port, with a short grace period and these arguments.
    pub(crate) fn serve(&self, arguments: &[&str]) -> Server {
        Server::start(&self.arguments(&["--listen", "127.0.0.1:0"], arguments))
    }

    /// The same, with `--json`.
    pub(crate) fn serve_telling_json(&self, arguments: &[&str]) -> Server {
        Server::start_telling_json(&self.arguments(&["--listen", "127.0.0.1:0"], arguments))
    }

    /// The same, on this port.
    pub(crate) fn serve_at(&self, address: SocketAddr) -> Server {
        Server::start_telling_json(&self.arguments(&["--listen", &address.to_string()], &[]))
    }

    /// A server on Unix sockets alone, which tells no JSON.
    pub(crate) fn serve_on(&self, listen: &[String], arguments: &[&str]) -> Server {
        let listen: Vec<_> = listen.iter().flat_map(|listen| ["--listen", listen]).collect();
        Server::start(&self.arguments(&listen, arguments))
    }

    /// How many clients of those who have come can be served at once.
    pub(crate) fn at_once(&self, count: usize) -> usize {
        if self.one_at_a_time { 1 } else { count.min(self.most) }
    }

    fn arguments<'a>(&self, listen: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
        let grace: &[_] = if more.contains(&"--grace") { &[] } else { &["--grace", "500ms"] };
        let pause = if more.contains(&"--pause") { &[] } else { self.arguments };
        let engine: &[_] = &self.engine.map_or(vec![], |engine| vec!["--engine", engine]);
        [listen, &["--model", self.name], engine, pause, grace, more].concat()
    }
}

/// Runs a body on a row, unless this system lacks its engine, which is told.
pub(crate) fn run(row: &str, body: fn(&Model)) {
    let (_, model) = MODELS.iter().find(|(name, _)| *name == row).expect("a row of the table");
    match model.engine {
        Some(engine) => server::run(engine, |_| body(model)),
        None => body(model),
    }
}
