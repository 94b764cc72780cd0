//! A script in place of a person: what it says is sent, and what comes is held against it.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Instant;

use switchboard::{sleep_until, timeout};

use super::exchange::Exchange;
use super::expect::{Next, Run, Script};
use super::traffic::now;
use crate::outlet::PATIENCE;
use crate::stop::first;

/// A script under way.
#[derive(Debug)]
pub(super) struct Scripted {
    run: RefCell<Run>,
    /// Something came since it was last asked.
    news: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Scripted {
    /// It begins now.
    pub(super) fn new(script: Script) -> Self {
        let run = RefCell::new(Run::new(script, now()));
        Self { run, news: Cell::new(false), waiting: RefCell::default() }
    }

    /// The peer has sent something.
    pub(super) fn receive(&self, bytes: &[u8]) {
        self.run.borrow_mut().receive(bytes, now());
        self.wake();
    }

    /// The peer will send nothing more.
    pub(super) fn ended(&self) {
        self.run.borrow_mut().ended(now());
        self.wake();
    }

    fn wake(&self) {
        self.news.set(true);
        let waiting = self.waiting.take();
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    async fn wait(&self, until: Option<Instant>) {
        let late = async {
            match until {
                Some(moment) => sleep_until(moment).await,
                None => std::future::pending().await,
            }
        };
        let news = poll_fn(|cx| {
            if self.news.take() {
                return Poll::Ready(());
            }
            self.waiting.replace(Some(cx.waker().clone()));
            Poll::Pending
        });
        first(news, late).await;
    }
}

impl Exchange<'_> {
    /// Follows the script to its end; or says what went wrong.
    pub(super) async fn follow(&self, script: &Scripted) -> Result<(), String> {
        loop {
            // Let go of before anything is waited for.
            let next = script.run.borrow_mut().next(now());
            match next {
                Next::Send(bytes) => self.say(&bytes).await,
                Next::CloseWrite => self.end_sending().await,
                Next::WaitUntil(moment) => script.wait(moment).await,
                Next::Mismatch(what) => {
                    // What came instead is printed, if somebody reads it.
                    timeout(PATIENCE, self.screen.idle()).await.ok();
                    return Err(what);
                }
                Next::Done => {
                    self.flush().await;
                    return Ok(());
                }
            }
        }
    }
}
