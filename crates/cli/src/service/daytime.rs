//! *daytime*: the date and time in words, and the end (RFC 867). In UTC: `Saturday, November 21, 2026 11:08:32-UTC`.

use time::OffsetDateTime;

use super::{Conversation, Then, TimeOfDay};

#[derive(Debug)]
pub(super) struct Daytime(pub(super) TimeOfDay);

impl Conversation for Daytime {
    fn open(&mut self, say: &mut Vec<u8>) -> Then {
        say.extend_from_slice(words(self.0.read().into()).as_bytes());
        Then::HangUp
    }

    fn hear(&mut self, _: &[u8], _: &mut Vec<u8>) -> Then {
        Then::GoOn
    }
}

/// The first of the two forms that the RFC proposes.
fn words(now: OffsetDateTime) -> String {
    let (hour, minute, second) = now.to_hms();
    let (weekday, month, day, year) = (now.weekday(), now.month(), now.day(), now.year());
    format!("{weekday}, {month} {day}, {year} {hour:02}:{minute:02}:{second:02}-UTC\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_told_in_words() {
        for (seconds, told) in [
            (0, "Thursday, January 1, 1970 00:00:00-UTC\r\n"),
            (951_782_399, "Monday, February 28, 2000 23:59:59-UTC\r\n"),
            (1_795_259_312, "Saturday, November 21, 2026 11:08:32-UTC\r\n"),
        ] {
            assert_eq!(words(OffsetDateTime::from_unix_timestamp(seconds).unwrap()), told);
        }
    }
}
