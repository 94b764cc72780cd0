//! What is said, shown and sent, rule by rule.

use super::command::{IAC, SB, SE};
use super::*;

pub(super) const WILL: u8 = 251;
pub(super) const WONT: u8 = 252;
pub(super) const DO: u8 = 253;
pub(super) const DONT: u8 = 254;
/// Typed, because an empty list of bytes could be one of anything.
const NOTHING: [u8; 0] = [];
const LINEMODE: u8 = 34;
const STATUS: u8 = 5;
const END_OF_RECORD: u8 = 25;

/// A session at a terminal of 80 times 24.
pub(super) fn at_a_terminal() -> Telnet {
    Telnet::new(Some(Terminal { name: "xterm-256color".to_owned(), columns: 80, rows: 24 }))
}

/// What a session shows and answers.
pub(super) fn received(telnet: &mut Telnet, bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut text, mut reply) = (Vec::new(), Vec::new());
    telnet.receive(bytes, &mut text, &mut reply);
    (text, reply)
}

fn answer(telnet: &mut Telnet, bytes: &[u8]) -> Vec<u8> {
    let (text, reply) = received(telnet, bytes);
    assert_eq!(text, b"", "to {bytes:?}");
    reply
}

/// What goes on the wire for some pieces.
pub(super) fn sent(telnet: &mut Telnet, pieces: &[&[u8]]) -> Vec<u8> {
    let mut wire = Vec::new();
    for piece in pieces {
        telnet.send(piece, &mut wire);
    }
    wire
}

/// The peer echoes and suppresses go-ahead.
fn agree_on_characters(telnet: &mut Telnet) {
    received(telnet, &[IAC, WILL, ECHO, IAC, WILL, SUPPRESS_GO_AHEAD]);
    assert!(telnet.character_at_a_time());
}

#[test]
fn what_arrives_is_shown_without_what_is_meant_for_telnet() {
    let cases: [(&[u8], &[u8]); 14] = [
        (b"plain\r\n", b"plain\r\n"),
        (b"bare\n", b"bare\n"),
        (b"over\r\0print", b"over\rprint"),
        (b"\r\r\0\r\n\0\0", b"\r\r\r\n\0\0"),
        (b"odd\rcr", b"odd\rcr"),
        (&[b'a', IAC, IAC, b'b', IAC, IAC, IAC, IAC], &[b'a', 255, b'b', 255, 255]),
        (&[b'a', IAC, 241, b'b'], b"ab"), // no operation
        (&[b'a', IAC, 242, b'b'], b"ab"), // data mark
        (&[b'a', IAC, 249, b'b'], b"ab"), // go ahead
        (&[b'a', IAC, 246, b'b', IAC, 239, b'c', IAC, 7, b'd'], b"abcd"),
        (&[b'\r', IAC, 241, 0, b'x'], b"\rx"),
        (&[b'a', IAC, SB, STATUS, b'x', IAC, IAC, SE, b'y', IAC, SE, b'b'], b"ab"),
        (&[b'a', IAC, SB, STATUS, b'x', IAC, 241, b'b'], b"ab"), // a subnegotiation that is cut off
        (&[b'a', IAC, SB, STATUS, b'x'], b"a"),
    ];
    for (bytes, shown) in cases {
        assert_eq!(received(&mut at_a_terminal(), bytes), (shown.to_vec(), vec![]), "{bytes:?}");
    }
}

#[test]
fn every_option_is_agreed_to_or_refused_as_the_rules_say() {
    let size = [IAC, SB, NAWS, 0, 80, 0, 24, IAC, SE];
    for is_terminal in [true, false] {
        for option in 0..=255 {
            let new = || if is_terminal { at_a_terminal() } else { Telnet::new(None) };
            let offer: &[u8] = if is_terminal && option != NAWS { &[IAC, WILL, NAWS] } else { &[] };

            let verb = if [BINARY, ECHO, SUPPRESS_GO_AHEAD].contains(&option) { DO } else { DONT };
            assert_eq!(answer(&mut new(), &[IAC, WILL, option]), [&[IAC, verb, option], offer].concat());

            let verb = match option {
                BINARY | SUPPRESS_GO_AHEAD => WILL,
                TERMINAL_TYPE | NAWS if is_terminal => WILL,
                _ => WONT,
            };
            let told: &[u8] = if is_terminal && option == NAWS { &size } else { &[] };
            let expected = [&[IAC, verb, option], told, offer].concat();
            assert_eq!(answer(&mut new(), &[IAC, DO, option]), expected);

            // What is off need not be refused again.
            assert_eq!(answer(&mut new(), &[IAC, WONT, option]), offer);
            assert_eq!(answer(&mut new(), &[IAC, DONT, option]), offer);
        }
    }
}

#[test]
fn what_is_agreed_on_is_answered_once() {
    let mut telnet = Telnet::new(None);
    for (bytes, reply) in [
        ([IAC, WILL, ECHO], &[IAC, DO, ECHO][..]),
        ([IAC, WILL, ECHO], &[]),
        ([IAC, WONT, ECHO], &[IAC, DONT, ECHO]),
        ([IAC, WONT, ECHO], &[]),
        ([IAC, DO, SUPPRESS_GO_AHEAD], &[IAC, WILL, SUPPRESS_GO_AHEAD]),
        ([IAC, DO, SUPPRESS_GO_AHEAD], &[]),
        ([IAC, DONT, SUPPRESS_GO_AHEAD], &[IAC, WONT, SUPPRESS_GO_AHEAD]),
        ([IAC, DONT, SUPPRESS_GO_AHEAD], &[]),
        // A refusal is repeated, as the RFC has it: the peer asked again.
        ([IAC, DO, LINEMODE], &[IAC, WONT, LINEMODE]),
        ([IAC, DO, LINEMODE], &[IAC, WONT, LINEMODE]),
        ([IAC, WILL, END_OF_RECORD], &[IAC, DONT, END_OF_RECORD]),
        // And so is a timing mark, which asks something each time.
        ([IAC, DO, TIMING_MARK], &[IAC, WONT, TIMING_MARK]),
        ([IAC, DO, TIMING_MARK], &[IAC, WONT, TIMING_MARK]),
        ([IAC, DONT, TIMING_MARK], &[]),
    ] {
        assert_eq!(answer(&mut telnet, &bytes), reply, "to {bytes:?}");
    }
}

#[test]
fn nothing_is_sent_before_the_peer_negotiates_and_then_the_size_is_offered_once() {
    let mut telnet = at_a_terminal();
    let (text, reply) = received(&mut telnet, &[b'h', b'i', IAC, 241, IAC, 249, b'!']);
    assert_eq!((&text[..], &reply[..]), (&b"hi!"[..], &[][..]));
    let mut reply = Vec::new();
    telnet.resized(100, 30, &mut reply);
    assert_eq!(reply, NOTHING);
    assert_eq!(answer(&mut telnet, &[IAC, WILL, ECHO]), [IAC, DO, ECHO, IAC, WILL, NAWS]);
    assert_eq!(answer(&mut telnet, &[IAC, WONT, ECHO]), [IAC, DONT, ECHO]);
    assert_eq!(answer(&mut telnet, &[IAC, DO, NAWS]), [IAC, SB, NAWS, 0, 100, 0, 30, IAC, SE]);
    assert_eq!(answer(&mut telnet, &[IAC, DO, NAWS]), NOTHING);
}

#[test]
fn an_offer_that_was_declined_is_not_made_again() {
    let mut telnet = at_a_terminal();
    assert_eq!(answer(&mut telnet, &[IAC, WILL, ECHO]), [IAC, DO, ECHO, IAC, WILL, NAWS]);
    assert_eq!(answer(&mut telnet, &[IAC, DONT, NAWS]), NOTHING);
    assert_eq!(answer(&mut telnet, &[IAC, WONT, ECHO]), [IAC, DONT, ECHO]);
}

#[test]
fn the_size_is_told_when_it_changes_and_is_wanted() {
    let mut telnet = at_a_terminal();
    let resized = |telnet: &mut Telnet, columns, rows| {
        let mut reply = Vec::new();
        telnet.resized(columns, rows, &mut reply);
        reply
    };
    answer(&mut telnet, &[IAC, DO, NAWS]);
    assert_eq!(resized(&mut telnet, 80, 24), NOTHING);
    assert_eq!(resized(&mut telnet, 255, 0xff01), [IAC, SB, NAWS, 0, 255, 255, 255, 255, 1, IAC, SE]);
    assert_eq!(answer(&mut telnet, &[IAC, DONT, NAWS]), [IAC, WONT, NAWS]);
    assert_eq!(resized(&mut telnet, 81, 24), NOTHING);
    let told = [IAC, WILL, NAWS, IAC, SB, NAWS, 0, 81, 0, 24, IAC, SE];
    assert_eq!(answer(&mut telnet, &[IAC, DO, NAWS]), told);
    assert_eq!(resized(&mut Telnet::new(None), 81, 24), NOTHING);
}

#[test]
fn the_type_of_the_terminal_is_told_as_often_as_it_is_asked() {
    let question = [IAC, SB, TERMINAL_TYPE, 1, IAC, SE];
    for (name, told) in [
        ("xterm-256color", "XTERM-256COLOR"),
        ("vt100", "VT100"),
        ("", "UNKNOWN"),
        ("two words", "UNKNOWN"),
        ("терминал", "UNKNOWN"),
        (&"x".repeat(40), &"X".repeat(40)),
        (&"x".repeat(41), "UNKNOWN"),
    ] {
        let mut telnet = Telnet::new(Some(Terminal { name: name.to_owned(), columns: 0, rows: 0 }));
        assert_eq!(answer(&mut telnet, &question), NOTHING, "it was not agreed on");
        answer(&mut telnet, &[IAC, DO, TERMINAL_TYPE]);
        let expected = [&[IAC, SB, TERMINAL_TYPE, 0][..], told.as_bytes(), &[IAC, SE]].concat();
        assert_eq!(answer(&mut telnet, &question), expected);
        assert_eq!(answer(&mut telnet, &question), expected);
        assert_eq!(answer(&mut telnet, &[IAC, SB, TERMINAL_TYPE, 0, b'X', IAC, SE]), NOTHING);
        answer(&mut telnet, &[IAC, DONT, TERMINAL_TYPE]);
        assert_eq!(answer(&mut telnet, &question), NOTHING);
    }
}

#[test]
fn what_is_typed_goes_out_with_the_line_ends_of_the_wire() {
    let cases: [(&[&[u8]], &[u8]); 11] = [
        (&[b"hello\n"], b"hello\r\n"),
        (&[b"hello\r\n"], b"hello\r\n"),
        (&[b"over\rprint"], b"over\r\0print"),
        (&[b"\r\r\n\n\r"], b"\r\0\r\n\r\n\r\0"),
        (&[b"cut\r", b"\nhere"], b"cut\r\nhere"),
        (&[b"cut\r", b"", b"here"], b"cut\r\0here"),
        (&[b"cut\r", b"\r"], b"cut\r\0\r\0"),
        (&[b"cut\r", b"\xff"], b"cut\r\0\xff\xff"),
        (&[b"\r\0"], b"\r\0\0"),
        (&[b"\xff", b"a\xff\xff"], b"\xff\xffa\xff\xff\xff\xff"),
        (&[], b""),
    ];
    for (pieces, expected) in cases {
        let mut telnet = at_a_terminal();
        let mut wire = sent(&mut telnet, pieces);
        telnet.end(&mut wire);
        telnet.end(&mut wire);
        assert_eq!(wire, expected, "{pieces:?}");
    }
}

#[test]
fn a_key_is_sent_whole_at_once() {
    let mut telnet = at_a_terminal();
    assert_eq!(sent(&mut telnet, &[b"\r"]), b"\r");
    agree_on_characters(&mut telnet);
    assert_eq!(sent(&mut telnet, &[b"a"]), b"\0a", "what was begun by lines is ended first");
    assert_eq!(sent(&mut telnet, &[b"\r"]), b"\r\0");
    assert_eq!(sent(&mut telnet, &[b"\n\r\n\xff"]), b"\r\n\r\0\r\n\xff\xff");

    // A file is no keyboard, whatever the peer would like.
    let mut telnet = Telnet::new(None);
    agree_on_characters(&mut telnet);
    assert_eq!(sent(&mut telnet, &[b"\r", b"\n"]), b"\r\n");
}

#[test]
fn binary_has_no_line_ends() {
    let mut telnet = at_a_terminal();
    assert_eq!(sent(&mut telnet, &[b"\r"]), b"\r");
    received(&mut telnet, &[IAC, DO, BINARY]);
    assert_eq!(sent(&mut telnet, &[b"a\r\0\n\r\n\xff"]), b"a\r\0\n\r\n\xff\xff");
    assert_eq!(received(&mut telnet, b"\r\0").0, b"\r", "only our side is binary");
    received(&mut telnet, &[b'\r', IAC, WILL, BINARY]);
    assert_eq!(received(&mut telnet, b"\0\r\0\xff\xff").0, b"\0\r\0\xff");
    received(&mut telnet, &[IAC, WONT, BINARY, IAC, DONT, BINARY]);
    assert_eq!(received(&mut telnet, b"\0\r\0").0, b"\0\r");
    assert_eq!(sent(&mut telnet, &[b"\n"]), b"\r\n");
}

#[test]
fn commands_are_sent_by_their_names() {
    for (name, code) in [
        ("nop", 241),
        ("brk", 243),
        ("ip", 244),
        ("ao", 245),
        ("ayt", 246),
        ("ec", 247),
        ("el", 248),
        ("ga", 249),
    ] {
        let mut wire = Vec::new();
        Telnet::new(None).command(name.parse().unwrap(), &mut wire);
        assert_eq!(wire, [IAC, code], "{name}");
    }
    let error = "synch".parse::<Command>().unwrap_err();
    assert_eq!(error, "no such command: synch; give one of ayt, brk, ip, ao, ec, el, ga, nop");
}

#[test]
fn the_user_may_ask_for_a_mode_and_the_peer_decides() {
    let ask = |telnet: &mut Telnet, mode: &str| {
        let mut wire = Vec::new();
        telnet.ask(mode.parse().unwrap(), &mut wire);
        wire
    };
    let mut telnet = Telnet::new(None);
    assert_eq!(ask(&mut telnet, "line"), NOTHING);
    assert_eq!(ask(&mut telnet, "character"), [IAC, DO, SUPPRESS_GO_AHEAD, IAC, DO, ECHO]);
    assert_eq!(ask(&mut telnet, "character"), NOTHING);
    assert!(!telnet.peer_echoes() && !telnet.character_at_a_time());
    assert_eq!(answer(&mut telnet, &[IAC, WILL, ECHO]), NOTHING);
    assert!(telnet.peer_echoes() && !telnet.character_at_a_time());
    assert_eq!(answer(&mut telnet, &[IAC, WILL, SUPPRESS_GO_AHEAD]), NOTHING);
    assert!(telnet.character_at_a_time());
    assert_eq!(ask(&mut telnet, "line"), [IAC, DONT, SUPPRESS_GO_AHEAD, IAC, DONT, ECHO]);
    assert!(telnet.character_at_a_time(), "until the peer has stopped");
    assert_eq!(answer(&mut telnet, &[IAC, WONT, SUPPRESS_GO_AHEAD, IAC, WONT, ECHO]), NOTHING);
    assert!(!telnet.peer_echoes() && !telnet.character_at_a_time());
    ask(&mut telnet, "character");
    assert_eq!(answer(&mut telnet, &[IAC, WONT, ECHO, IAC, WONT, SUPPRESS_GO_AHEAD]), NOTHING);
    assert!(!telnet.peer_echoes());
    assert_eq!("key".parse::<Mode>().unwrap_err(), "no such mode: key; give line or character");
}

#[test]
fn the_status_tells_what_is_on_and_on_which_side() {
    let mut telnet = Telnet::new(None);
    let nothing = [
        "input goes a line at a time, and is echoed here",
        "the peer's side: no option is on",
        "our side: no option is on",
    ];
    assert_eq!(telnet.status(), nothing);
    received(&mut telnet, &[IAC, WILL, ECHO, IAC, WILL, STATUS]);
    telnet.ask(Mode::Character, &mut Vec::new());
    let asked = [
        "input goes a line at a time, and the peer echoes it",
        "the peer's side: ECHO",
        "our side: no option is on",
        "asked of the peer and not answered yet: SUPPRESS-GO-AHEAD",
    ];
    assert_eq!(telnet.status(), asked);

    let mut telnet = at_a_terminal();
    agree_on_characters(&mut telnet);
    received(&mut telnet, &[IAC, DO, TERMINAL_TYPE, IAC, DO, BINARY]);
    let much = [
        "input goes a character at a time, and the peer echoes it",
        "the peer's side: ECHO, SUPPRESS-GO-AHEAD",
        "our side: TRANSMIT-BINARY, TERMINAL-TYPE",
        "asked by us and not answered yet: NAWS",
        "terminal: XTERM-256COLOR, 80 columns, 24 rows",
    ];
    assert_eq!(telnet.status(), much);
}
