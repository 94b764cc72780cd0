//! What may be typed after `switchboard serve`, and what it means.

use std::time::Duration;

use clap::{ArgAction, Args};
use switchboard::net::Target;

use super::{Command, wrong_value};
use crate::choice::Choice;
use crate::error::Error;
use crate::quantity::{count, duration};
use crate::serve::Options;

/// Serve over TCP and Unix sockets: by default an echo, every client gets back what it sends.
///
/// One line on stdout tells the addresses, with the real ports. SIGINT (Ctrl-C) or SIGTERM ends it well: it stops
/// accepting, serves those who have come for the grace period at most, tells on stderr what it has done, and exits
/// with 0. A second signal ends it at once.
#[derive(Debug, Args)]
#[command(after_help = SERVE_EXAMPLES)]
pub(super) struct LowServe {
    /// Where to listen: IP:PORT, [IPV6]:PORT, HOST:PORT or unix:/path; port 0 takes a free one. May be given again
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000")]
    listen: Vec<String>,

    /// What to do for a client: echo, upper (capitals), line (`Echo: …` for each line), hello (and hang up),
    /// discard, or boom (an echo that fails at a line `boom`)
    #[arg(long, value_name = "NAME", default_value = "echo")]
    service: String,

    /// Send this first, exactly as it is, whatever the service
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    greeting: String,

    /// Serve at most so many at once, such as 500 or 10k; others wait until somebody leaves
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    limit: Option<String>,

    /// End connections over which nothing has gone for so long, such as 30s or 5m
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    idle_timeout: Option<String>,

    /// At the end, how long clients may go on, such as 500ms or 10s
    #[arg(long, value_name = "TIME", default_value = "2s", allow_hyphen_values = true)]
    grace: String,

    /// Serve on so many threads, with an event loop each
    #[arg(long, value_name = "N", default_value = "1", allow_hyphen_values = true)]
    threads: String,

    /// What tells which sockets are ready: auto (what SWITCHBOARD_ENGINE names, or else the best there is),
    /// epoll, poll, select, kqueue or devpoll; no system has them all
    #[arg(long, value_name = "ENGINE", default_value = "auto")]
    engine: String,

    /// Tell the start on stdout and the end on stderr as JSON, one object a line
    #[arg(long)]
    json: bool,

    /// Log more on stderr: -v connections, -vv everything
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
}

impl LowServe {
    pub(super) fn understand(self) -> Result<Command, Error> {
        let listen =
            |text: &String| text.parse::<Target>().map_err(|wrong| wrong_value("listen", text, wrong));
        let options = Options {
            listen: self.listen.iter().map(listen).collect::<Result<_, _>>()?,
            service: self.service.parse()?,
            greeting: self.greeting,
            limit: self.limit.as_deref().map(understand_limit).transpose()?,
            idle_timeout: self.idle_timeout.as_deref().map(understand_idle_timeout).transpose()?,
            grace: duration(&self.grace).map_err(|wrong| wrong_value("grace", &self.grace, wrong))?,
            threads: understand_threads(&self.threads)?,
            engine: self.engine.parse::<Choice>()?,
            json: self.json,
        };
        Ok(Command::Serve { options, verbosity: self.verbose })
    }
}

fn understand_limit(text: &str) -> Result<usize, Error> {
    match count(text) {
        Ok(0) => Err(wrong_value("limit", text, "nobody would be served; give 1 or more, or leave it out")),
        other => other.map_err(|wrong| wrong_value("limit", text, wrong)),
    }
}

fn understand_idle_timeout(text: &str) -> Result<Duration, Error> {
    match duration(text) {
        Ok(Duration::ZERO) => Err(wrong_value(
            "idle-timeout",
            text,
            "everybody would be idle at once; give more, or leave it out",
        )),
        other => other.map_err(|wrong| wrong_value("idle-timeout", text, wrong)),
    }
}

fn understand_threads(text: &str) -> Result<usize, Error> {
    match count(text) {
        Ok(number) if (1..=MOST_THREADS).contains(&number) => Ok(number),
        Ok(_) => Err(wrong_value("threads", text, format_args!("give 1 to {MOST_THREADS}"))),
        Err(wrong) => Err(wrong_value("threads", text, wrong)),
    }
}

const SERVE_EXAMPLES: &str = "\
Examples:
  switchboard serve                         # echo on 127.0.0.1:8000
  telnet 127.0.0.1 8000                     # in another terminal: what you type comes back
  echo hello | nc -N 127.0.0.1 8000         # the same without typing: send, end, read the echo
  switchboard serve --listen 0.0.0.0:7000   # for other machines, too
  switchboard serve --listen [::1]:0 --json # on a free port, which the first line of JSON tells
  switchboard serve --engine poll -v        # on poll(2), and log who connects
  switchboard serve --service line          # a welcome, and `Echo: …` for each line
  switchboard serve --service hello --greeting 'Hi! '
  switchboard serve --listen 127.0.0.1:8000 --listen unix:/tmp/echo.sock
  echo hello | nc -N -U /tmp/echo.sock      # over the Unix socket
  switchboard serve --limit 10k --idle-timeout 5m --grace 10s --threads 4

Exit codes:
  0      ended well, after a signal
  1      the network or the system refused
  2      wrong use
  128+n  ended at once, by a second signal n";

/// As many as the server takes.
const MOST_THREADS: usize = 48;
