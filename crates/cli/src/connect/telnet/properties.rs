//! What holds for every stream and every peer: cuts do not matter, nobody negotiates for ever, nothing is lost.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::tests::{DO, DONT, WILL, WONT, at_a_terminal, received, sent};
use super::*;

/// Bytes that mean something to TELNET, more often than not.
const TELLING: [u8; 20] =
    [IAC, IAC, IAC, IAC, SB, SE, WILL, WONT, DO, DONT, 0, 1, 3, 6, 24, 31, b'\r', b'\n', b'x', 241];

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![8 => select(&TELLING[..]), 1 => any::<u8>()];
    let negotiation = (select(&[WILL, WONT, DO, DONT][..]), select(&[0_u8, 1, 3, 5, 6, 24, 31, 34, 255][..]))
        .prop_map(|(verb, option)| vec![IAC, verb, option]);
    let question = Just(vec![IAC, SB, TERMINAL_TYPE, 1, IAC, SE]);
    let piece = prop_oneof![4 => byte.prop_map(|byte| vec![byte]), 2 => negotiation, 1 => question];
    vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// Where a stream of some length is cut.
fn pieces<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    ends.extend([0, bytes.len()]);
    ends.sort_unstable();
    ends.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect()
}

proptest! {
    #[test]
    fn what_is_received_does_not_depend_on_the_cuts(
        bytes in stream(),
        cuts in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut whole = at_a_terminal();
        let expected = received(&mut whole, &bytes);
        for pieces in [pieces(&bytes, &cuts), bytes.chunks(1).collect()] {
            let mut telnet = at_a_terminal();
            let (mut text, mut reply) = (Vec::new(), Vec::new());
            for piece in pieces {
                telnet.receive(piece, &mut text, &mut reply);
            }
            prop_assert_eq!(&(text, reply), &expected);
            prop_assert_eq!(telnet.status(), whole.status());
        }
    }

    #[test]
    fn no_peer_can_make_us_say_much_more_than_it_says_itself(bytes in stream()) {
        let (text, reply) = received(&mut at_a_terminal(), &bytes);
        prop_assert!(text.len() <= bytes.len());
        // A DO of three bytes is answered by a verb and the size, a question of six by the type; one offer.
        prop_assert!(reply.len() <= 6 * bytes.len() + 3, "{} for {}", reply.len(), bytes.len());
    }

    #[test]
    fn what_is_sent_is_what_an_independent_decoder_reads(
        typed in vec(prop_oneof![select(&b"\r\n\0\xffx"[..]), any::<u8>()], 0..60),
        cuts in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut telnet = Telnet::new(None);
        let mut wire = sent(&mut telnet, &pieces(&typed, &cuts));
        telnet.end(&mut wire);
        prop_assert_eq!(decoded(&wire), as_lines(&typed));
        let mut text = Vec::new();
        Telnet::new(None).receive(&wire, &mut text, &mut Vec::new());
        prop_assert_eq!(as_lines(&text), as_lines(&typed));
    }

    #[test]
    fn two_of_us_always_come_to_an_agreement(
        wishes in vec((any::<bool>(), any::<bool>(), 0_usize..5, any::<bool>(), 0_usize..3), 0..30),
    ) {
        let mut sides = [at_a_terminal(), at_a_terminal()];
        let mut wires = [Vec::new(), Vec::new()]; // what is under way to each
        for (side, of_the_peer, option, on, rounds) in wishes {
            let option = [BINARY, ECHO, SUPPRESS_GO_AHEAD, TERMINAL_TYPE, NAWS][option];
            let whose = if of_the_peer { Side::Peer } else { Side::Ours };
            let asked = sides[usize::from(side)].options.ask(whose, option, on);
            put_verb(asked, option, &mut wires[usize::from(!side)]);
            for _ in 0..rounds {
                exchange(&mut sides, &mut wires);
            }
        }
        let rounds = (0..50).take_while(|_| exchange(&mut sides, &mut wires)).count();
        prop_assert!(rounds < 50, "they still talk");
        for option in 0..=255 {
            for (one, other) in [(0, 1), (1, 0)] {
                let theirs = sides[one].options.is_on(Side::Peer, option);
                prop_assert_eq!(theirs, sides[other].options.is_on(Side::Ours, option), "{}", option);
            }
        }
        prop_assert!(!sides.iter().any(|side| side.status().concat().contains("not answered")));
    }
}

/// Both sides hear what was under way to them. Tells whether there was anything.
fn exchange(sides: &mut [Telnet; 2], wires: &mut [Vec<u8>; 2]) -> bool {
    let heard = std::mem::take(wires);
    for (side, heard) in heard.iter().enumerate() {
        let (text, reply) = received(&mut sides[side], heard);
        assert_eq!(text, b"");
        wires[1 - side].extend(reply);
    }
    heard.iter().any(|heard| !heard.is_empty())
}

#[test]
fn two_of_us_agree_on_the_same_options() {
    for asked in [[true, false], [false, true], [true, true]] {
        let (mut sides, mut wires) = ([at_a_terminal(), at_a_terminal()], [Vec::new(), Vec::new()]);
        for (side, _) in asked.iter().enumerate().filter(|(_, asks)| **asks) {
            for mode in [Mode::Character, Mode::Line, Mode::Character] {
                sides[side].ask(mode, &mut wires[1 - side]);
            }
        }
        while exchange(&mut sides, &mut wires) {}
        for option in 0..=255 {
            for (one, other) in [(0, 1), (1, 0)] {
                let theirs = sides[one].options.is_on(Side::Peer, option);
                assert_eq!(theirs, sides[other].options.is_on(Side::Ours, option), "{option}");
                assert_eq!(theirs, asked[one] && option == SUPPRESS_GO_AHEAD, "{option}: we never echo");
            }
        }
        assert!(!sides.iter().any(|side| side.status().concat().contains("not answered")));
    }
}

#[test]
fn a_peer_that_throws_everything_back_is_soon_left_in_peace() {
    let same = |verb: u8| verb;
    let agreed = |verb: u8| [DO, DONT, WILL, WONT][usize::from(verb - WILL)];
    let refused = |verb: u8| if [WILL, WONT].contains(&verb) { DONT } else { WONT };
    for throw_back in [&same as &dyn Fn(u8) -> u8, &agreed, &refused] {
        for verb in [WILL, WONT, DO, DONT] {
            // To throw a timing mark back as DO is to ask for the next one, which only the peer can stop.
            let asks_again = (verb, throw_back(WILL)) == (DO, DO);
            for option in (0..=255).filter(|&option| !(asks_again && option == TIMING_MARK)) {
                let (mut telnet, mut bytes, mut rounds) = (at_a_terminal(), vec![IAC, verb, option], 0);
                telnet.ask(Mode::Character, &mut bytes);
                while !bytes.is_empty() {
                    let mut reply = received(&mut telnet, &bytes).1;
                    for at in 1..reply.len() {
                        if reply[at - 1] == IAC && (WILL..=DONT).contains(&reply[at]) {
                            reply[at] = throw_back(reply[at]);
                        }
                    }
                    bytes = reply;
                    rounds += 1;
                    assert!(rounds < 10, "{verb} {option}: still {bytes:?}");
                }
            }
        }
    }
}

/// What a host reads that knows RFC 854 and no option: line ends become LF.
fn decoded(wire: &[u8]) -> Vec<u8> {
    let (mut text, mut at) = (Vec::new(), 0);
    while at < wire.len() {
        let (byte, length) = match wire[at..] {
            [255, 255, ..] => (255, 2),
            [255, ..] => panic!("a command at {at} in {wire:?}"),
            [b'\r', b'\n', ..] => (b'\n', 2),
            [b'\r', 0, ..] => (b'\r', 2),
            [b'\r', ..] => panic!("a lone CR at {at} in {wire:?}"),
            [b'\n', ..] => panic!("a lone LF at {at} in {wire:?}"),
            [byte, ..] => (byte, 1),
            [] => unreachable!("at is in the wire"),
        };
        text.push(byte);
        at += length;
    }
    text
}

/// Text whose line ends are LF.
fn as_lines(text: &[u8]) -> Vec<u8> {
    let mut lines: Vec<u8> = Vec::new();
    for &byte in text {
        if byte == b'\n' && lines.last() == Some(&b'\r') {
            lines.pop();
        }
        lines.push(byte);
    }
    lines
}
