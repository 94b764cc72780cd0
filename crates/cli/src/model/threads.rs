//! *threads*: a thread for each client, and one that accepts.
//!
//! Each thread blocks as long as it likes and holds up nobody else: the system gives the core to whoever has something to
//! do. The code is that of one client at a time, unchanged. The price is a thread each: a stack, a buffer, a place in the
//! scheduler, and a way to reach it when it is to end (`connection`). So `--limit` bounds them.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use switchboard::engine::Address;
use switchboard_selector::Bell;

use super::connection::Connection;
use super::talk::{Farewell, Terms, talk};
use crate::serve::drain::Phase;
use crate::serve::end::End;
use crate::serve::ledger::Gone;
use crate::serve::options::Options;
use crate::serve::reception::{Newcomer, Next, Reception};

/// Serves until a signal.
pub(super) fn serve(listeners: Vec<OwnedFd>, options: &Options, ready: impl FnOnce()) -> io::Result<End> {
    let terms = Arc::new(Terms::of(options));
    let mut reception = Reception::open(listeners, options, None)?;
    let (leaving, left) = channel();
    let mut clients = BTreeMap::new();
    ready();
    for number in 0.. {
        match reception.next()? {
            Next::Client(newcomer) => {
                let exit = Exit { number, leaving: leaving.clone(), bell: reception.bell() };
                if let Some(client) = Client::start(newcomer, &terms, exit, &mut reception) {
                    clients.insert(number, client);
                    tell_of_the_crowd(&reception, options);
                }
            }
            Next::Woken(_) => {
                for client in left.try_iter().filter_map(|number| clients.remove(&number)) {
                    client.part(&mut reception);
                }
            }
            Next::Entered(Phase::LastWords) => {
                clients.values().for_each(|client| client.connection.end_reading());
            }
            Next::Entered(Phase::Over) => clients.values().for_each(|client| client.connection.cut()),
            Next::Entered(_) | Next::Alarm => {}
            Next::Ended(end) => return Ok(end),
        }
    }
    unreachable!("the numbers do not run out")
}

/// Somebody who is being served.
struct Client {
    connection: Arc<Connection>,
    peer: Address,
    since: Instant,
    thread: JoinHandle<Farewell>,
}

/// Tells the thread that accepts, however this one ends.
struct Exit {
    number: u64,
    leaving: Sender<u64>,
    bell: Bell,
}

impl Client {
    /// Gives a client a thread. If there is none to be had, the client is kept.
    #[expect(clippy::disallowed_methods, reason = "there is no engine here, and threads are the model")]
    fn start(newcomer: Newcomer, terms: &Arc<Terms>, exit: Exit, reception: &mut Reception) -> Option<Self> {
        let Newcomer { socket, peer, since } = newcomer;
        let connection = Arc::new(Connection::new(socket));
        let work = {
            let (connection, terms) = (Arc::clone(&connection), Arc::clone(terms));
            move || {
                let _exit = exit;
                talk(&connection, &terms)
            }
        };
        match Builder::new().name("client".to_owned()).stack_size(STACK).spawn(work) {
            Ok(thread) => Some(Self { connection, peer, since, thread }),
            Err(error) => {
                let connection = Arc::into_inner(connection).expect("no thread has taken it");
                let newcomer = Newcomer { socket: connection.into_socket(), peer, since };
                reception.keep(newcomer, "there is no thread to be had", &error);
                None
            }
        }
    }

    fn part(self, reception: &mut Reception) {
        let lost =
            |_| Farewell { received: 0, sent: 0, gone: Gone::Failed("its thread panicked".to_owned()) };
        let Farewell { received, sent, gone } = self.thread.join().unwrap_or_else(lost);
        // Closed before it is said to be.
        drop(self.connection);
        reception.dismiss(&self.peer, self.since, (received, sent), &gone);
    }
}

impl Drop for Exit {
    fn drop(&mut self) {
        self.leaving.send(self.number).ok();
        self.bell.ring();
    }
}

fn tell_of_the_crowd(reception: &Reception, options: &Options) {
    let served = reception.served();
    options.explain.tell(|| match (served, reception.is_full()) {
        (1, false) => "1 thread serves 1 client".to_owned(),
        (_, false) => format!("{served} threads serve {served} clients, and none waits for another"),
        (_, true) => {
            format!("{served} threads are as many as --limit allows: whoever comes waits in the queue")
        }
    });
}

/// What talking to a client needs many times over; the buffer is elsewhere. The system takes from it what is touched.
const STACK: usize = 256 << 10;
