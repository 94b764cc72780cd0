//! The ring where there is no io_uring: the same shape, and a clear error.

use std::convert::Infallible;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::counts::Counts;
use crate::error::refused;
use crate::features::Features;
use crate::reply::Reply;
use crate::request::Request;
use crate::setup::Setup;
use crate::token::Token;

/// io_uring, which this system does not have: there is never one of these.
#[derive(Debug)]
pub struct Ring<D, B> {
    never: Infallible,
    of: PhantomData<(D, B, *const ())>,
}

impl<D: AsFd + 'static, B: AsRef<[u8]> + 'static> Ring<D, B> {
    /// Always an error.
    ///
    /// # Errors
    ///
    /// `Unsupported`.
    pub fn new(_: Setup) -> io::Result<Self> {
        Err(missing())
    }

    /// Takes a request.
    pub fn push(&mut self, _: Request<D, B>) -> Token {
        match self.never {}
    }

    /// Asks that an operation end early.
    pub fn cancel(&mut self, _: Token) {
        match self.never {}
    }

    /// Asks the same of all operations on a descriptor.
    pub fn cancel_all(&mut self, _: BorrowedFd<'_>) {
        match self.never {}
    }

    /// Hands all that was pushed to the kernel, and waits.
    ///
    /// # Errors
    ///
    /// Never called.
    pub fn enter(&mut self, _: Option<Duration>) -> io::Result<()> {
        match self.never {}
    }

    /// The next reply.
    pub fn reply(&mut self) -> Option<Reply<D, B>> {
        match self.never {}
    }

    /// How many operations have not had their final reply taken.
    pub fn in_flight(&self) -> usize {
        match self.never {}
    }

    /// Whether the final reply of this one is yet to be taken.
    pub fn is_in_flight(&self, _: Token) -> bool {
        match self.never {}
    }

    /// What was asked, while it is in flight.
    pub fn request(&self, _: Token) -> Option<&Request<D, B>> {
        match self.never {}
    }

    /// Gives a buffer to the group.
    pub fn provide(&mut self, _: Vec<u8>) {
        match self.never {}
    }

    /// How many buffers of the group are with the kernel now.
    pub fn provided(&self) -> usize {
        match self.never {}
    }

    /// Whether nothing completes outside our own `enter`.
    pub fn is_deferred(&self) -> bool {
        match self.never {}
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        match self.never {}
    }
}

/// Whether a [`Ring`] works here: never.
///
/// # Errors
///
/// `Unsupported`.
pub fn probe() -> io::Result<Features> {
    Err(missing())
}

fn missing() -> io::Error {
    let text = format_args!(
        "{} on {} has no io_uring, or switchboard does not support it there",
        std::env::consts::OS,
        std::env::consts::ARCH
    );
    refused(io::ErrorKind::Unsupported, text)
}
