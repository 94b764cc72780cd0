//! Every way a task can end × every way it was held: one report for each failure that nobody observed, and no other.
//!
//! The rule that the numbers follow from. A task *comes to* a value, an error, a panic, or nothing if it is cancelled
//! first. Who awaits or joins it observes all of that; who cancels it and waits observes its output, but no panic; others
//! observe nothing. What goes wrong where nobody could observe it, in a destructor, is a failure of its own.
#![allow(clippy::disallowed_methods, reason = "tests have threads, and guard themselves by the real clock")]

mod network;
#[path = "task_failures/play.rs"]
mod play;

use network::{Network, on_every_engine};

on_every_engine! {
    each_failure_nobody_observed_is_reported_once_and_nothing_else_is,
    a_report_says_which_task_failed_and_how,
}

/// How a task ends, if nothing ends it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Value,
    Ok,
    Error,
    PanicStr,
    PanicString,
    PanicOfNoText,
    /// Its output is fine, but its future panics when it is dropped.
    BadDestructor,
    /// A local of its future panics when it is dropped, and with it the future.
    BadLocal,
    /// Its output is fine, but panics when it is dropped.
    BadOutput,
    /// Its error panics when it is printed.
    BadPrint,
    CancelledBeforeItsFirstPoll,
    Cancelled,
    CancelledWithABadDestructor,
    CancelsItself,
    CancelsItselfAndFails,
    CancelsItselfAndPanics,
    LoopEnds,
    LoopEndsWithABadDestructor,
}

/// Who has the task's handle, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    DetachedAtOnce,
    DetachedAfterItsEnd,
    Awaited,
    AwaitedByReferenceThenDropped,
    AwaitedInVainThenDropped,
    Joined,
    CancelledAndWaitedFor,
    CancelledAfterItsEnd,
    DroppedWhileItRuns,
    DroppedUnread,
    OutlivesTheLoop,
    DroppedElsewhereWhileItRuns,
    DroppedElsewhere,
    AwaitedElsewhere,
    SpawnedElsewhereAndDetached,
    SpawnedElsewhereAndAwaited,
    SpawnedElsewhereAndDropped,
    ChildOfAScope,
}

/// What a task comes to that can go wrong.
#[derive(PartialEq, Eq)]
enum Trouble {
    None,
    Error,
    Panic,
}

/// What the holder of a task gets to know.
#[derive(PartialEq, Eq)]
enum Observed {
    Nothing,
    Output,
    All,
}

impl End {
    const ALL: [Self; 18] = [
        Self::Value,
        Self::Ok,
        Self::Error,
        Self::PanicStr,
        Self::PanicString,
        Self::PanicOfNoText,
        Self::BadDestructor,
        Self::BadLocal,
        Self::BadOutput,
        Self::BadPrint,
        Self::CancelledBeforeItsFirstPoll,
        Self::Cancelled,
        Self::CancelledWithABadDestructor,
        Self::CancelsItself,
        Self::CancelsItselfAndFails,
        Self::CancelsItselfAndPanics,
        Self::LoopEnds,
        Self::LoopEndsWithABadDestructor,
    ];

    fn trouble(self) -> Trouble {
        match self {
            Self::Error | Self::BadPrint | Self::CancelsItselfAndFails => Trouble::Error,
            Self::PanicStr
            | Self::PanicString
            | Self::PanicOfNoText
            | Self::BadLocal
            | Self::CancelsItselfAndPanics => Trouble::Panic,
            _ => Trouble::None,
        }
    }

    fn has_bad_destructor(self) -> bool {
        matches!(
            self,
            Self::BadDestructor | Self::CancelledWithABadDestructor | Self::LoopEndsWithABadDestructor
        )
    }

    /// Whether it does so in its own poll, which it then goes on with to its end.
    fn cancels_itself(self) -> bool {
        matches!(self, Self::CancelsItself | Self::CancelsItselfAndFails | Self::CancelsItselfAndPanics)
    }
}

impl Hold {
    const ALL: [Self; 18] = [
        Self::DetachedAtOnce,
        Self::DetachedAfterItsEnd,
        Self::Awaited,
        Self::AwaitedByReferenceThenDropped,
        Self::AwaitedInVainThenDropped,
        Self::Joined,
        Self::CancelledAndWaitedFor,
        Self::CancelledAfterItsEnd,
        Self::DroppedWhileItRuns,
        Self::DroppedUnread,
        Self::OutlivesTheLoop,
        Self::DroppedElsewhereWhileItRuns,
        Self::DroppedElsewhere,
        Self::AwaitedElsewhere,
        Self::SpawnedElsewhereAndDetached,
        Self::SpawnedElsewhereAndAwaited,
        Self::SpawnedElsewhereAndDropped,
        Self::ChildOfAScope,
    ];

    fn observes(self) -> Observed {
        match self {
            Self::Awaited
            | Self::AwaitedByReferenceThenDropped
            | Self::Joined
            | Self::AwaitedElsewhere
            | Self::SpawnedElsewhereAndAwaited => Observed::All,
            Self::CancelledAndWaitedFor | Self::CancelledAfterItsEnd => Observed::Output,
            _ => Observed::Nothing,
        }
    }

    /// Whether the task is cancelled before it has come to anything.
    fn cancels(self) -> bool {
        matches!(
            self,
            Self::CancelledAndWaitedFor | Self::DroppedWhileItRuns | Self::DroppedElsewhereWhileItRuns
        )
    }

    fn spawns_elsewhere(self) -> bool {
        matches!(
            self,
            Self::SpawnedElsewhereAndDetached
                | Self::SpawnedElsewhereAndAwaited
                | Self::SpawnedElsewhereAndDropped
        )
    }

    /// Whether a task held so can reach what cancels it.
    fn can_cancel_itself(self) -> bool {
        matches!(self, Self::CancelledAndWaitedFor | Self::DroppedWhileItRuns | Self::ChildOfAScope)
    }
}

/// How many failures nobody observes.
fn unobserved(end: End, hold: Hold) -> usize {
    let mut count = usize::from(end.has_bad_destructor());
    if hold.cancels() && !end.cancels_itself() {
        return count;
    }
    count += usize::from(match end.trouble() {
        Trouble::None => false,
        Trouble::Error => hold.observes() == Observed::Nothing,
        Trouble::Panic => hold.observes() != Observed::All,
    });
    // An output that was handed on is its owner's to drop.
    count + usize::from(end == End::BadOutput && hold.observes() == Observed::Nothing)
}

fn each_failure_nobody_observed_is_reported_once_and_nothing_else_is(network: &Network) {
    let (mut played, mut wrong) = (0, Vec::new());
    for end in End::ALL {
        for hold in Hold::ALL {
            if end.cancels_itself() && !hold.can_cancel_itself() {
                continue;
            }
            played += 1;
            let (reports, expected) = (play::play(network, end, hold), unobserved(end, hold));
            if reports.len() != expected {
                wrong.push(format!("{end:?}, {hold:?}: {expected} expected, got {reports:#?}"));
            }
        }
    }
    let impossible = 3 * Hold::ALL.iter().filter(|hold| !hold.can_cancel_itself()).count();
    assert_eq!(played, End::ALL.len() * Hold::ALL.len() - impossible);
    assert!(wrong.is_empty(), "{} of {played}:\n{}", wrong.len(), wrong.join("\n"));
}

fn a_report_says_which_task_failed_and_how(network: &Network) {
    let expected = [
        (End::Error, "failed: trouble"),
        (End::PanicStr, "panicked: a &str"),
        (End::PanicString, "panicked: a String"),
        (End::PanicOfNoText, "panicked: something that is no text"),
        (End::BadDestructor, "panicked when it was dropped: in a destructor"),
        (End::BadOutput, "panicked when its output was dropped: in the output's destructor"),
        (End::BadPrint, "panicked when its error was printed: while it is printed"),
    ];
    for (end, text) in expected {
        // Reported by the loop, by the loop's end, and when there is no loop any more.
        for hold in [Hold::DetachedAtOnce, Hold::DroppedElsewhere, Hold::OutlivesTheLoop] {
            let reports = play::play(network, end, hold);
            let [report] = &reports[..] else { panic!("{end:?}, {hold:?}: {reports:?}") };
            assert!(report.starts_with("task (spawned at ") && report.contains("play.rs:"), "{report}");
            assert!(report.ends_with(text), "{report}");
        }
    }
}
