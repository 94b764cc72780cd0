//! From the peer's bytes to what they mean: data, negotiations and subnegotiations, wherever the bytes are cut.
//!
//! Commands that concern a server (such as Are You There), data marks and go-aheads mean nothing to a user's side and
//! are dropped here. A subnegotiation is kept up to a length that no answered one has; a longer one is read over, so
//! that one without an end costs no memory.

use super::command::{IAC, SB, SE};
use super::negotiation::Verb;

/// What the next bytes mean.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// Bytes for the user, line ends as they came.
    Data(&'a [u8]),
    /// A verb and its option.
    Negotiation(Verb, u8),
    /// An option's code, and its parameters.
    Subnegotiation(&'a [u8]),
}

/// Where in the stream the next byte stands.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    place: Place,
    /// What the subnegotiation under way has brought.
    parameters: Vec<u8>,
    is_too_long: bool,
}

#[derive(Debug, Default)]
enum Place {
    #[default]
    Data,
    /// After 255.
    Command,
    /// After a verb.
    Option(Verb),
    Parameters,
    /// After 255 among parameters.
    ParametersCommand,
}

impl Decoder {
    /// Takes bytes off the front until they mean something. `None` when there are none left.
    pub(super) fn next<'a, 'b: 'a>(&'a mut self, bytes: &mut &'b [u8]) -> Option<Event<'a>> {
        loop {
            let (&byte, rest) = bytes.split_first()?;
            match self.place {
                Place::Data if byte != IAC => {
                    let end = bytes.iter().position(|&byte| byte == IAC).unwrap_or(bytes.len());
                    let (data, rest) = bytes.split_at(end);
                    *bytes = rest;
                    return Some(Event::Data(data));
                }
                Place::Data => self.place = Place::Command,
                Place::Command => {
                    self.place = self.after_command(byte);
                    if byte == IAC {
                        *bytes = rest;
                        return Some(Event::Data(&[IAC]));
                    }
                }
                Place::Option(verb) => {
                    self.place = Place::Data;
                    *bytes = rest;
                    return Some(Event::Negotiation(verb, byte));
                }
                Place::Parameters if byte == IAC => self.place = Place::ParametersCommand,
                Place::Parameters => self.keep(byte),
                Place::ParametersCommand if byte == IAC => {
                    self.place = Place::Parameters;
                    self.keep(IAC);
                }
                Place::ParametersCommand if byte == SE => {
                    self.place = Place::Data;
                    if !self.is_too_long {
                        *bytes = rest;
                        return Some(Event::Subnegotiation(&self.parameters));
                    }
                }
                // Any other command cuts the subnegotiation off, and counts.
                Place::ParametersCommand => self.place = self.after_command(byte),
            }
            *bytes = rest;
        }
    }

    fn after_command(&mut self, command: u8) -> Place {
        match (command, Verb::from_code(command)) {
            (SB, _) => {
                self.parameters.clear();
                self.is_too_long = false;
                Place::Parameters
            }
            (_, Some(verb)) => Place::Option(verb),
            _ => Place::Data,
        }
    }

    fn keep(&mut self, parameter: u8) {
        if self.parameters.len() < LONGEST {
            self.parameters.push(parameter);
        } else {
            self.is_too_long = true;
        }
    }
}

/// How many bytes of a subnegotiation are kept; the one that is answered has two.
const LONGEST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnegotiation_without_an_end_costs_no_memory() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.next(&mut &[IAC, SB][..]), None);
        for piece in [[b'x'; 1000], [IAC; 1000]] {
            for _ in 0..1000 {
                assert_eq!(decoder.next(&mut &piece[..]), None);
            }
        }
        assert!(decoder.parameters.capacity() <= 2 * LONGEST, "{}", decoder.parameters.capacity());
        assert_eq!(decoder.next(&mut &[IAC, SE][..]), None, "it was too long to be known whole");
        assert_eq!(decoder.next(&mut &b"on"[..]), Some(Event::Data(b"on")));
        assert_eq!(decoder.next(&mut &[IAC, SB, 1, IAC, SE][..]), Some(Event::Subnegotiation(&[1])));
    }

    #[test]
    fn a_subnegotiation_is_kept_up_to_its_limit() {
        for length in [0, 1, LONGEST - 1, LONGEST, LONGEST + 1] {
            let bytes = [&[IAC, SB][..], &vec![7; length], &[IAC, SE]].concat();
            let mut decoder = Decoder::default();
            let expected = vec![7; length];
            let expected = (length <= LONGEST).then_some(Event::Subnegotiation(&expected));
            assert_eq!(decoder.next(&mut &bytes[..]), expected, "{length}");
        }
    }
}
