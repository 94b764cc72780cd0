//! What has to hold in every simulation, whatever goes wrong in it: each invariant in a sentence, and how it is judged.
//!
//! What a client hears is judged as it comes ([`Expected`](super::expected::Expected)), and its ends as it meets them; the rest is
//! judged here, at the end, from what was noted. A fault explains only what it can have brought about, and only so often as it
//! was injected: a connection may end early for each reset, and nothing may ever be wrong in it before that.

use std::fmt;

use switchboard::server::{Receipt, Why as Cancelled};
use switchboard::sim::{Failed, Fault, Injected, Report, Why};

use super::notes::Notes;
use super::options::Options;
use crate::faults::Cut;
use crate::serve::end::End;
use crate::service::Service;
use crate::session::BOUND;

/// Something that has to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Invariant {
    Content,
    Lost,
    Duplicated,
    Cut,
    Silent,
    Open,
    Refused,
    Receipt,
    Bound,
    Task,
    Reported,
    Hang,
    Failed,
    Repeatable,
}

impl Invariant {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Lost => "lost",
            Self::Duplicated => "duplicated",
            Self::Cut => "cut",
            Self::Silent => "silent",
            Self::Open => "open",
            Self::Refused => "refused",
            Self::Receipt => "receipt",
            Self::Bound => "bound",
            Self::Task => "task",
            Self::Reported => "reported",
            Self::Hang => "hang",
            Self::Failed => "failed",
            Self::Repeatable => "repeatable",
        }
    }

    /// What has to hold.
    pub(crate) fn statement(self) -> &'static str {
        match self {
            Self::Content => "every byte of an answer is the right one",
            Self::Lost => "no byte is lost or overtaken by another",
            Self::Duplicated => "no byte comes twice, and none that nobody said",
            Self::Cut => "a conversation is cut off only by a reset or an abort that was injected",
            Self::Silent => "whoever waits is answered, and whoever has ended is hung up on",
            Self::Open => {
                "a connection is closed when its client has gone, and every one when the server has ended"
            }
            Self::Refused => "a server that listens refuses nobody",
            Self::Receipt => "the receipt adds up, and agrees with who came and what was said",
            Self::Bound => "what waits to be sent in a session is bounded",
            Self::Task => "no task is left behind when the server has ended",
            Self::Reported => "every failure of a connection is reported, once",
            Self::Hang => "it comes to an end",
            Self::Failed => "no program fails or panics",
            Self::Repeatable => "the same seed does the same",
        }
    }
}

/// An invariant that did not hold, and what was seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) invariant: Invariant,
    pub(crate) what: String,
}

impl Broken {
    pub(crate) fn new(invariant: Invariant, what: impl Into<String>) -> Self {
        Self { invariant, what: what.into() }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant.name(), self.what)
    }
}

/// All that did not hold, from what was noted and how the simulation ended.
pub(super) fn judge(
    options: &Options,
    notes: &Notes,
    ended: &Result<Report, Failed>,
    injected: &Injected,
) -> Vec<Broken> {
    let mut all = notes.broken.clone();
    let report = match ended {
        Ok(report) => report,
        Err(failed) => {
            all.push(of_failure(failed));
            return all;
        }
    };
    all.extend(cut_off(notes, injected));
    if !report.is_repeatable {
        all.push(Broken::new(Invariant::Repeatable, "another thread has woken somebody"));
    }
    let receipt = match &notes.end {
        // By two signals, of which one was injected: nobody is taken leave of.
        Some(Ok(End::AtOnce(_))) if injected.count(Fault::Signal) > 0 => return all,
        Some(Ok(End::Drained(receipt, _))) => receipt,
        Some(Ok(_)) => {
            all.push(Broken::new(Invariant::Receipt, "the server ended at once, and nobody had told it to"));
            return all;
        }
        Some(Err(error)) => {
            all.push(Broken::new(Invariant::Failed, format!("the server: {error}")));
            return all;
        }
        None => {
            all.push(Broken::new(Invariant::Failed, "the server ended without a word"));
            return all;
        }
    };
    let left = report.open.iter().filter(|(host, _)| host == super::world::SERVER);
    let left: Vec<_> = left.map(|(_, what)| what.as_str()).collect();
    if !left.is_empty() {
        all.push(Broken::new(Invariant::Open, list("left open by the server", &left)));
    }
    if !notes.tasks.is_empty() {
        let tasks: Vec<_> = notes.tasks.iter().map(String::as_str).collect();
        all.push(Broken::new(Invariant::Task, list("left behind by the server", &tasks)));
    }
    all.extend(kept(options, receipt, injected));
    all.extend(books(options, notes, receipt, injected));
    let failures = report.failures.iter().filter(|(host, _)| host == super::world::SERVER).count() as u64;
    let reported = failures + notes.logged;
    if reported != receipt.failed {
        let failed = receipt.failed;
        all.push(Broken::new(
            Invariant::Reported,
            format!("{failed} have failed, and {reported} were reported"),
        ));
    }
    let most = most_waiting(options);
    if notes.waiting > most {
        let waiting = notes.waiting;
        all.push(Broken::new(
            Invariant::Bound,
            format!("{waiting} bytes waited in a session, and {most} may"),
        ));
    }
    all
}

/// Whether those who were cut off were cut off for a reason.
fn cut_off(notes: &Notes, injected: &Injected) -> Option<Broken> {
    // Who is served at the end of the grace period is cut off.
    if injected.count(Fault::Signal) > 0 {
        return None;
    }
    let reasons = injected.count(Fault::Reset) + injected.count(Fault::Aborted);
    let cut: Vec<_> = notes.cut.iter().map(String::as_str).collect();
    let what = format!("{} were cut off, and {reasons} resets and aborts were injected", cut.len());
    (cut.len() as u64 > reasons).then(|| Broken::new(Invariant::Cut, list(&what, &cut)))
}

/// Whether the server kept connections of clients who had gone, until it was told to end and its grace was over.
fn kept(options: &Options, receipt: &Receipt, injected: &Injected) -> Option<Broken> {
    let cut_off: Vec<_> = receipt.left.iter().filter(|left| left.why == Cancelled::Drain).collect();
    let strangers = strangers(injected);
    let is_told_early = injected.count(Fault::Signal) > 0;
    if is_told_early || !options.is_prompt() || cut_off.len() as u64 <= strangers {
        return None;
    }
    let what = format!("{} were cut off at the end, and only {strangers} strangers had come", cut_off.len());
    let cut_off: Vec<_> = cut_off.iter().map(ToString::to_string).collect();
    let cut_off: Vec<_> = cut_off.iter().map(String::as_str).collect();
    Some(Broken::new(Invariant::Open, list(&what, &cut_off)))
}

/// How many came that nobody has written.
fn strangers(injected: &Injected) -> u64 {
    [Fault::Early, Fault::Late, Fault::Half].map(|fault| injected.count(fault)).iter().sum()
}

/// Whether the receipt adds up, and agrees with what clients have seen.
fn books(options: &Options, notes: &Notes, receipt: &Receipt, injected: &Injected) -> Option<Broken> {
    let Receipt { accepted, finished, failed, cancelled, lost, sent, received, .. } = *receipt;
    let strangers = strangers(injected);
    let Notes { attempts, connected, failures, .. } = *notes;
    // A server that was told to end early refuses those who come then; and who is cut off may have sent for nothing.
    let came = if injected.count(Fault::Signal) > 0 { 0 } else { connected };
    let wrong = if accepted != finished + failed + cancelled {
        format!("{accepted} accepted, and {finished} + {failed} + {cancelled} left")
    } else if accepted + lost < came {
        format!("{accepted} accepted and {lost} lost of {connected} who were connected")
    } else if accepted > attempts + strangers {
        format!("{accepted} accepted, and only {attempts} and {strangers} strangers tried")
    } else if failed < failures {
        format!("{failed} failed, and {failures} were to")
    } else if options.limit().is_some_and(|limit| receipt.most_at_once > limit) {
        format!("{} at once, and the limit is {}", receipt.most_at_once, options.limit().unwrap_or_default())
    } else if received > notes.said {
        format!("{received} bytes received, and only {} said", notes.said)
    } else if received < notes.delivered {
        format!("{received} bytes received, and {} were said and their end was heard", notes.delivered)
    } else if sent < notes.heard {
        format!("{sent} bytes sent, and {} heard", notes.heard)
    } else {
        return None;
    };
    Some(Broken::new(Invariant::Receipt, wrong))
}

fn of_failure(failed: &Failed) -> Broken {
    let invariant = match &failed.why {
        Why::Deadlock(_) | Why::TooLong(_) => Invariant::Hang,
        _ => Invariant::Failed,
    };
    // The seed is told by whoever tells this.
    let text = failed.to_string();
    let what = text.split_once(", ").map_or(text.as_str(), |(_, what)| what);
    Broken::new(invariant, what)
}

/// How much may wait in a session: the bound, and what one receive may add to it.
fn most_waiting(options: &Options) -> usize {
    let read = options.server.read_size;
    let added = match options.server.service {
        // Every byte may be an empty line, and a line that is complete may be one of 64 KiB.
        Service::Line => read * "Echo: \r\n".len() + (64 << 10) + 64,
        // `ΐ` has two bytes, and its capital six.
        Service::Upper => read * 3 + 16,
        Service::Echo | Service::Boom => read,
        Service::Discard | Service::Hello | Service::Daytime | Service::Time => 64,
        Service::Chargen => 8 << 10,
    };
    BOUND + added + options.server.greeting.len()
}

/// The faults of the server itself that end a conversation: whether they explain this end, after so many bytes.
pub(super) fn is_as_asked(cut: Option<Cut>, heard: u64, is_reset: bool) -> bool {
    match cut {
        Some(Cut { after, reset: false }) => !is_reset && heard == after,
        Some(Cut { after, reset: true }) => heard <= after,
        None => false,
    }
}

/// A few of a list.
fn list(what: &str, of: &[&str]) -> String {
    let first = of.iter().take(MOST_TOLD).copied().collect::<Vec<_>>().join("; ");
    let more = of.len().saturating_sub(MOST_TOLD);
    if more == 0 { format!("{what}: {first}") } else { format!("{what}: {first}; and {more} more") }
}

const MOST_TOLD: usize = 5;
