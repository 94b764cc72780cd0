//! One host: a program, the loop it runs on, and how it ended.

use std::cell::RefCell;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::{fmt, mem};

use super::failed::Why;
use crate::engine::sim::{HostId, Network};
use crate::engine::trace::Trace;
use crate::event_loop::{EventLoop, Failure, Next};
use crate::task::{Ended, Outcome, Task, TaskFuture, spawn_for};

/// See the top of this file.
pub(super) struct Host {
    pub(super) name: String,
    pub(super) id: HostId,
    program: Program,
    /// Where it was added.
    added: &'static Location<'static>,
    state: State,
    /// It was told to end, by SIGTERM.
    pub(super) is_told: bool,
    /// Its program has come to an end of its own accord.
    pub(super) has_ended: bool,
    /// What failed there with nobody to see it.
    pub(super) failures: Rc<RefCell<Vec<Failure>>>,
    /// The sockets that were left open by programs that have ended.
    pub(super) open: Vec<String>,
}

type Program = Rc<dyn Fn() -> Pin<Box<dyn Future<Output = Option<String>>>>>;

enum State {
    /// Not begun, over, or crashed.
    Off,
    Running(EventLoop, Task<Said>),
    /// The program has ended; its connections are being closed.
    Ending(EventLoop),
}

/// What a program's end said: its failure, if it was one.
struct Said(Option<String>);

impl Outcome for Said {}

impl Host {
    pub(super) fn new<F>(
        name: &str,
        id: HostId,
        added: &'static Location<'static>,
        program: impl Fn() -> F + 'static,
    ) -> Self
    where
        F: TaskFuture + 'static,
        F::Output: 'static,
    {
        let program: Program = Rc::new(move || {
            let future = program();
            Box::pin(async move {
                let output = future.await;
                F::failure_of(&output).map(ToString::to_string)
            })
        });
        Self::of(name, id, added, program)
    }

    /// A host on another network that runs the same, from its beginning.
    pub(super) fn twin(&self, id: HostId) -> Self {
        Self::of(&self.name, id, self.added, Rc::clone(&self.program))
    }

    fn of(name: &str, id: HostId, added: &'static Location<'static>, program: Program) -> Self {
        Self {
            name: name.to_owned(),
            id,
            program,
            added,
            state: State::Off,
            is_told: false,
            has_ended: false,
            failures: Rc::default(),
            open: Vec::new(),
        }
    }

    /// Begins the program.
    pub(super) fn start(&mut self, network: &Network, trace: Option<&Trace>) {
        let engine = network.on(self.id).engine();
        let event_loop = EventLoop::with(match trace {
            Some(trace) => trace.record(&self.name, engine),
            None => engine,
        });
        let failures = Rc::clone(&self.failures);
        event_loop.on_failure(move |failure| failures.borrow_mut().push(failure.clone()));
        let program = (self.program)();
        let task = spawn_for(&event_loop, "the program", self.added, async move { Said(program.await) });
        (self.is_told, self.has_ended) = (false, false);
        self.state = State::Running(event_loop, task);
    }

    /// Ends it at once.
    pub(super) fn stop(&mut self) {
        self.state = State::Off;
    }

    pub(super) fn event_loop(&self) -> Option<&EventLoop> {
        match &self.state {
            State::Off => None,
            State::Running(event_loop, _) | State::Ending(event_loop) => Some(event_loop),
        }
    }

    /// Whether its program still runs.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, State::Running(..))
    }

    /// When its loop has something to do, whatever its sockets do.
    pub(super) fn next(&self) -> Next {
        match &self.state {
            State::Off => Next::Never,
            State::Ending(event_loop) if event_loop.engine().closing() == 0 => Next::Now,
            State::Running(event_loop, _) | State::Ending(event_loop) => event_loop.next(),
        }
    }

    /// One pass of its loop, and what follows from it.
    pub(super) fn turn(&mut self, network: &Network) -> Result<(), Why> {
        let Some(event_loop) = self.event_loop() else { return Ok(()) };
        event_loop.turn(None).map_err(Why::Engine)?;
        match mem::replace(&mut self.state, State::Off) {
            State::Running(event_loop, task) if task.is_finished() => {
                event_loop.cancel_tasks();
                self.has_ended = !self.is_told;
                self.state = State::Ending(event_loop);
                return match task.end() {
                    Some(Ok(Said(None))) | None => Ok(()),
                    Some(Ok(Said(Some(message)))) => Err(Why::Failed(message)),
                    Some(Err(Ended::Panicked(panic))) => Err(Why::Panicked(Failure::message_of(&*panic))),
                    Some(Err(Ended::Cancelled)) => Err(Why::Failed("it was cancelled".to_owned())),
                };
            }
            // Dropped, and over: unless destructors have left word. Timers that are left are nobody's.
            State::Ending(event_loop)
                if event_loop.next() != Next::Now && event_loop.engine().closing() == 0 =>
            {
                self.open.extend(network.sockets_of(self.id));
            }
            state => self.state = state,
        }
        Ok(())
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("name", &self.name).finish_non_exhaustive()
    }
}
