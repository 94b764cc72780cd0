//! *select*: the system is asked one question about all the sockets, and the server sleeps until there is an answer.
//!
//! select(2) takes three sets: who is to be told of when there is something to receive (*readable*), when there is room to
//! send (*writable*), and when an urgent byte has come (*exceptional*: no error, and no reason to hang up). What waits to
//! be sent is a queue of messages per client. A client is in the writable set only while its queue has something that
//! the system did not take at once: a socket nearly always has room, and the server would never sleep.
//!
//! Level-triggered: what is ready is told again and again until it is dealt with. So nobody is forgotten, one call per
//! client and turn will do, and whatever is not to be dealt with now has to be left out of the sets.
//!
//! Its price: all sets go to the system and come back with each wait, and all clients are looked through. And a set ends at
//! descriptor 1023: a higher one is not opened, so that whoever is too many waits in the queue. Of a connection that broke
//! while nothing was to be received or sent it tells nothing at all.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Instant;

use switchboard_selector::{Event, Events, Interest, Key, Mechanism, Mode, Selector};

use super::client::Client;
use super::watched::{Doorway, Watched, heed, watch};
use crate::limits;
use crate::model::house::{House, Standing};
use crate::serve::end::End;
use crate::serve::options::Options;

/// Serves until a signal.
pub(super) fn serve(listeners: Vec<OwnedFd>, options: &Options, ready: impl FnOnce()) -> io::Result<End> {
    if let Some(first_too_high) = Mechanism::Select.limit() {
        limits::cap_descriptors(first_too_high.unsigned_abs().into());
    }
    serve_on(Mechanism::Select, listeners, options, ready)
}

/// The loop, on any mechanism that is level-triggered.
#[expect(clippy::disallowed_methods, reason = "there is no engine here")]
pub(super) fn serve_on(
    mechanism: Mechanism,
    listeners: Vec<OwnedFd>,
    options: &Options,
    ready: impl FnOnce(),
) -> io::Result<End> {
    let mut selector = Selector::with(mechanism)?;
    let mut house = House::open(listeners, options, &selector.bell())?;
    let mut doorway = Doorway::open(&house, &mut selector)?;
    let (mut events, mut buffer) = (Events::default(), vec![0; options.read_size]);
    ready();
    loop {
        let now = Instant::now();
        for event in &events {
            match selector.source_mut(event.key()) {
                Some(Watched::Listener(_)) => house.knock(),
                Some(Watched::Client(client, _)) => converse(client, event, &mut buffer, now),
                None => {}
            }
        }
        while house.expects(now)
            && let Some(mut client) = house.admit(now)?
        {
            let interest = wanted(&mut client, now);
            let client = Watched::Client(client, interest);
            watch(client, (interest, Mode::Level), &mut selector, &mut house, now);
        }
        let standing = tidy(&mut selector, &mut house, now)?;
        doorway.follow(&house, &mut selector, now)?;
        match standing {
            Standing::Ended(end) => return Ok(end),
            Standing::Open(wake) => {
                let time = wake.map(|wake| wake.saturating_duration_since(Instant::now()));
                selector.select(&mut events, time)?;
            }
        }
    }
}

/// One call each way for one client, so that it takes no time from the others. The answer is tried at once.
fn converse(client: &mut Client, event: &Event, buffer: &mut [u8], now: Instant) {
    heed(client, event, now);
    if event.readable() {
        client.receive(buffer, now);
    }
    client.send(now);
}

/// Which sets a client is to be in. The exceptional one always: with poll, that is how a broken connection is told of.
fn wanted(client: &mut Client, now: Instant) -> Interest {
    client.interest(now) | Interest::PRIORITY
}

/// Looks through all clients: lets go of those who have left, and puts the others into the sets they are to be in now.
fn tidy(selector: &mut Selector<Watched>, house: &mut House, now: Instant) -> io::Result<Standing> {
    house.look_at_the_clock(now);
    let (mut left, mut changed, mut wake) = (Vec::<Key>::new(), Vec::new(), None);
    for (key, watched) in selector.iter_mut() {
        let Watched::Client(client, interest) = watched else { continue };
        house.attend(client, now);
        if house.dismiss(client, now) {
            left.push(key);
            continue;
        }
        let wanted = wanted(client, now);
        if wanted != *interest {
            *interest = wanted;
            changed.push((key, wanted));
        }
        wake = [wake, client.wake(now)].into_iter().flatten().min();
    }
    left.into_iter().try_for_each(|key| selector.unregister(key).map(drop))?;
    changed.into_iter().try_for_each(|(key, interest)| selector.modify(key, interest, Mode::Level))?;
    Ok(house.standing(wake.into_iter(), now))
}
