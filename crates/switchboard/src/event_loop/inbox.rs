//! The inbox: what other threads want of a loop.
//!
//! The bell is rung by whoever puts the first thing into an empty box; the loop empties the whole box at
//! once. So a letter is either seen by the emptying or finds the box empty and rings: none is lost, and a
//! thousand letters ring once. User values are made and dropped outside the lock. `tests/loom` runs this very
//! file in every order of events there is, with loom's locks for those of `sync`.

use std::mem;

use super::Bell;
use super::sync::{AtomicBool, Mutex, MutexGuard, Ordering, PoisonError};

/// Letters `L`, and the names `N` of those who were woken.
pub(super) struct Inbox<L, N> {
    mail: Mutex<Mail<L, N>>,
    /// Whether there is mail, to be asked without the lock. Changes under it. Read too early, it is read
    /// again after the bell.
    has_mail: AtomicBool,
    bell: Bell,
}

/// What an inbox holds.
pub(super) struct Mail<L, N> {
    pub(super) letters: Vec<L>,
    pub(super) woken: Vec<N>,
    handles: usize,
    ended: bool,
}

impl<L, N> Inbox<L, N> {
    /// An inbox that rings this bell.
    pub(super) fn new(bell: Bell) -> Self {
        let mail = Mail { letters: Vec::new(), woken: Vec::new(), handles: 0, ended: false };
        Self { mail: Mutex::new(mail), has_mail: AtomicBool::new(false), bell }
    }

    /// Puts a letter in. It comes back when the loop has ended.
    pub(super) fn post(&self, letter: L) -> Result<(), L> {
        self.put(letter, |mail, letter| mail.letters.push(letter))
    }

    /// Puts the name of somebody in who was woken. Once the loop has ended, nobody can be.
    pub(super) fn wake(&self, name: N) {
        self.put(name, |mail, name| mail.woken.push(name)).ok();
    }

    fn put<T>(&self, thing: T, push: impl FnOnce(&mut Mail<L, N>, T)) -> Result<(), T> {
        let mut mail = self.lock();
        if mail.ended {
            return Err(thing);
        }
        let first = mail.letters.is_empty() && mail.woken.is_empty();
        push(&mut mail, thing);
        self.has_mail.store(true, Ordering::Release);
        drop(mail);
        if first {
            self.bell.ring();
        }
        Ok(())
    }

    /// Empties it.
    pub(super) fn take(&self) -> (Vec<L>, Vec<N>) {
        let mut mail = self.lock();
        self.has_mail.store(false, Ordering::Release);
        mail.take()
    }

    pub(super) fn has_mail(&self) -> bool {
        self.has_mail.load(Ordering::Acquire)
    }

    /// Refuses mail from here on, and hands back what was there.
    pub(super) fn end(&self) -> (Vec<L>, Vec<N>) {
        let mut mail = self.lock();
        mail.ended = true;
        mail.take()
    }

    /// Counts somebody who will want to be waited for.
    pub(super) fn add_handle(&self) {
        self.lock().handles += 1;
    }

    /// The last one lets the loop end, which it has to wake up for.
    pub(super) fn remove_handle(&self) {
        let mut mail = self.lock();
        mail.handles -= 1;
        let last = mail.handles == 0;
        drop(mail);
        if last {
            self.bell.ring();
        }
    }

    /// Whether anybody is to be waited for.
    pub(super) fn has_handles(&self) -> bool {
        self.lock().handles > 0
    }

    fn lock(&self) -> MutexGuard<'_, Mail<L, N>> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L, N> Mail<L, N> {
    fn take(&mut self) -> (Vec<L>, Vec<N>) {
        (mem::take(&mut self.letters), mem::take(&mut self.woken))
    }
}
