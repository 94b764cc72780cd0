//! One load, from its beginning to its end, as the main thread sees it: second by second, and with an ear for signals.

use std::sync::Arc;

use super::crew::Crew;
use super::plan::Plan;
use super::progress::Progress;
use super::second::Second;
use super::tally::Tally;
use crate::error::Error;
use crate::stop::{First, Signal, Signals, first};

/// How a load ended.
pub(super) enum Ending {
    /// As it was meant to, or by a signal, with what there was until then, and how it went.
    Told(Tally, Vec<Second>, Option<Signal>),
    /// By a second signal: nobody waits for what there was.
    AtOnce(Signal),
}

/// Puts a load on and watches it.
pub(super) async fn watch(
    plan: Plan,
    signals: &mut Signals,
    progress: &mut Progress,
) -> Result<Ending, Error> {
    let mut crew = Crew::start(&Arc::new(plan))?;
    let (mut seconds, mut interrupted) = (Vec::new(), None);
    loop {
        match first(signals.next(), crew.next()).await {
            First::One(signal) if interrupted.is_some() => return Ok(Ending::AtOnce(signal)),
            First::One(signal) => {
                crew.stop();
                interrupted = Some(signal);
            }
            First::Other(Some(interval)) => {
                progress.show(&interval);
                Second::follow(&mut seconds, &interval);
            }
            First::Other(None) => break,
        }
    }
    progress.clear();
    crew.join().map(|tally| Ending::Told(tally, seconds, interrupted))
}
