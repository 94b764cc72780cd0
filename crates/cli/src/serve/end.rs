//! How a server ended.

use switchboard::server::Receipt;

use super::cost::Cost;
use crate::stop::Signal;

pub(crate) enum End {
    /// By a signal, in good order; and what it has cost, of a model that counts.
    Drained(Receipt, Option<Cost>),
    /// By a second signal.
    AtOnce(Signal),
}
