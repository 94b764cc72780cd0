//! `switchboard load`: puts a load on a server, and says how it bore it, and whether that can be believed.
//!
//! What to do is a `plan`; a `crew` of threads does it, each with a `generator` on an engine of its own, below loop and tasks: whoever
//! measures has to cost less than what is measured. What it came to is a `tally`, and whether to believe it is a matter of `doubt`.

mod book;
mod connection;
mod crew;
mod doubt;
mod failure;
mod gate;
mod generator;
mod message;
mod plan;
mod processor;
mod schedule;
mod tally;
#[cfg(test)]
mod tests;
mod times;

pub(crate) use crew::{Crew, Progress};
pub(crate) use doubt::doubts;
pub(crate) use failure::{Failure, Failures};
pub(crate) use message::{Expect, Message};
pub(crate) use plan::{Pace, Plan, Transport, Until};
pub(crate) use tally::{Interval, Phase, Share, Tally};
pub(crate) use times::Times;
