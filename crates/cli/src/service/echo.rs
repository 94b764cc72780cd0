//! *echo*: what a client sends goes back to it, up to its end and including it (RFC 862).

use super::{Conversation, Then};

#[derive(Debug)]
pub(super) struct Echo;

impl Conversation for Echo {
    fn hear(&mut self, bytes: &[u8], say: &mut Vec<u8>) -> Then {
        say.extend_from_slice(bytes);
        Then::GoOn
    }
}
