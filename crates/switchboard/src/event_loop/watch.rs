//! Watches: callbacks that are called again and again, when a socket may be tried or a signal came.

use std::io;

use super::rows::{Repeated, Row, Waiter, Watch, What};
use super::{Callback, EventLoop, Ready};
use crate::engine::{Direction, Done, Failed, Op, Socket, Submitted};

impl EventLoop {
    /// Calls back whenever the socket may be read or accepted from, once a pass for as long as it may.
    ///
    /// With an error it calls for the last time: the socket was closed or cannot be watched.
    pub fn on_readable(
        &self,
        socket: Socket,
        callback: impl FnMut(&EventLoop, io::Result<()>) + 'static,
    ) -> Callback {
        self.on_ready(socket, Direction::Read, callback)
    }

    /// Calls back whenever the socket may be written to, once a pass for as long as it may. Most sockets may,
    /// most of the time: cancel it when nothing is left to write.
    ///
    /// With an error it calls for the last time: the socket was closed or cannot be watched.
    pub fn on_writable(
        &self,
        socket: Socket,
        callback: impl FnMut(&EventLoop, io::Result<()>) + 'static,
    ) -> Callback {
        self.on_ready(socket, Direction::Write, callback)
    }

    /// Calls back when the signal came, with how often since the last call. The signal no longer does what it
    /// does by default, not even when this is cancelled.
    ///
    /// With an error it calls for the last time: the signal cannot be taken over (`SIGKILL`), or is none.
    pub fn on_signal(
        &self,
        number: i32,
        callback: impl FnMut(&EventLoop, io::Result<u64>) + 'static,
    ) -> Callback {
        self.watch(What::Signal(number), Box::new(callback))
    }

    fn on_ready(
        &self,
        socket: Socket,
        direction: Direction,
        mut callback: impl FnMut(&EventLoop, io::Result<()>) + 'static,
    ) -> Callback {
        let callback = Box::new(move |event_loop: &EventLoop, count: io::Result<u64>| {
            callback(event_loop, count.map(drop));
        });
        self.watch(What::Ready(socket, direction), callback)
    }

    fn watch(&self, what: What, callback: Repeated) -> Callback {
        let watch = Watch { what, callback: Some(callback), ticket: None };
        let key = self.core.rows.borrow_mut().insert(Row::Watch(watch));
        self.wait_for(key, what);
        key
    }

    fn wait_for(&self, key: Callback, what: What) {
        let op = match what {
            What::Ready(socket, direction) => Op::Ready { socket, direction },
            What::Signal(number) => Op::Signal { number },
        };
        match self.core.engine.borrow_mut().submit(op) {
            Submitted::Pending(ticket) => {
                self.core.waiting.borrow_mut().insert(ticket, Waiter::Watch(key));
                if let Some(Row::Watch(watch)) = self.core.rows.borrow_mut().get_mut(key) {
                    watch.ticket = Some(ticket);
                }
            }
            Submitted::Done(Ok(_)) => self.core.ready.borrow_mut().push_back(Ready::Callback(key)),
            Submitted::Done(Err(failed)) => {
                let error = failed.error;
                self.soon(move |event_loop| event_loop.call_watch(key, Err(error)));
            }
        }
    }

    /// Calls a watch, and makes it wait again unless this was the last time.
    pub(super) fn call_watch(&self, key: Callback, count: io::Result<u64>) {
        let taken = match self.core.rows.borrow_mut().get_mut(key) {
            Some(Row::Watch(watch)) => {
                watch.ticket = None;
                watch.callback.take().map(|callback| (callback, watch.what))
            }
            _ => None,
        };
        let Some((mut callback, what)) = taken else { return };
        if count.is_err() {
            self.core.rows.borrow_mut().remove(key);
            return callback(self, count);
        }
        // One that panicked is over: called again, it would only panic again.
        if self.protect(|| callback(self, count)).is_none() {
            self.core.rows.borrow_mut().remove(key);
            return;
        }
        let still = match self.core.rows.borrow_mut().get_mut(key) {
            Some(Row::Watch(watch)) => {
                watch.callback = Some(callback);
                true
            }
            _ => false,
        };
        if still {
            self.wait_for(key, what);
        }
    }
}

/// What a watch is called with: how often its signal came, or 1 for a socket.
pub(super) fn count(outcome: Result<Done, Failed>) -> io::Result<u64> {
    match outcome {
        Ok(Done::Signalled { count }) => Ok(count),
        Ok(_) => Ok(1),
        Err(failed) => Err(failed.error),
    }
}
