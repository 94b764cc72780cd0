//! What is noted while a simulation runs, by clients and server, for the judgement at its end.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

use super::invariants::Broken;
use crate::error::Error;
use crate::serve::end::End;

/// See the top of this file.
#[derive(Default)]
pub(super) struct Notes {
    /// The server has begun to listen.
    pub(super) has_begun: bool,
    /// How often somebody tried to connect, and was connected.
    pub(super) attempts: u64,
    pub(super) connected: u64,
    /// Messages whose answers were heard to their end, or that were said if none is due.
    pub(super) messages: u64,
    /// Bytes that clients have said and heard.
    pub(super) said: u64,
    pub(super) heard: u64,
    /// Of what was said, what the server has to have received.
    pub(super) delivered: u64,
    /// Conversations that ended before their end, and how.
    pub(super) cut: Vec<String>,
    /// Conversations that the service was to end as failures, and did.
    pub(super) failures: u64,
    /// What did not hold, as it was seen.
    pub(super) broken: Vec<Broken>,
    /// How the server ended.
    pub(super) end: Option<Result<End, Error>>,
    /// Tasks and the like that waited on its loop when it had ended.
    pub(super) tasks: Vec<String>,
    /// Failures of its clients in the log.
    pub(super) logged: u64,
    /// The most that waited in one of its sessions, bytes.
    pub(super) waiting: usize,
}

/// Where all programs of a simulation note it.
#[derive(Clone, Default)]
pub(super) struct Notebook(Rc<RefCell<Notes>>);

impl Notebook {
    pub(super) fn open(&self) -> RefMut<'_, Notes> {
        self.0.borrow_mut()
    }
}
