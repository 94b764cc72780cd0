//! *hello*: says hello and hangs up, whatever the client does.

use super::{Conversation, Then};

#[derive(Debug)]
pub(super) struct Hello;

impl Conversation for Hello {
    fn open(&mut self, say: &mut Vec<u8>) -> Then {
        say.extend_from_slice(b"Hello from server!\r\n");
        Then::HangUp
    }

    fn hear(&mut self, _: &[u8], _: &mut Vec<u8>) -> Then {
        Then::GoOn
    }
}
