//! One load, from its beginning to its end, as the main thread sees it: second by second, and with an ear for signals.

use std::sync::Arc;

use super::crew::Crew;
use super::page::Second;
use super::plan::Plan;
use super::progress::Progress;
use super::tally::Tally;
use crate::error::Error;
use crate::stop::{First, Signal, Signals, first};

/// What was seen of a load.
pub(super) struct Watched {
    pub(super) tally: Tally,
    pub(super) seconds: Vec<Second>,
    /// The signal before which it did not come to its end.
    pub(super) interrupted: Option<Signal>,
}

/// Puts a load on and watches it. `Err` within is a second signal: nobody waits for what there was.
pub(super) async fn watch(
    plan: Plan,
    signals: &mut Signals,
    progress: &Progress,
) -> Result<Result<Watched, Signal>, Error> {
    let mut crew = Crew::start(&Arc::new(plan))?;
    let (mut seconds, mut interrupted) = (Vec::new(), None);
    loop {
        match first(signals.next(), crew.next()).await {
            First::One(signal) if interrupted.is_some() => return Ok(Err(signal)),
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
    let tally = crew.join()?;
    Ok(Ok(Watched { tally, seconds, interrupted }))
}
