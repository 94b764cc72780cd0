//! The operations in flight: a row each, named by its ticket.
//!
//! A row keeps its operation until somebody takes the outcome, so that a finished operation can be made
//! to wait again when an older one of its lane is cancelled and leaves it what it had been given.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use slotmap::SlotMap;

use super::lane::{Arrival, Lane};
use super::{Done, Failed, Op, Ticket, discard_payload};

/// All operations in flight of one engine.
#[derive(Default)]
pub(super) struct Operations {
    rows: SlotMap<Ticket, Row>,
    /// Finished since the last wait.
    news: Vec<Ticket>,
}

/// One operation.
pub(super) struct Row {
    pub(super) op: Op,
    /// Set when it is finished.
    pub(super) outcome: Option<io::Result<Done>>,
    /// Cancelled, but its effect was promised: it ends without telling.
    abandoned: bool,
    /// Its ticket is or was in `news`, and is not to be there twice.
    told: bool,
}

impl Operations {
    pub(super) fn insert(&mut self, op: Op) -> Ticket {
        self.rows.insert(Row { op, outcome: None, abandoned: false, told: false })
    }

    pub(super) fn row(&mut self, ticket: Ticket) -> Option<&mut Row> {
        self.rows.get_mut(ticket)
    }

    /// An operation that has not finished, and that somebody waits for.
    pub(super) fn pending(&self, ticket: Ticket) -> Option<&Op> {
        let row = self.rows.get(ticket).filter(|row| row.outcome.is_none() && !row.abandoned)?;
        Some(&row.op)
    }

    /// Whether a wait would find something finished.
    pub(super) fn have_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// Moves the tickets of what finished since the last call.
    pub(super) fn tell(&mut self, finished: &mut Vec<Ticket>) {
        // What was cancelled since it finished is not told of.
        finished.extend(self.news.drain(..).filter(|&ticket| self.rows.contains_key(ticket)));
    }

    /// Finishes an operation of a lane whose front it has left. Of an abandoned one, a failure comes back.
    pub(super) fn finish(
        &mut self,
        ticket: Ticket,
        outcome: io::Result<Done>,
        lane: &mut Lane,
    ) -> Option<io::Error> {
        let failed = outcome.is_err();
        if self.finish_alone(ticket, outcome)? {
            if failed || self.rows[ticket].op.takes() {
                lane.settled.push_back(ticket);
            }
            None
        } else {
            self.rows.remove(ticket)?.outcome?.err()
        }
    }

    /// Finishes an operation that is on no lane. Whether anybody waits for it; `None` for a stale ticket.
    pub(super) fn finish_alone(&mut self, ticket: Ticket, outcome: io::Result<Done>) -> Option<bool> {
        let Some(row) = self.rows.get_mut(ticket) else {
            discard(outcome);
            return None;
        };
        row.outcome = Some(outcome);
        if !row.abandoned && !row.told {
            row.told = true;
            self.news.push(ticket);
        }
        Some(!row.abandoned)
    }

    /// Takes a finished row out, for `Engine::take`.
    pub(super) fn take(&mut self, ticket: Ticket) -> Result<(Op, io::Result<Done>), Failed> {
        let Some(row) = self.rows.get_mut(ticket).filter(|row| !row.abandoned) else {
            return Err(Failed { error: stale_ticket(), op: None });
        };
        let Some(outcome) = row.outcome.take() else {
            return Err(Failed { error: io::ErrorKind::WouldBlock.into(), op: None });
        };
        let row = self.rows.remove(ticket).expect("the row was found two lines above");
        Ok((row.op, outcome))
    }

    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<Row> {
        self.rows.remove(ticket)
    }

    /// Gives up a waiting operation. Whether it goes on without its caller.
    pub(super) fn abandon(&mut self, ticket: Ticket) -> bool {
        match self.rows.get_mut(ticket) {
            Some(row) if row.op.outlives_its_caller() => {
                row.abandoned = true;
                true
            }
            _ => {
                self.rows.remove(ticket);
                false
            }
        }
    }

    /// Cancels a finished, untaken operation of a lane: what it and the younger finished ones were given goes
    /// back, in order, and the younger ones wait again at the front, to be served anew from it.
    pub(super) fn rewind(&mut self, ticket: Ticket, lane: &mut Lane) {
        let Some(at) = lane.settled.iter().position(|&other| other == ticket) else {
            // It took nothing.
            self.rows.remove(ticket);
            return;
        };
        let mut back = Vec::new();
        let mut again = Vec::new();
        for other in lane.settled.split_off(at) {
            let Some(row) = self.rows.get_mut(other) else { continue };
            // If nothing goes back, there is nothing the younger ones could be served anew from.
            if other != ticket && (!row.op.takes() || back.is_empty()) {
                lane.settled.push_back(other);
                continue;
            }
            if let Some(outcome) = row.outcome.take() {
                back.extend(Arrival::from_outcome(&row.op, outcome));
            }
            if other != ticket {
                again.push(other);
            }
        }
        lane.put_back(back);
        for other in again.into_iter().rev() {
            lane.waiting.push_front(other);
        }
        self.rows.remove(ticket);
    }
}

/// Drops what nobody wants any more. There may be a user's value in it, and should dropping that panic, it has
/// been said (by the panic hook) and ends nothing else.
pub(super) fn discard<T>(unwanted: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(unwanted))) {
        discard_payload(panic);
    }
}

/// The error of a ticket that was taken or cancelled.
fn stale_ticket() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "no such operation: its ticket was taken or cancelled")
}
