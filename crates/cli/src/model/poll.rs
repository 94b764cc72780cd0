//! *poll*: *select* with a list in place of the three sets.
//!
//! poll(2) takes an entry for each descriptor: its number, what to tell of, and room for the answer. So there is no highest
//! number, a list for few clients is short however high their numbers are, and the question need not be written anew for
//! each wait, as the answer stands beside it. And it tells of one more thing, unasked: that a connection is over (`POLLHUP`,
//! `POLLERR`). Who does not listen to that is told for ever, and never sleeps again; so such a client is let go of.
//!
//! What it leaves as it is: the whole list goes to the system with each wait, which looks through all of it, and so does the
//! server after it. With ten thousand clients of whom one speaks, that is ten thousand looks for one answer. Otherwise it
//! is *select* to the letter, and the loop is the same.

use std::io;
use std::os::fd::OwnedFd;

use switchboard_selector::Mechanism;

use super::select;
use crate::serve::end::End;
use crate::serve::options::Options;

/// Serves until a signal.
pub(super) fn serve(listeners: Vec<OwnedFd>, options: &Options, ready: impl FnOnce()) -> io::Result<End> {
    select::serve_on(Mechanism::Poll, listeners, options, ready)
}
