//! How a server ended.

use switchboard::server::Receipt;

use super::cost::Cost;
use super::desk::Tally;
use crate::stop::Signal;

pub(crate) enum End {
    /// By a signal, in good order; and what it has cost, of a model that counts.
    Drained(Receipt, Option<Cost>),
    /// By a signal, of a server of datagrams.
    Datagrams(Tally),
    /// By a second signal.
    AtOnce(Signal),
}
