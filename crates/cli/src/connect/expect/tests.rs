//! Conversations, and what a run makes of them.
#![expect(clippy::disallowed_methods, reason = "a test needs some moment to count from")]

use proptest::prelude::*;

use super::text::quoted;
use super::*;

/// What happens to a run, and what it wants.
enum Event<'a> {
    /// So many milliseconds after the beginning …
    At(u64),
    /// … the peer sends,
    Receive(&'a [u8]),
    /// or ends,
    Ended,
    /// and this is wanted then: `send …`, `close`, `until …` (milliseconds), `done`, or a mismatch.
    Wants(&'a str),
}
use Event::{At, Ended, Receive, Wants};

fn play<'a>(script: &str, events: impl IntoIterator<Item = &'a Event<'a>>) {
    let start = Instant::now();
    let mut now = start;
    let mut run = Run::new(Script::parse(script).unwrap(), now);
    for event in events {
        match event {
            At(milliseconds) => now = start + Duration::from_millis(*milliseconds),
            Receive(bytes) => run.receive(bytes, now),
            Ended => run.ended(now),
            Wants(wanted) => assert_eq!(told(run.next(now), start), *wanted, "in {script:?}"),
        }
    }
}

fn told(next: Next, start: Instant) -> String {
    match next {
        Next::Send(bytes) => format!("send {}", quoted(&bytes)),
        Next::CloseWrite => "close".to_owned(),
        Next::WaitUntil(Some(time)) => format!("until {}", (time - start).as_millis()),
        Next::WaitUntil(None) => "until never".to_owned(),
        Next::Done => "done".to_owned(),
        Next::Mismatch(message) => message,
    }
}

fn run(script: &str) -> Run {
    Run::new(Script::parse(script).unwrap(), Instant::now())
}

#[test]
fn a_conversation_goes_as_the_script_says() {
    play(
        "expect-line Welcome\nsend-line hello\nwithin 2s\nexpect Echo: hello\nend\nexpect-end",
        &[
            Wants("until 5000"),
            At(10),
            Receive(b"Welcome\r"),
            Wants("until 5000"),
            Receive(b"\n"),
            Wants("send \"hello\\r\\n\""),
            At(20),
            Wants("until 2020"),
            At(30),
            Receive(b"Well, Echo: hello"),
            Wants("close"),
            Wants("until 2030"),
            Ended,
            Wants("done"),
            Wants("done"),
        ],
    );
}

#[test]
fn what_is_expected_is_taken_once_and_in_order() {
    for (script, input, wanted) in [
        ("expect a\nexpect a", "aa", "done"),
        ("expect aa\nexpect a", "aa", "line 2: expected \"a\", but the peer has ended; nothing came"),
        ("expect b\nexpect a", "ab", "line 2: expected \"a\", but the peer has ended; nothing came"),
        ("expect aab", "aaab", "done"),
        ("expect ab\nexpect-exactly c", "xxabcd", "done"),
        ("expect-exactly ab\nexpect-exactly cd", "abcd", "done"),
        (
            "expect-exactly ab",
            "xab",
            "line 1: expected exactly \"ab\", but something else came; what came is \"xab\"",
        ),
        (
            "expect-exactly abc",
            "ab",
            "line 1: expected exactly \"abc\", but the peer has ended; what came is \"ab\"",
        ),
        ("expect-line a\nexpect-line\nexpect-line b", "a\n\r\nb\r\n", "done"),
        (
            "expect-line a",
            "ab\n",
            "line 1: expected the line \"a\", but something else came; what came is \"ab\\n\"",
        ),
        ("expect-line a", "a", "line 1: expected the line \"a\", but the peer has ended; what came is \"a\""),
        (
            "expect-line a",
            "\na\n",
            "line 1: expected the line \"a\", but something else came; what came is \"\\na\\n\"",
        ),
        ("expect-line \"a\\r\"", "a\r\r\n", "done"),
        ("expect a\nexpect-end", "a", "done"),
        ("expect-end", "", "done"),
        (
            "expect a\nexpect-end",
            "ab",
            "line 2: expected the end, but something else came; what came is \"b\"",
        ),
        (
            "expect \"\\xff\\0\"",
            "\u{fffd}",
            "line 1: expected \"\\xff\\0\", but the peer has ended; what came is \"\u{fffd}\"",
        ),
        ("expect a", "ab", "done"),
    ] {
        assert_told_however_it_is_cut(script, input.as_bytes(), wanted);
    }
}

fn assert_told_however_it_is_cut(script: &str, input: &[u8], wanted: &str) {
    for first in 0..=input.len() {
        for second in first..=input.len() {
            let pieces = [&input[..first], &input[first..second], &input[second..]];
            let (mut asked, mut unasked) = (run(script), run(script));
            let now = Instant::now();
            for piece in pieces {
                asked.next(now);
                asked.receive(piece, now);
                unasked.receive(piece, now);
            }
            asked.next(now);
            for mut run in [asked, unasked] {
                run.ended(now);
                // What cannot come any more may be said before the end, when less had come.
                let said = told(run.next(now), now);
                let (verdict, _) = wanted.split_once("; what came is").unwrap_or((wanted, ""));
                assert!(said.starts_with(verdict), "{script:?} cut at {first} and {second}: {said}");
                if first == input.len() {
                    assert_eq!(said, wanted, "{script:?}");
                }
            }
        }
    }
}

#[test]
fn what_does_not_come_in_time_did_not_come() {
    let late = "line 2: expected \"b\", but its time, 2s, is over; what came is \"a\"";
    let lasts: [&[Event<'_>]; 7] = [
        &[At(1999), Wants("until 2000")],
        &[At(1999), Receive(b"b"), Wants("done")],
        // It was there, only nobody asked.
        &[Receive(b"b"), At(9000), Wants("done")],
        &[Receive(b"b"), At(9000), Receive(b"c"), Ended, Wants("done")],
        &[At(2000), Wants(late), Receive(b"b"), Wants(late)],
        &[At(2000), Receive(b"b"), Wants(late)],
        &[At(2001), Ended, Wants(late)],
    ];
    for last in lasts {
        let first = [Wants("until 2000"), At(1000), Receive(b"a")];
        play("within 2s\nexpect b", first.iter().chain(last));
    }
    play(
        "expect a\nexpect b",
        &[
            Wants("until 5000"),
            At(4000),
            Receive(b"a"),
            Wants("until 9000"), // each step has its time
            At(9000),
            Wants("line 2: expected \"b\", but its time, 5s, is over; nothing came"),
        ],
    );
}

#[test]
fn the_time_of_an_expectation_begins_when_what_is_sent_before_it_is_sent() {
    play("send a\nexpect b", &[Wants("send \"a\""), At(60_000), Receive(b"x"), Wants("until 65000")]);
}

#[test]
fn a_pause_takes_its_time_whatever_comes() {
    play(
        "wait 100ms\nsend a\nwait 1s\nexpect b",
        &[
            Wants("until 100"),
            At(99),
            Receive(b"b"),
            Wants("until 100"),
            Ended,
            Wants("until 100"),
            At(100),
            Wants("send \"a\""),
            Wants("until 1100"),
            At(1100),
            Wants("done"),
        ],
    );
    play("wait 5000000h\nend", &[Wants("until 18000000000000")]);
}

#[test]
fn more_than_the_limit_is_a_mismatch_that_says_so() {
    let said =
        "line 1: expected \"b\", but more than 1048576 bytes came that no step took; what came is \"aaa";
    for piece in [1 << 12, LIMIT + 1, 1 << 22] {
        let (mut run, now) = (run("expect b"), Instant::now());
        let mut came = 0;
        while came + piece <= LIMIT {
            run.receive(&vec![b'a'; piece], now);
            assert!(matches!(run.next(now), Next::WaitUntil(_)));
            came += piece;
        }
        let mut last = vec![b'a'; piece];
        last.push(b'b'); // too late: it is beyond the limit
        run.receive(&last, now);
        let message = told(run.next(now), now);
        assert!(message.starts_with(said), "{message}");
        assert!(message.len() < 500, "{message}");
    }
}

#[test]
fn what_comes_up_to_the_limit_is_found() {
    let (mut run, now) = (run("expect b\nexpect c"), Instant::now());
    let input = [vec![b'a'; LIMIT - 1], vec![b'b'], vec![b'a'; LIMIT - 1], vec![b'c', b'd']].concat();
    run.receive(&input, now);
    assert_eq!(run.next(now), Next::Done);
}

#[test]
fn too_much_during_a_pause_is_said_during_the_pause() {
    let (mut run, now) = (run("wait 1s\nexpect a"), Instant::now());
    run.receive(&vec![b'a'; LIMIT], now);
    assert!(matches!(run.next(now), Next::WaitUntil(_)));
    run.receive(b"a", now);
    let message = told(run.next(now), now);
    let said = "line 1: expected nothing yet, but more than 1048576 bytes came that no step took; what came";
    assert!(message.starts_with(said), "{message}");
}

#[test]
fn what_was_taken_counts_no_more() {
    let piece = [vec![b'a'; LIMIT / 4], vec![b'b']].concat();
    let (mut run, now) = (run(&"expect b\n".repeat(40)), Instant::now());
    for _ in 0..39 {
        run.receive(&piece, now);
        assert!(matches!(run.next(now), Next::WaitUntil(_)));
    }
    run.receive(&piece, now);
    assert_eq!(run.next(now), Next::Done);
    assert!(run.input.capacity() <= LIMIT, "{}", run.input.capacity());
}

#[test]
fn memory_is_bounded_when_nobody_asks() {
    let now = Instant::now();
    for script in ["expect a\nexpect b", "wait 1s\nexpect a", "send x\nexpect a"] {
        let mut run = run(script);
        for _ in 0..200 {
            run.receive(&[b'a'; 1 << 16], now);
        }
        assert!(run.input.capacity() <= 4 * LIMIT, "{}", run.input.capacity());
        while let Next::Send(_) = run.next(now) {}
        // A step may not pass over the hole.
        let message = told(run.next(now), now);
        assert!(message.contains("but more than 1048576 bytes came that no step took"), "{message}");
    }
}

#[test]
fn a_flood_is_searched_once() {
    let (mut run, now) = (run("expect aaaaaaab"), Instant::now());
    for _ in 0..LIMIT {
        run.receive(b"a", now);
        assert!(matches!(run.next(now), Next::WaitUntil(_)));
        assert!(run.searched + 8 > run.input.len(), "what was searched is searched again");
    }
}

proptest! {
    #[test]
    fn the_outcome_does_not_depend_on_the_cuts(
        input in prop::collection::vec(prop::sample::select(&b"ab\r\n"[..]), 0..30),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        steps in prop::collection::vec(
            (prop::sample::select(&["expect", "expect-exactly", "expect-line"][..]), "[ab]{1,3}"), 1..4),
    ) {
        let script: String = steps.iter().map(|(step, text)| format!("{step} {text}\n")).collect();
        let now = Instant::now();
        let outcome = |pieces: &[&[u8]]| {
            let mut run = run(&script);
            for piece in pieces {
                run.receive(piece, now);
                run.next(now);
            }
            run.ended(now);
            let told = told(run.next(now), now);
            told.split(';').next().unwrap_or_default().to_owned()
        };
        let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        ends.extend([0, input.len()]);
        ends.sort_unstable();
        let pieces: Vec<_> = ends.windows(2).map(|ends| &input[ends[0]..ends[1]]).collect();
        let expected = outcome(&[&input]);
        prop_assert_eq!(outcome(&pieces), &expected[..]);
        prop_assert_eq!(outcome(&input.chunks(1).collect::<Vec<_>>()), &expected[..]);
    }
}
