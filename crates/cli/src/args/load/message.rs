//! What is sent and what is expected, as it may be typed.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;

use super::super::wrong_value;
use super::{Expect, Transport};
use crate::choice::shown;
use crate::connect::LARGEST_DATAGRAM;
use crate::error::{Error, reason};
use crate::load::Message;
use crate::quantity::size;

/// The arguments of it.
#[derive(Debug, Args)]
pub(super) struct LowMessage {
    /// How long a message is, such as 64 or 16KiB
    #[arg(short, long, value_name = "SIZE", default_value = "64", allow_hyphen_values = true)]
    size: String,

    /// Send this, always the same; \n \r \t \0 \xHH and \\ are what they are elsewhere
    #[arg(id = "text", long = "message", value_name = "TEXT", allow_hyphen_values = true, conflicts_with_all = ["size", "message_file"])]
    text: Option<String>,

    /// Send what is in this file, exactly as it is
    #[arg(long, value_name = "FILE", conflicts_with = "size")]
    message_file: Option<PathBuf>,

    /// What comes back: echo (the same), upper (the same in capitals), line (a line that ends with it, after any welcome) or none
    #[arg(long, value_name = "ANSWER", default_value = "echo")]
    expect: String,

    /// Compare every byte that comes back: what is done anyway
    #[arg(long, overrides_with = "no_verify")]
    verify: bool,

    /// Only count what comes back
    #[arg(long, overrides_with = "verify")]
    no_verify: bool,
}

impl LowMessage {
    pub(super) fn understand(&self, transport: Transport) -> Result<Message, Error> {
        let expect =
            self.expect.parse::<Expect>().map_err(|wrong| wrong_value("expect", &self.expect, wrong))?;
        let is_datagram = transport == Transport::Datagrams;
        if is_datagram && expect == Expect::Line {
            return Err(wrong_value(
                "expect",
                &self.expect,
                "datagrams are no lines; give echo, upper or none",
            ));
        }
        let most = if is_datagram { LARGEST_DATAGRAM } else { LONGEST };
        let verify = !self.no_verify;
        if let Some(file) = &self.message_file {
            let wrong = |what: String| {
                Error::wrong_use(format_args!(
                    "--message-file {}: {what}",
                    shown(&file.display().to_string())
                ))
            };
            let text = read(file, most).and_then(|text| check(text, expect, most)).map_err(wrong)?;
            return Ok(Message::fixed(text, expect, verify));
        }
        if let Some(text) = &self.text {
            let read = unescaped(text).and_then(|text| check(text, expect, most));
            let read = read.map_err(|wrong| wrong_value("message", text, wrong))?;
            return Ok(Message::fixed(read, expect, verify));
        }
        let size = size(&self.size).and_then(|size| match size {
            0 => Err("nothing would be sent; give 1 or more".to_owned()),
            1 | 2 if expect == Expect::Line => Err("a line is a byte and its end; give 3 or more".to_owned()),
            _ if size > most && is_datagram => Err(format!("no datagram is as long; give at most {most}")),
            _ if size > most => Err("too long a message; give at most 64MiB".to_owned()),
            _ => Ok(size),
        });
        let size = size.map_err(|wrong| wrong_value("size", &self.size, wrong))?;
        Ok(Message::of_size(size, expect, verify))
    }
}

/// No more than shows that it is too long: a device may have no end.
fn read(file: &Path, most: usize) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    File::open(file)
        .and_then(|file| file.take(most as u64 + 1).read_to_end(&mut text))
        .map_err(|error| format!("cannot be read: {}; give the file of a message", reason(&error)))?;
    Ok(text)
}

fn check(text: Vec<u8>, expect: Expect, most: usize) -> Result<Vec<u8>, String> {
    let line = text.strip_suffix(b"\n").unwrap_or(&text);
    if text.is_empty() {
        Err("nothing would be sent; give at least a byte".to_owned())
    } else if text.len() > most {
        Err(format!("too long a message; give at most {most} bytes"))
    } else if expect == Expect::Line && line.contains(&b'\n') {
        Err("several lines, and an answer is one; give a line, or another with --expect".to_owned())
    } else if expect == Expect::Line && line.trim_ascii_end().is_empty() {
        Err("every line ends with an empty one; give more, or another with --expect".to_owned())
    } else {
        Ok(text)
    }
}

/// A text with escapes, as bytes.
fn unescaped(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut left = text.chars();
    while let Some(letter) = left.next() {
        if letter != '\\' {
            bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        bytes.push(match left.next() {
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('t') => b'\t',
            Some('0') => 0,
            Some('\\') => b'\\',
            Some('x') => {
                let digits: String = left.by_ref().take(2).collect();
                let is_number = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                let byte = u8::from_str_radix(&digits, 16).ok().filter(|_| is_number);
                byte.ok_or("\\x without two hexadecimal digits; give them, such as \\x0d")?
            }
            other => {
                let other = other.map(String::from).unwrap_or_default();
                return Err(format!("no such escape: \\{other}; give one of \\n \\r \\t \\0 \\xHH \\\\"));
            }
        });
    }
    Ok(bytes)
}

/// Of a message on a stream: more is not a message, and would not fit into memory for each connection.
const LONGEST: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_the_bytes_they_stand_for() {
        for (text, bytes) in [
            ("PING\\r\\n", &b"PING\r\n"[..]),
            ("\\x00\\xff\\t\\\\", b"\0\xff\t\\"),
            ("да", "да".as_bytes()),
            ("\\0\"", b"\0\""),
        ] {
            assert_eq!(unescaped(text).as_deref(), Ok(bytes), "{text}");
        }
        for (text, said) in [
            ("\\", "no such escape: \\;"),
            ("\\q", "no such escape: \\q;"),
            ("\\x1", "\\x without two"),
            ("\\x+1", "\\x without two"),
            ("\\xgg", "\\x without two"),
        ] {
            let error = unescaped(text).expect_err(text);
            assert!(error.starts_with(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_message_is_one_that_can_be_answered() {
        assert!(check(b"a\nb".to_vec(), Expect::Echo, 3).is_ok());
        for (text, expect, said) in [
            (&b""[..], Expect::Echo, "nothing would be sent"),
            (b"abcd", Expect::Echo, "too long a message; give at most 3 bytes"),
            (b"a\nb", Expect::Line, "several lines"),
            (b"\r\n", Expect::Line, "every line ends with"),
        ] {
            let error = check(text.to_vec(), expect, 3).expect_err("it is none");
            assert!(error.starts_with(said), "{error}");
        }
    }
}
