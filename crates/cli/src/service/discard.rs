//! *discard*: hears what a client sends, and throws it away (RFC 863).

use super::{Conversation, Then};

#[derive(Debug)]
pub(super) struct Discard;

impl Conversation for Discard {
    fn hear(&mut self, _: &[u8], _: &mut Vec<u8>) -> Then {
        Then::GoOn
    }
}
