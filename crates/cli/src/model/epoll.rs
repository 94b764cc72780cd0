//! *epoll*: the system keeps the list, and tells only of those of whom there is news.
//!
//! A client is registered once, for everything, and the system is not asked about all with each wait, as poll(2) is.
//! *Edge-triggered*: it tells what *changes*, once. So whoever is told of is received from and sent to until that would
//! block: of what is left behind it is not told again.
//!
//! A client that floods would keep the server to itself that way. So each has a budget per turn, and whoever has work left
//! after it is kept in a list of our own; while somebody is in it, the wait does not sleep.
//!
//! What must stay true: nothing here looks at all clients, but for the steps of the end. Those who wait for a time stand in
//! the order of their times. Whoever is not in `ready` would block, wants nothing, or waits for a time. (The listeners are
//! level-triggered: whoever could not be taken is told of when they can be.)

mod timers;

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use switchboard_selector::{Event, Events, Interest, Key, Mechanism, Mode, Selector};

use self::timers::Timers;
use super::client::Client;
use super::watched::{Doorway, Watched, heed, watch};
use crate::model::house::{House, Standing};
use crate::serve::end::End;
use crate::serve::options::Options;
use crate::serve::step::Step;

/// Serves until a signal.
#[expect(clippy::disallowed_methods, reason = "there is no engine here")]
pub(super) fn serve(listeners: Vec<OwnedFd>, options: &Options, ready: impl FnOnce()) -> io::Result<End> {
    let mut selector = Selector::with(Mechanism::Epoll)?;
    let mut house = House::open(listeners, options, &selector.bell())?;
    let mut doorway = Doorway::open(&house, &mut selector)?;
    let mut clients =
        Clients { ready: BTreeSet::new(), timers: Timers::default(), buffer: vec![0; options.read_size] };
    let everything = Interest::READ | Interest::WRITE | Interest::PRIORITY;
    let mut events = Events::default();
    ready();
    loop {
        let now = Instant::now();
        for event in &events {
            match selector.source_mut(event.key()) {
                Some(Watched::Listener(_)) => house.knock(),
                Some(Watched::Client(client, ready)) => {
                    heed(client, event, now);
                    *ready |= readiness(event);
                    clients.ready.insert(event.key());
                }
                None => {}
            }
        }
        clients.turn(&mut selector, &mut house, now)?;
        while house.expects(now)
            && let Some(client) = house.admit(now)?
        {
            // To be registered is an edge, too: it is told of at once what is there.
            let client = Watched::Client(client, Interest::NONE);
            watch(client, (everything, Mode::Edge), &mut selector, &mut house, now);
        }
        doorway.follow(&house, &mut selector, now)?;
        let time = match house.standing(clients.timers.next().into_iter(), now) {
            Standing::Ended(end) => return Ok(end),
            Standing::Open(_) if !clients.ready.is_empty() => Some(Duration::ZERO),
            Standing::Open(wake) => wake.map(|wake| wake.saturating_duration_since(Instant::now())),
        };
        selector.select(&mut events, time)?;
    }
}

/// Who is to be looked at, and when.
struct Clients {
    ready: BTreeSet<Key>,
    timers: Timers,
    buffer: Vec<u8>,
}

impl Clients {
    /// A turn for each who is ready, and for each whose time has come.
    fn turn(&mut self, selector: &mut Selector<Watched>, house: &mut House, now: Instant) -> io::Result<()> {
        while let Some(key) = self.timers.take_due(now) {
            self.ready.insert(key);
        }
        let everybody = house.look_at_the_clock(now);
        if everybody {
            self.ready.extend(selector.iter().map(|(key, _)| key));
        }
        for key in std::mem::take(&mut self.ready) {
            let Some(Watched::Client(client, ready)) = selector.source_mut(key) else { continue };
            let has_work_left = converse(client, ready, &mut self.buffer, now);
            let has_news = house.attend(client, now);
            if house.dismiss(client, now) {
                self.timers.set(key, None);
                selector.unregister(key)?;
                continue;
            }
            self.timers.set(key, client.wake(now));
            // No edge tells of that: there was room all the time.
            if has_work_left || has_news {
                self.ready.insert(key);
            }
        }
        Ok(())
    }
}

/// Receives and sends until both would block, or there is nothing to call for. Whether the budget was used up before.
fn converse(client: &mut Client, ready: &mut Interest, buffer: &mut [u8], now: Instant) -> bool {
    for _ in 0..BUDGET {
        let received = if ready.contains(Interest::READ) { client.receive(buffer, now) } else { Step::Idle };
        let sent = if ready.contains(Interest::WRITE) { client.send(now) } else { Step::Idle };
        // The call that would block is saved where that is known without it; it could lose an urgent byte, too.
        if let Step::WouldBlock | Step::Drained = received {
            *ready = *ready - Interest::READ;
        }
        if let Step::WouldBlock = sent {
            *ready = *ready - Interest::WRITE;
        }
        if !matches!(received, Step::Done | Step::Drained) && sent != Step::Done {
            return false;
        }
    }
    true
}

/// What would not block, by what was told.
fn readiness(event: &Event) -> Interest {
    let read = if event.readable() { Interest::READ } else { Interest::NONE };
    if event.writable() { read | Interest::WRITE } else { read }
}

/// How many calls each way a client may have in one turn.
const BUDGET: usize = 16;
