//! *polling*: the sockets are asked in turn, over and over, whether there is something.
//!
//! One thread serves everybody, and nobody waits for anybody: that is what non-blocking mode gives. The price: nearly
//! every question is answered "nothing". Without a pause that burns a whole core; with one, every answer comes late by
//! half of it on average. So it says at the end what it has cost. What mends it is to be *told* which sockets are ready.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Instant;

use socket2::Socket;
use switchboard_selector::{Events, Mechanism, Selector};

use super::client::Client;
use crate::model::house::{House, Standing};
use crate::serve::end::End;
use crate::serve::options::Options;
use crate::serve::step::Step;

/// Serves until a signal.
pub(super) fn serve(listeners: Vec<OwnedFd>, options: &Options, ready: impl FnOnce()) -> io::Result<End> {
    serve_by(converse, listeners, options, ready)
}

/// The loop: `converse` asks one client.
#[expect(clippy::disallowed_methods, reason = "there is no engine here")]
pub(super) fn serve_by(
    converse: fn(&mut Client, &mut [u8], Instant) -> [Step; 2],
    listeners: Vec<OwnedFd>,
    options: &Options,
    ready: impl FnOnce(),
) -> io::Result<End> {
    // Nothing is registered: it is only for the pause, which a signal cuts short.
    let mut pause = Selector::<Socket>::with(Mechanism::Poll)?;
    let mut house = House::open(listeners, options, &pause.bell())?;
    let (mut clients, mut buffer) = (Vec::new(), vec![0; options.read_size]);
    ready();
    loop {
        let now = Instant::now();
        while let Some(client) = house.admit(now)? {
            clients.push(client);
        }
        for client in &mut clients {
            house.cost.steps(converse(client, &mut buffer, now));
        }
        let wake = match house.tidy(&mut clients, now) {
            Standing::Ended(end) => return Ok(end),
            Standing::Open(wake) => wake,
        };
        if let Some(time) = options.pause {
            // What has a time of its own, such as the end of the grace period, does not wait for the next round.
            let time = wake.map_or(time, |wake| time.min(wake.saturating_duration_since(Instant::now())));
            pause.select(&mut Events::default(), Some(time))?;
        }
    }
}

/// Asks one client: a question, its answer. Until all of the answer has gone, nothing more is received, so that a client
/// that sends and never reads has to stop by itself.
fn converse(client: &mut Client, buffer: &mut [u8], now: Instant) -> [Step; 2] {
    let received = if client.is_silent() { client.receive(buffer, now) } else { Step::Idle };
    [received, client.send(now)]
}
