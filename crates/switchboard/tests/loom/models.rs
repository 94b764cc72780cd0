//! The models. The loop in each is what `run` and `turn` do with the inbox: sleep if there is no mail, then take it.

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::alarm::Alarm;
use crate::inbox::Inbox;
use crate::{Bell, Callback, SharedInbox};

/// A letter that counts how often it is dropped, wherever that is.
pub(crate) struct Letter {
    number: usize,
    dropped: Arc<AtomicUsize>,
}

impl Drop for Letter {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs a model with every way to interrupt its threads three times (going to sleep is no interruption). Without a bound
/// the largest would run for minutes.
fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(body);
}

/// One pass as far as the inbox is concerned: it never sleeps with mail in the box.
fn pass<L, N>(inbox: &Inbox<L, N>, bell: &Bell) -> (Vec<L>, Vec<N>) {
    if !inbox.has_mail() {
        bell.wait();
    }
    if inbox.has_mail() { inbox.take() } else { (Vec::new(), Vec::new()) }
}

#[test]
fn c6_letters_and_wakes_of_two_threads_all_arrive_in_order() {
    model(|| {
        let bell = Bell::new();
        let inbox: Arc<Inbox<u32, u32>> = Arc::new(Inbox::new(bell.clone()));
        let writers = [0, 10].map(|from| {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || {
                inbox.post(from).unwrap();
                inbox.wake(from + 1);
            })
        });
        let (mut letters, mut woken) = (Vec::new(), Vec::new());
        while letters.len() + woken.len() < 4 {
            let (more_letters, more_woken) = pass(&inbox, &bell);
            letters.extend(more_letters);
            woken.extend(more_woken);
        }
        letters.sort_unstable();
        woken.sort_unstable();
        assert_eq!((letters, woken), (vec![0, 10], vec![1, 11]));
        assert!(!inbox.has_mail());
        for writer in writers {
            writer.join().unwrap();
        }
    });
}

#[test]
fn letters_of_one_thread_arrive_in_order_one_after_another() {
    model(|| {
        let bell = Bell::new();
        let inbox: Arc<Inbox<u32, u32>> = Arc::new(Inbox::new(bell.clone()));
        let writer = {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || (0..2).for_each(|letter| inbox.post(letter).unwrap()))
        };
        let mut letters = Vec::new();
        while letters.len() < 2 {
            letters.extend(pass(&inbox, &bell).0);
        }
        assert_eq!(letters, [0, 1]);
        writer.join().unwrap();
    });
}

/// Each thread writes, then wakes. Whichever wake is heard, or was heard by an earlier one's flag: some run that comes
/// after sees what was written. If none did, the loop would sleep for ever.
#[test]
fn c1_c2_what_was_written_before_a_wake_is_seen_by_a_run_after_it() {
    model(|| {
        let bell = Bell::new();
        let inbox: Arc<SharedInbox> = Arc::new(Inbox::new(bell.clone()));
        let alarm = Alarm::new(&inbox, NAME);
        let written = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let wakers = written.clone().map(|written| {
            let waker = alarm.waker();
            thread::spawn(move || {
                written.store(1, Ordering::Relaxed);
                waker.wake();
            })
        });
        let seen = || written.iter().all(|written| written.load(Ordering::Relaxed) == 1);
        let mut is_seen = false;
        while !is_seen {
            let (_, woken) = pass(&inbox, &bell);
            assert!(woken.len() <= 1, "queued again before it ran");
            for name in woken {
                assert_eq!(name, NAME);
                alarm.rearm();
                is_seen = seen();
            }
        }
        for waker in wakers {
            waker.join().unwrap();
        }
    });
}

/// One thread wakes twice, as a task that is woken while it runs: what came before the second wake is seen as well.
#[test]
fn c1_a_wake_during_the_run_leads_to_another() {
    model(|| {
        let bell = Bell::new();
        let inbox: Arc<SharedInbox> = Arc::new(Inbox::new(bell.clone()));
        let alarm = Alarm::new(&inbox, NAME);
        let written = Arc::new(AtomicUsize::new(0));
        let waker = {
            let (waker, written) = (alarm.waker(), Arc::clone(&written));
            thread::spawn(move || {
                for number in 1..=2 {
                    written.store(number, Ordering::Relaxed);
                    waker.wake_by_ref();
                }
            })
        };
        let mut seen = 0;
        while seen < 2 {
            for _ in pass(&inbox, &bell).1 {
                alarm.rearm();
                seen = written.load(Ordering::Relaxed);
            }
        }
        waker.join().unwrap();
    });
}

#[test]
fn c3_a_wake_and_a_letter_against_the_end_of_the_loop_are_harmless() {
    model(|| {
        let bell = Bell::new();
        let inbox: Arc<SharedInbox> = Arc::new(Inbox::new(bell.clone()));
        let alarm = Alarm::new(&inbox, NAME);
        let dropped = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let writer = {
            let (inbox, waker, dropped) = (Arc::clone(&inbox), alarm.waker(), dropped.clone());
            thread::spawn(move || {
                let mut came_back = Vec::new();
                for (number, dropped) in dropped.into_iter().enumerate() {
                    waker.wake_by_ref();
                    came_back.extend(inbox.post(Letter { number, dropped }).err());
                }
                came_back.iter().map(|letter| letter.number).collect::<Vec<_>>()
            })
        };
        let mut arrived = Vec::new();
        if inbox.has_mail() {
            arrived.extend(inbox.take().0);
        }
        arrived.extend(inbox.end().0);
        let mut all: Vec<_> = arrived.iter().map(|letter| letter.number).collect();
        drop(arrived);
        all.extend(writer.join().unwrap());
        assert_eq!(all, [0, 1], "arrived or came back, and nothing arrives after the end");
        for dropped in dropped {
            assert_eq!(dropped.load(Ordering::Relaxed), 1);
        }
        alarm.waker().wake();
        let (letters, woken) = inbox.take();
        assert!(letters.is_empty() && woken.is_empty());
    });
}

/// Two handles are dropped while the loop decides whether it may sleep: it ends, and does not end before.
#[test]
fn the_last_handle_wakes_a_loop_that_sleeps() {
    model(|| {
        let bell = Bell::new();
        let inbox: Arc<Inbox<u32, u32>> = Arc::new(Inbox::new(bell.clone()));
        let gone = Arc::new(AtomicUsize::new(0));
        let holders = [(); 2].map(|()| {
            inbox.add_handle();
            let (inbox, gone) = (Arc::clone(&inbox), Arc::clone(&gone));
            thread::spawn(move || {
                gone.fetch_add(1, Ordering::Relaxed);
                inbox.remove_handle();
            })
        });
        while inbox.has_handles() {
            bell.wait();
        }
        assert_eq!(gone.load(Ordering::Relaxed), 2);
        for holder in holders {
            holder.join().unwrap();
        }
    });
}

/// A letter posted by the last handle just before it goes is not left behind.
#[test]
fn a_letter_of_the_last_handle_arrives() {
    model(|| {
        let bell = Bell::new();
        let inbox: Arc<Inbox<u32, u32>> = Arc::new(Inbox::new(bell.clone()));
        inbox.add_handle();
        let holder = {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || {
                inbox.post(7).unwrap();
                inbox.remove_handle();
            })
        };
        let mut letters = Vec::new();
        while inbox.has_handles() || inbox.has_mail() {
            letters.extend(pass(&inbox, &bell).0);
        }
        assert_eq!(letters, [7]);
        holder.join().unwrap();
    });
}

const NAME: Callback = 5;
