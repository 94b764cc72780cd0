//! A socket as the ring's engine keeps it: its descriptor, and what is in flight for it.

use std::os::fd::AsFd;
use std::rc::Rc;

use switchboard_ring::Token;

use crate::engine::Direction;
use crate::engine::kernel::Role;
use crate::engine::native::Source;

/// One socket.
pub(super) struct Entry {
    /// Shared with the operations in flight.
    pub(super) source: Rc<Source>,
    pub(super) role: Role,
    pub(super) reading: Option<Token>,
    pub(super) writing: Option<Token>,
    /// It has a peer.
    pub(super) connected: bool,
    /// The pass in which it was last seen to be empty.
    pub(super) dry_since: u64,
    /// The kernel would not wait for room: what is to be sent next is tried, and room waited for by a poll.
    pub(super) is_full: bool,
    /// Nothing more is begun on it.
    pub(super) recalled: bool,
}

impl Entry {
    pub(super) fn new(source: Source, role: Role, connected: bool) -> Self {
        Self {
            source: Rc::new(source),
            role,
            reading: None,
            writing: None,
            connected,
            dry_since: 0,
            is_full: false,
            recalled: false,
        }
    }

    /// The descriptor, for an operation.
    pub(super) fn share(&self) -> Rc<dyn AsFd> {
        Rc::clone(&self.source) as Rc<dyn AsFd>
    }

    /// What is in flight in one direction.
    pub(super) fn flight(&mut self, direction: Direction) -> &mut Option<Token> {
        match direction {
            Direction::Read => &mut self.reading,
            Direction::Write => &mut self.writing,
        }
    }
}
