//! Calling the loop from other threads.
//!
//! The bell is rung by whoever puts the first letter into an empty box; the loop empties the whole box at
//! once. So a letter is either seen by the emptying or finds the box empty and rings: none is lost, and a
//! thousand letters ring once. User values are made and dropped outside the lock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{error, fmt, mem};

use super::EventLoop;
use super::rows::Once;
use crate::engine::Bell;

/// Calls a loop from other threads. As long as there is one, [`EventLoop::run`] goes on.
pub struct Handle {
    inbox: Arc<Inbox>,
    bell: Bell,
}

/// The loop has ended: nothing will be called back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopEnded;

#[derive(Default)]
pub(super) struct Inbox {
    mail: Mutex<Mail>,
    /// Whether there are letters, to be asked without the lock. Changes under it. Read too early, it is read
    /// again after the bell.
    has_mail: AtomicBool,
}

type Letter = Box<dyn FnOnce(&EventLoop) + Send>;

#[derive(Default)]
struct Mail {
    letters: Vec<Letter>,
    handles: usize,
    ended: bool,
}

impl Handle {
    /// A loop without handles holds no bell, and so an engine can tell that nobody is left to ring it.
    pub(super) fn new(inbox: &Arc<Inbox>, bell: Bell) -> Self {
        inbox.lock().handles += 1;
        Self { inbox: Arc::clone(inbox), bell }
    }

    /// Calls back in a pass that begins after this call, on the loop's thread.
    ///
    /// # Errors
    ///
    /// [`LoopEnded`] when there is no loop any more; the callback is dropped.
    pub fn soon(&self, callback: impl FnOnce(&EventLoop) + Send + 'static) -> Result<(), LoopEnded> {
        let letter: Letter = Box::new(callback);
        let mut mail = self.inbox.lock();
        if mail.ended {
            drop(mail);
            return Err(LoopEnded);
        }
        let first = mail.letters.is_empty();
        mail.letters.push(letter);
        self.inbox.has_mail.store(true, Ordering::Release);
        drop(mail);
        if first {
            self.bell.ring();
        }
        Ok(())
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        Self::new(&self.inbox, self.bell.clone())
    }
}

impl Drop for Handle {
    /// The last one lets the loop end, which it has to wake up for.
    fn drop(&mut self) {
        let mut mail = self.inbox.lock();
        mail.handles -= 1;
        let last = mail.handles == 0;
        drop(mail);
        if last {
            self.bell.ring();
        }
    }
}

impl Inbox {
    pub(super) fn take(&self) -> impl Iterator<Item = Once> + use<> {
        let mut mail = self.lock();
        self.has_mail.store(false, Ordering::Release);
        mem::take(&mut mail.letters).into_iter().map(|letter| letter as Once)
    }

    pub(super) fn has_mail(&self) -> bool {
        self.has_mail.load(Ordering::Acquire)
    }

    /// Whether anybody could still write.
    pub(super) fn has_handles(&self) -> bool {
        self.lock().handles > 0
    }

    /// Refuses letters from here on.
    pub(super) fn end(&self) {
        let mut mail = self.lock();
        mail.ended = true;
        let dropped = mem::take(&mut mail.letters);
        drop(mail);
        drop(dropped);
    }

    fn lock(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}

impl fmt::Display for LoopEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the event loop has ended")
    }
}

impl error::Error for LoopEnded {}
