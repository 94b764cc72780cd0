//! *blocking*: one client at a time. Accept, talk until it is over, accept the next.
//!
//! The first server of every book, and quite right for one client. A second has connected all the same, as the system
//! accepts it into its queue; there it waits, however little it wants, until the first has gone: the one thread there is
//! blocks in the first one's `recv(2)`. Only a second thread could tell it so: the `watcher` hears the signals meanwhile.

mod watcher;

use std::io;
use std::os::fd::OwnedFd;
use std::thread;

use switchboard_selector::Selector;

use self::watcher::{Watch, Watcher};
use super::talk::{Farewell, Terms, talk};
use crate::serve::end::End;
use crate::serve::options::Options;
use crate::serve::reception::{Next, Reception};

/// Serves until a signal.
pub(super) fn serve(listeners: Vec<OwnedFd>, options: &Options, ready: impl FnOnce()) -> io::Result<End> {
    let selector = Selector::new()?;
    let watched = if options.explain.0 { duplicates(&listeners)? } else { Vec::new() };
    let mut reception = Reception::open(listeners, options, Some(&selector.bell()))?;
    let watch = Watch::new(selector.bell());
    let watcher = Watcher::new(selector, watched, &reception, &watch, options)?;
    thread::scope(|scope| {
        let watching = thread::Builder::new().spawn_scoped(scope, move || watcher.watch())?;
        ready();
        let end = serve_one_by_one(&mut reception, &watch, options);
        watch.end();
        watching.join().expect("the watcher does not panic").and(end)
    })
}

/// All there is to it.
fn serve_one_by_one(reception: &mut Reception, watch: &Watch, options: &Options) -> io::Result<End> {
    let terms = Terms::of(options);
    loop {
        match reception.next()? {
            Next::Client(newcomer) => {
                let connection = watch.begin(&newcomer.peer, newcomer.socket, options.explain);
                let Farewell { received, sent, gone } = talk(&connection, &terms);
                watch.done();
                drop(connection);
                reception.dismiss(&newcomer.peer, newcomer.since, (received, sent), &gone);
            }
            Next::Ended(end) => return Ok(end),
            // Whoever is served has been told by the watcher, and is not served any more.
            Next::Entered(_) | Next::Woken(_) | Next::Alarm => {}
        }
    }
}

fn duplicates(listeners: &[OwnedFd]) -> io::Result<Vec<OwnedFd>> {
    listeners.iter().map(OwnedFd::try_clone).collect()
}
