//! *buffered*: *polling*, with a buffer for what was received of a client and one for what is to be sent to it.
//!
//! What the buffers mend: a client may ask its next question before it has read the last answer, and be heard; and if the
//! system takes a part of an answer only, the rest lies there until it takes more. (The first buffer is the service's: a
//! line that has come by half waits there for its end. The second is the session's.)
//!
//! What they do not mend: a client that never reads. A buffer without a bound would grow for as long as it sends; so past
//! 64 KiB nothing more is received from it, and it has to stop by itself, only later. And every socket is still asked in
//! vain, over and over, or after a pause: no buffer tells *when*.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Instant;

use super::client::Client;
use super::polling;
use crate::serve::end::End;
use crate::serve::options::Options;
use crate::serve::step::Step;

/// Serves until a signal.
pub(super) fn serve(listeners: Vec<OwnedFd>, options: &Options, ready: impl FnOnce()) -> io::Result<End> {
    polling::serve_by(converse, listeners, options, ready)
}

/// Asks one client. It is received from while answers wait, up to the session's bound.
fn converse(client: &mut Client, buffer: &mut [u8], now: Instant) -> [Step; 2] {
    [client.receive(buffer, now), client.send(now)]
}
