//! The steps of a script, one a line. Empty lines, and lines that begin with `#`, are none.
//!
//! | step | meaning |
//! |---|---|
//! | `send TEXT`, `send-line TEXT` | sends the text; the text and CR LF |
//! | `expect TEXT` | the text must come, after what earlier steps took; what comes before it is skipped |
//! | `expect-exactly TEXT` | the very next bytes must be the text |
//! | `expect-line TEXT` | the next line, which ends with LF or CR LF, must be the text |
//! | `expect-end` | the peer must end, and nothing more come |
//! | `within TIME` | how long each of the expecting steps that follow may take; at first, 5s |
//! | `wait TIME` | pauses |
//! | `end` | closes our side; the peer may go on sending |
//!
//! A text is the rest of the line as it is, or quoted, with the escapes `\r \n \t \0 \xHH \\ \"`.

use std::time::Duration;

use super::text;
use crate::quantity;

/// A script that makes sense: nothing in it can be wrong any more but the peer.
#[derive(Debug)]
pub(crate) struct Script {
    pub(super) steps: Vec<Step>,
}

/// A step, and where it stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Counted from one.
    pub(super) line: usize,
    pub(super) action: Action,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Send(Vec<u8>),
    Expect(Vec<u8>),
    ExpectExactly(Vec<u8>),
    ExpectLine(Vec<u8>),
    ExpectEnd,
    Within(Duration),
    Wait(Duration),
    End,
}

impl Script {
    /// Reads a script. An error names the line, what is wrong with it, and what to do.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut steps: Vec<Step> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let (line, number) = (line.trim(), index + 1);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let step = Action::parse(line).and_then(|action| {
                steps.iter().try_for_each(|earlier| action.may_follow(earlier))?;
                Ok(Step { line: number, action })
            });
            steps.push(step.map_err(|error| format!("line {number}: {error}"))?);
        }
        if steps.is_empty() {
            return Err("the script has no steps; give at least one, such as `expect TEXT`".to_owned());
        }
        Ok(Self { steps })
    }
}

impl Action {
    fn parse(line: &str) -> Result<Self, String> {
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim_start();
        match name {
            "send" => some_text(name, rest).map(Self::Send),
            "send-line" => {
                let mut line = text::read(rest)?;
                line.extend_from_slice(b"\r\n");
                Ok(Self::Send(line))
            }
            "expect" => some_text(name, rest).map(Self::Expect),
            "expect-exactly" => some_text(name, rest).map(Self::ExpectExactly),
            "expect-line" => match text::read(rest)? {
                line if line.contains(&b'\n') => {
                    Err(format!("{name}: a line holds no \\n; give it a step of its own"))
                }
                line => Ok(Self::ExpectLine(line)),
            },
            "expect-end" => nothing(name, rest).map(|()| Self::ExpectEnd),
            "within" => match time(name, rest)? {
                Duration::ZERO => Err(format!("{name} {rest}: nothing can come in no time; give more")),
                time => Ok(Self::Within(time)),
            },
            "wait" => time(name, rest).map(Self::Wait),
            "end" => nothing(name, rest).map(|()| Self::End),
            _ => Err(format!("no such step: {name}; give one of {NAMES}")),
        }
    }

    /// Whether the step can do anything, after an earlier one.
    fn may_follow(&self, earlier: &Step) -> Result<(), String> {
        let line = earlier.line;
        match (&earlier.action, self) {
            (Self::End, Self::Send(_) | Self::End) => {
                Err(format!("our side was closed in line {line}; move this before it"))
            }
            (
                Self::ExpectEnd,
                Self::Expect(_) | Self::ExpectExactly(_) | Self::ExpectLine(_) | Self::ExpectEnd,
            ) => Err(format!(
                "nothing comes after the peer's end, expected in line {line}; move this before it"
            )),
            _ => Ok(()),
        }
    }
}

fn some_text(name: &str, rest: &str) -> Result<Vec<u8>, String> {
    match text::read(rest)? {
        text if text.is_empty() => Err(format!("{name}: no text; give one, such as {name} \"hello\\r\\n\"")),
        text => Ok(text),
    }
}

fn time(name: &str, rest: &str) -> Result<Duration, String> {
    let step = if rest.is_empty() { name } else { &format!("{name} {rest}") };
    quantity::duration(rest).map_err(|error| format!("{step}: {error}"))
}

fn nothing(name: &str, rest: &str) -> Result<(), String> {
    if rest.is_empty() { Ok(()) } else { Err(format!("{name}: nothing may follow; take `{rest}` out")) }
}

const NAMES: &str = "send, send-line, expect, expect-exactly, expect-line, expect-end, within, wait, end";

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Action {
        Script::parse(line).unwrap_or_else(|error| panic!("{line}: {error}")).steps.remove(0).action
    }

    #[test]
    fn every_step_is_read_as_it_is_described() {
        let bytes = |text: &str| text.as_bytes().to_vec();
        for (line, action) in [
            ("send hello", Action::Send(bytes("hello"))),
            (r#"send "hello\r\n""#, Action::Send(bytes("hello\r\n"))),
            (r#"send " a  ""#, Action::Send(bytes(" a  "))),
            ("  send \t a  b\t ", Action::Send(bytes("a  b"))),
            (r#"send "\0\t\\\"\x00\xfF\x7e""#, Action::Send(b"\0\t\\\"\x00\xff~".to_vec())),
            ("send привет", Action::Send(bytes("привет"))),
            ("send \"привет # no comment\"", Action::Send(bytes("привет # no comment"))),
            ("send say \"hi\"", Action::Send(bytes("say \"hi\""))),
            ("send-line hello", Action::Send(bytes("hello\r\n"))),
            ("send-line", Action::Send(bytes("\r\n"))),
            (r#"send-line """#, Action::Send(bytes("\r\n"))),
            (r#"send-line "a\n""#, Action::Send(bytes("a\n\r\n"))),
            ("expect 220", Action::Expect(bytes("220"))),
            ("expect-exactly 220 ready", Action::ExpectExactly(bytes("220 ready"))),
            ("expect-line Echo: hello", Action::ExpectLine(bytes("Echo: hello"))),
            ("expect-line", Action::ExpectLine(vec![])),
            ("expect-end", Action::ExpectEnd),
            ("within 1.5s", Action::Within(Duration::from_millis(1500))),
            ("wait 100ms", Action::Wait(Duration::from_millis(100))),
            ("end", Action::End),
        ] {
            assert_eq!(parsed(line), action, "{line}");
        }
    }

    #[test]
    fn a_step_knows_its_line() {
        let script = Script::parse("\n# first\r\nsend a\r\n\r\n   # second\n\texpect b").unwrap();
        let lines: Vec<_> = script.steps.iter().map(|step| step.line).collect();
        assert_eq!(lines, [3, 6]);
    }

    #[test]
    fn what_makes_no_sense_is_said_with_its_line_and_a_way_out() {
        for (text, said) in [
            ("", "the script has no steps; give at least one, such as `expect TEXT`"),
            ("# nothing\n\n", "the script has no steps; give at least one, such as `expect TEXT`"),
            ("send a\nexspect b", "line 2: no such step: exspect; give one of send, send-line, expect"),
            ("Send a", "line 1: no such step: Send; give one of"),
            ("send", "line 1: send: no text; give one, such as send \"hello\\r\\n\""),
            ("expect \"\"", "line 1: expect: no text; give one"),
            ("expect-exactly", "line 1: expect-exactly: no text; give one"),
            ("expect-line \"a\\nb\"", "line 1: expect-line: a line holds no \\n; give it a step of its own"),
            ("send a\\r\\n", "line 1: a backslash outside of quotes; put the text in quotes: \"a\\r\\n\""),
            ("send \"a", "line 1: a quote without an end; add one, or write \\\" for a quote in the text"),
            ("send \"a\\\"", "line 1: a quote without an end"),
            ("send \"a\\", "line 1: a quote without an end"),
            (
                "send \"a\" b",
                "line 1: ` b` after the closing quote; take it out, or write \\\" for a quote in the text",
            ),
            ("send \"\\q\"", "line 1: no such escape: \\q; give one of \\r \\n \\t \\0 \\xHH \\\\ \\\""),
            ("send \"\\x4\"", "line 1: \\x without two hexadecimal digits; give them, such as \\x0d"),
            ("send \"\\x+4\"", "line 1: \\x without two hexadecimal digits"),
            ("send \"\\xй\"", "line 1: \\x without two hexadecimal digits"),
            ("within", "line 1: within: not a duration; give a number with a unit"),
            ("within 2", "line 1: within 2: a duration without a unit; give"),
            ("wait soon", "line 1: wait soon: not a duration; give"),
            ("end now", "line 1: end: nothing may follow; take `now` out"),
            ("expect-end ok", "line 1: expect-end: nothing may follow; take `ok` out"),
            ("end\nexpect a\nsend b", "line 3: our side was closed in line 1; move this before it"),
            ("end\nend", "line 2: our side was closed in line 1; move this before it"),
            (
                "\nexpect-end\nwait 1s\nexpect b",
                "line 4: nothing comes after the peer's end, expected in line 2; move",
            ),
        ] {
            let error = Script::parse(text).expect_err(text);
            assert!(error.starts_with(said), "{text}: {error}");
        }
    }
}
