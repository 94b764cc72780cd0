//! A loop on a thread of its own, which serves whom it is sent.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

use switchboard::EventLoop;
use switchboard::event_loop::{Callback, Woken};

use super::hall::{Hall, Shared};
use super::post::{Inbox, Letter, News};
use crate::choice::Choice;
use crate::serve::failure::tell_of;

/// What such a thread does, from first to last: it ends when nobody comes any more, and all have left.
pub(crate) fn work(engine: Choice, shared: Arc<Shared>) -> io::Result<()> {
    let event_loop = EventLoop::with(engine.open().map_err(io::Error::other)?);
    event_loop.on_failure(tell_of);
    let (sender, letters) = channel();
    let hall = Hall::new(Arc::clone(&shared));
    let (_, waker) = event_loop.on_wake(Rc::new(Reader { hall: Rc::clone(&hall), letters }));
    shared.home.tell(News::Open(Inbox::new(sender, waker)));
    hall.run(&event_loop)
}

/// Reads what the loop is sent.
struct Reader {
    hall: Rc<Hall>,
    letters: Receiver<Letter>,
}

impl Woken for Reader {
    fn woken(self: Rc<Self>, event_loop: &EventLoop, _: Callback) {
        loop {
            match self.letters.try_recv() {
                Ok(Letter::Serve(parcel)) => {
                    if let Some((descriptor, peer)) = parcel.open() {
                        self.hall.admit(event_loop, descriptor, peer);
                    }
                }
                Ok(Letter::Drain(began)) => self.hall.drain(event_loop, |drain| drain.begin(began)),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => return self.hall.close(),
            }
        }
    }
}
