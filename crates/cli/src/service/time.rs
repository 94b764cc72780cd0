//! *time*: the seconds since 1900 as 32 bits, the most significant byte first, and the end (RFC 868). They overflow in
//! 2036, and begin again at zero, as the protocol has it.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{Conversation, Then, TimeOfDay};

#[derive(Debug)]
pub(super) struct Time(pub(super) TimeOfDay);

impl Conversation for Time {
    fn open(&mut self, say: &mut Vec<u8>) -> Then {
        say.extend_from_slice(&seconds(self.0.read()).to_be_bytes());
        Then::HangUp
    }

    fn hear(&mut self, _: &[u8], _: &mut Vec<u8>) -> Then {
        Then::GoOn
    }
}

fn seconds(now: SystemTime) -> u32 {
    let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let low = (since_1970 + FROM_1900_TO_1970) & u64::from(u32::MAX);
    u32::try_from(low).unwrap_or_default()
}

/// Seconds, as the RFC has it.
const FROM_1900_TO_1970: u64 = 2_208_988_800;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn seconds_are_those_of_the_rfc() {
        for (since_1970, since_1900) in
            [(0, 2_208_988_800), (14_182_940 + 189_302_400, 2_412_474_140), (2_085_978_496, 0)]
        {
            assert_eq!(seconds(UNIX_EPOCH + Duration::from_secs(since_1970)), since_1900);
        }
    }
}
