//! What the loop remembers of a callback, and who waits for an operation.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use slotmap::new_key_type;

use super::alarm::{Alarm, Woken};
use super::timers::Timer;
use super::{Completion, EventLoop};
use crate::engine::{Direction, Socket, Ticket};

new_key_type! {
    /// The name of a callback, to cancel it by. Stale once it has run for the last time or was cancelled.
    pub struct Callback;
}

pub(super) type Once = Box<dyn FnOnce(&EventLoop)>;

/// A callback.
pub(super) enum Row {
    /// Ready, and in the queue.
    Once(Once),
    /// To be ready when its time comes.
    Timer(Timer, Once),
    /// To be woken when its time comes.
    Sleep(Timer, Waker),
    /// Called whenever it was woken.
    Alarm(Arc<Alarm>, Rc<dyn Woken>),
    /// Called again and again.
    Watch(Watch),
}

/// Who waits for an operation.
pub(super) enum Waiter {
    Completion(Rc<dyn Completion>),
    Watch(Callback),
    /// Takes the outcome itself.
    Waker(Waker),
}

/// A callback to be called again and again.
pub(super) struct Watch {
    pub(super) what: What,
    /// Away while it is being called.
    pub(super) callback: Option<Repeated>,
    /// The operation it waits for.
    pub(super) ticket: Option<Ticket>,
}

pub(super) type Repeated = Box<dyn FnMut(&EventLoop, io::Result<u64>)>;

#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    Ready(Socket, Direction),
    Signal(i32),
}

impl Row {
    pub(super) fn set_timer(&mut self, timer: Timer) {
        self.replace(|once| Self::Timer(timer, once));
    }

    pub(super) fn timer_is_over(&mut self) {
        self.replace(Self::Once);
    }

    fn replace(&mut self, wrap: impl FnOnce(Once) -> Self) {
        let old = std::mem::replace(self, Self::Once(Box::new(|_| {})));
        *self = match old {
            Self::Once(once) | Self::Timer(_, once) => wrap(once),
            other => other,
        };
    }
}
