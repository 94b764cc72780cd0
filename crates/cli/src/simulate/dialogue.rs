//! What clients say in a simulation, and what each service has to answer to it, byte by byte.
//!
//! The answers are stated here once more, from what the services promise and without their code: who computes what is right
//! from what is to be checked finds nothing. What is said is a function of the client and of the number of the message, and
//! no two messages that are long enough are the same, so that a lost or repeated one is seen.

use std::io::Write;

use crate::service::Service;

/// How clients of one service talk.
#[derive(Debug, Clone)]
pub(super) struct Dialogue {
    pub(super) service: Service,
    pub(super) greeting: Vec<u8>,
    /// Of a message, bytes.
    pub(super) size: usize,
}

/// How a conversation with a service goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// Each message has its answer, and the client's end is the end.
    Answered,
    /// Nothing is ever answered, and the client's end is the end.
    Silent,
    /// The service says something and hangs up: each message is a visit of its own.
    Visit,
    /// The service talks until the client leaves.
    Endless,
}

impl Dialogue {
    pub(super) fn course(&self) -> Course {
        match self.service {
            Service::Echo | Service::Upper | Service::Line | Service::Boom => Course::Answered,
            Service::Discard => Course::Silent,
            Service::Hello | Service::Daytime | Service::Time => Course::Visit,
            Service::Chargen => Course::Endless,
        }
    }

    /// What that client says as its message of that number: a line.
    pub(super) fn message(&self, client: usize, number: usize, into: &mut Vec<u8>) {
        let begin = into.len();
        let (text, end) = (self.size.saturating_sub(self.line_end(number).len()), self.line_end(number));
        // It may be too long for a short message, of which it is the beginning then.
        write!(into, "{client}.{number} ").expect("a vector takes everything");
        into.truncate(begin + text);
        // What follows looks the same nowhere else (Knuth's multiplicative hashing).
        let mut state = client as u64 ^ ((number as u64) << 20);
        while into.len() < begin + text {
            state = state.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let letter = (state >> 59) as u8;
            match letter {
                0..26 => into.push(b'a' + letter),
                26 if into.len() + 2 <= begin + text => into.extend_from_slice(SHARP_S.as_bytes()),
                _ => into.push(b'-'),
            }
        }
        into.extend_from_slice(end);
    }

    /// What the service says before it has heard anything.
    pub(super) fn opening(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.greeting);
        match self.service {
            Service::Line => into.extend_from_slice(b"Welcome! Every line you send comes back.\r\n"),
            Service::Hello => into.extend_from_slice(b"Hello from server!\r\n"),
            Service::Daytime => into.extend_from_slice(b"Saturday, January 1, 2000 00:00:00-UTC\r\n"),
            Service::Time => into.extend_from_slice(&3_155_673_600_u32.to_be_bytes()),
            Service::Echo | Service::Upper | Service::Discard | Service::Chargen | Service::Boom => {}
        }
    }

    /// What it answers to that message. Of an endless service: its line of that number.
    pub(super) fn answer(&self, client: usize, number: usize, into: &mut Vec<u8>) {
        let begin = into.len();
        match self.service {
            Service::Echo | Service::Boom => self.message(client, number, into),
            Service::Upper => {
                let mut message = Vec::new();
                self.message(client, number, &mut message);
                let text = String::from_utf8_lossy(&message).replace(SHARP_S, "SS");
                into.extend(text.bytes().map(|byte| byte.to_ascii_uppercase()));
            }
            Service::Line => {
                into.extend_from_slice(b"Echo: ");
                self.message(client, number, into);
                into.truncate(into.len() - self.line_end(number).len());
                into.extend_from_slice(b"\r\n");
            }
            Service::Chargen => {
                let characters = (0..72).map(|at| (number + at) % 95);
                // All that ASCII prints, from `!`, and a space at the end.
                into.extend(characters.map(|at| u8::try_from(33 + at).map_or(b' ', |byte| byte.min(127))));
                into[begin..].iter_mut().filter(|byte| **byte == 127).for_each(|byte| *byte = b' ');
                into.extend_from_slice(b"\r\n");
            }
            Service::Discard | Service::Hello | Service::Daytime | Service::Time => {}
        }
    }

    /// How a message ends, and so how long it is at least.
    fn line_end(&self, number: usize) -> &'static [u8] {
        if self.size > 1 && number.is_multiple_of(2) { b"\r\n" } else { b"\n" }
    }
}

/// What the fixed time of day is: `daytime` and `time` say it, and nothing else.
pub(crate) const SECONDS_IN_2000: u64 = 946_684_800;

/// A letter of two bytes, whose capital is of two letters.
const SHARP_S: &str = "ß";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Faults;
    use crate::service::TimeOfDay;
    use crate::session::Opening;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any moment would do")]
    fn what_is_stated_here_is_what_the_services_say() {
        for service in Service::ALL {
            for size in [1, 2, 3, 9, 64, 500] {
                let dialogue = Dialogue { service, greeting: b"Hi! ".to_vec(), size };
                let (mut expected, mut said) = (Vec::new(), Vec::new());
                dialogue.opening(&mut expected);
                let opening = Opening {
                    service,
                    faults: Faults::default(),
                    greeting: b"Hi! ".to_vec(),
                    time: TimeOfDay::Fixed(SECONDS_IN_2000),
                    gauge: None,
                };
                let now = std::time::Instant::now();
                let mut session = opening.begin(now);
                for number in 0..40 {
                    let mut message = Vec::new();
                    dialogue.message(3, number, &mut message);
                    assert_eq!(message.len(), size);
                    session.hear(&message, now);
                    dialogue.answer(3, number, &mut expected);
                }
                while said.len() < expected.len() {
                    let bytes = session.sendable(now).to_vec();
                    assert!(!bytes.is_empty(), "{service:?} says no more than {} bytes", said.len());
                    session.sent(bytes.len());
                    said.extend(bytes);
                }
                said.truncate(expected.len());
                assert_eq!(said, expected, "{service:?}, {size}");
            }
        }
    }
}
