//! What may be typed after `switchboard connect`, and what it means.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgAction, Args};
use switchboard::engine::Address;
use switchboard::net::Target;

use super::{Command, wrong_value};
use crate::choice::{Choice, shown};
use crate::connect::{Cut, LARGEST_DATAGRAM, Options, Script, Transport};
use crate::error::{Error, reason};
use crate::quantity::{count, duration};

/// Connect over TCP, UDP or to a Unix socket: what you type or pipe in is sent, what comes back is printed.
///
/// When stdin ends, the peer is told so (FIN), and reading goes on until the peer ends, too. When the peer ends first,
/// what stdin already holds is still sent: a file to its end, a pipe until it is silent for a second, a terminal not at
/// all. Bytes go through as they are, in both directions at once, however slow the peer or the reader of stdout is.
#[derive(Debug, Args)]
#[command(after_help = CONNECT_EXAMPLES)]
pub(super) struct LowConnect {
    /// Where to connect to: HOST PORT, or HOST:PORT, [IPV6]:PORT, unix:/path
    #[arg(value_name = "ADDR", num_args = 1..=2, required = true)]
    target: Vec<String>,

    /// Give up connecting after so long, such as 500ms or 1m, all of a host's addresses together
    #[arg(short = 'w', long, value_name = "TIME", default_value = "10s", allow_hyphen_values = true)]
    timeout: String,

    /// End with exit code 3 when nothing has gone either way for so long
    #[arg(short, long, value_name = "TIME", allow_hyphen_values = true)]
    idle_timeout: Option<String>,

    /// When the peer has ended, go on sending until stdin ends, however long it is silent
    #[arg(long)]
    keep_open: bool,

    /// Speak TELNET: answer its negotiations, and go by keys instead of lines if the peer wants that
    #[arg(short, long, conflicts_with = "udp")]
    telnet: bool,

    /// Send datagrams (UDP), one a line; when stdin has ended, wait until a second, or --idle-timeout, is silent
    #[arg(short, long)]
    udp: bool,

    /// With --udp, cut stdin into datagrams of so many bytes, instead of lines
    #[arg(long, value_name = "BYTES", requires = "udp", allow_hyphen_values = true)]
    datagram: Option<String>,

    /// Show what goes both ways as `hexdump -C` would, `>` what is sent and `<` what is received
    #[arg(short = 'x', long)]
    hex: bool,

    /// Send line ends as CR LF, as the protocols of the Internet want them; those that are CR LF stay
    #[arg(short = 'C', long)]
    crlf: bool,

    /// Follow a script instead of stdin, and end with exit code 3 where the peer does otherwise; see below
    #[arg(long, value_name = "FILE", conflicts_with_all = ["keep_open", "udp"])]
    expect: Option<PathBuf>,

    /// What tells which sockets are ready: auto (what SWITCHBOARD_ENGINE names, or else the best there is),
    /// uring, epoll, poll, select, kqueue or devpoll; no system has them all
    #[arg(long, value_name = "ENGINE", default_value = "auto")]
    engine: String,

    /// Tell how it ended on stderr as a JSON object: bytes sent and received, seconds, and why
    #[arg(long)]
    json: bool,

    /// Tell who ends our side: what is the default here. For those used to `nc -N`
    #[arg(short = 'N', hide = true)]
    no_effect: bool,

    /// Log more on stderr: -v the connection, -vv everything
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
}

impl LowConnect {
    pub(super) fn understand(self) -> Result<Command, Error> {
        let target = understand_target(&self.target)?;
        if self.udp && matches!(target, Target::Address(Address::Unix(_))) {
            return Err(Error::wrong_use(format_args!(
                "cannot send datagrams to {target}: it is a Unix socket; give HOST PORT, or leave out --udp"
            )));
        }
        let options = Options {
            target,
            timeout: understand_time("timeout", &self.timeout)?,
            idle_timeout: self
                .idle_timeout
                .as_deref()
                .map(|text| understand_time("idle-timeout", text))
                .transpose()?,
            keep_open: self.keep_open,
            transport: if self.udp {
                let size = self.datagram.as_deref().map(understand_datagram).transpose()?;
                Transport::Datagrams(Cut::of_size(size))
            } else {
                Transport::Stream
            },
            telnet: self.telnet,
            crlf: self.crlf,
            hex: self.hex,
            script: self.expect.as_deref().map(understand_script).transpose()?,
            engine: self.engine.parse::<Choice>()?,
            json: self.json,
        };
        Ok(Command::Connect { options, verbosity: self.verbose })
    }
}

fn understand_target(words: &[String]) -> Result<Target, Error> {
    let text = match words {
        [host, port] if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{port}"),
        [host, port] => format!("{host}:{port}"),
        other => other.concat(),
    };
    let wrong = |wrong: &dyn std::fmt::Display| {
        Error::wrong_use(format_args!("cannot understand the address {}: {wrong}", shown(&words.join(" "))))
    };
    let target: Target = text.parse().map_err(|error| wrong(&error))?;
    match &target {
        Target::Address(Address::Ip(ip)) if ip.port() == 0 => {
            Err(wrong(&"nobody can listen on port 0; give one from 1 to 65535"))
        }
        Target::Host { port: 0, .. } => Err(wrong(&"nobody can listen on port 0; give one from 1 to 65535")),
        _ => Ok(target),
    }
}

fn understand_time(name: &str, text: &str) -> Result<Duration, Error> {
    match duration(text) {
        Ok(Duration::ZERO) => Err(wrong_value(name, text, "nothing can be done in no time; give more")),
        other => other.map_err(|wrong| wrong_value(name, text, wrong)),
    }
}

fn understand_script(file: &Path) -> Result<Script, Error> {
    let wrong = |what: &dyn std::fmt::Display| {
        Error::wrong_use(format_args!("--expect {}: {what}", shown(&file.display().to_string())))
    };
    let text = std::fs::read_to_string(file).map_err(|error| {
        wrong(&format_args!("cannot be read: {}; give the file of a script", reason(&error)))
    })?;
    Script::parse(&text).map_err(|error| wrong(&error))
}

fn understand_datagram(text: &str) -> Result<usize, Error> {
    match count(text) {
        Ok(size) if (1..=LARGEST_DATAGRAM).contains(&size) => Ok(size),
        Ok(_) => Err(wrong_value("datagram", text, format_args!("give 1 to {LARGEST_DATAGRAM}"))),
        Err(wrong) => Err(wrong_value("datagram", text, wrong)),
    }
}

const CONNECT_EXAMPLES: &str = "\
Examples:
  switchboard connect 127.0.0.1 8000        # type lines; Ctrl-D ends our side, Ctrl-] opens a menu
  echo hello | switchboard connect 127.0.0.1:8000
  switchboard connect localhost 8000 <big.bin >back.bin
  switchboard connect unix:/tmp/echo.sock
  printf 'GET / HTTP/1.0\\n\\n' | switchboard connect --crlf example.com 80
  switchboard connect --telnet example.com 23
  echo ping | switchboard connect --udp --hex 127.0.0.1 8000
  switchboard connect 127.0.0.1 8000 --expect smoke.txt

A script for --expect, one step a line:
  # From here on, for each step that expects; at first it is 5s.
  within 2s
  expect-line Welcome!
  # Sends `hello` and CR LF, and skips what comes before the answer.
  send-line hello
  expect Echo: hello
  # Ends our side, and waits for the peer's end.
  end
  expect-end
Also: send TEXT, expect-exactly TEXT, wait TIME. A TEXT goes to the end of its line, or is quoted, with \\r \\n \\t \\0
\\xHH. With the last step the connection is closed: whatever is to be seen has to be expected.

When the reader of stdout has gone (`| head -1`), it ends at once, with exit code 0. Lines that were typed are kept in
memory only. No descriptor of the shell's is changed, and with --expect nothing is read from stdin.

Exit codes:
  0      ended in good order
  1      the network or the system refused: no such host, refused, no answer in time, reset
  2      wrong use
  3      --idle-timeout was over, or a step of --expect went wrong
  128+n  ended by signal n: 130 by Ctrl-C";
