//! What may be typed after `switchboard serve`, and what it means.

use std::thread::available_parallelism;
use std::time::Duration;

use clap::{ArgAction, Args};
use switchboard::Address;
use switchboard::net::Target;

use super::faults::LowFaults;
use super::{Command, understand_time, wrong_value};
use crate::choice::Choice;
use crate::error::Error;
use crate::explain::Explain;
use crate::ladder::Model;
use crate::quantity::{count, size};
use crate::serve::options::Options;
use crate::service::TimeOfDay;

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

    /// Serve datagrams, rather than connections: echo, upper, hello, discard, chargen, daytime or time. For the open net
    /// it is not: the answer goes to whoever a datagram says it is from
    #[arg(long)]
    udp: bool,

    /// How to wait for the sockets: blocking (one client at a time), threads (one for each client), processes (likewise),
    /// polling (ask them in turn), buffered (the same, and listen while answers wait), select (be told of up to 1024),
    /// poll (of any number), epoll (of those that change), callbacks (an event loop calls back), or tasks (a task for
    /// each client, on an event loop)
    #[arg(long, value_name = "MODEL", default_value = "tasks")]
    model: String,

    /// What to do for a client: echo, upper (capitals), line (`Echo: …` for each line), hello (and hang up),
    /// discard, chargen (characters without end), daytime, time, or boom (an echo that fails at a line `boom`)
    #[arg(long, value_name = "NAME", default_value = "echo")]
    service: String,

    /// Send this first, exactly as it is, whatever the service
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    greeting: String,

    /// Receive at most so many bytes at once, such as 2 or 64KiB [default: 16KiB; with --udp 65535, all there can be in a
    /// datagram]
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    read_size: Option<String>,

    /// How many who have connected may wait in the system's queue to be accepted
    #[arg(long, value_name = "N", default_value = "1024", allow_hyphen_values = true)]
    backlog: String,

    /// Serve at most so many at once, such as 500 or 10k; others wait until somebody leaves
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    limit: Option<String>,

    /// End connections over which nothing has gone for so long, such as 30s or 5m
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    idle_timeout: Option<String>,

    /// End, in good order, when nobody is served and nobody has come for so long, such as 5s; of models that block
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    accept_timeout: Option<String>,

    /// Pause for so long between two rounds of a model that polls
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pause: Option<String>,

    /// At the end, how long clients may go on, such as 500ms or 10s
    #[arg(long, value_name = "TIME", default_value = "2s", allow_hyphen_values = true)]
    grace: String,

    /// Serve on so many threads, with an event loop each; auto: one for each core
    #[arg(long, value_name = "N", default_value = "1", allow_hyphen_values = true)]
    threads: String,

    /// What tells an event loop which sockets are ready: auto (what SWITCHBOARD_ENGINE names, or else the best there
    /// is), uring, epoll, poll, select, kqueue or devpoll; no system has them all
    #[arg(long, value_name = "ENGINE", default_value = "auto")]
    engine: String,

    #[command(flatten)]
    faults: LowFaults,

    /// Say on stderr, as it happens, what the model does, and who waits for what
    #[arg(long)]
    explain: bool,

    /// Tell the start on stdout and the end on stderr as JSON, one object a line
    #[arg(long)]
    json: bool,

    /// What the model processes tells its processes.
    #[arg(long, hide = true)]
    child: bool,

    /// Log more on stderr: -v connections, -vv everything
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
}

impl LowServe {
    pub(super) fn understand(self) -> Result<Command, Error> {
        let listen =
            |text: &String| text.parse::<Target>().map_err(|wrong| wrong_value("listen", text, wrong));
        let model = self.model.parse::<Model>()?;
        let options = Options {
            listen: self.listen.iter().map(listen).collect::<Result<_, _>>()?,
            udp: self.udp,
            backlog: understand_backlog(&self.backlog)?,
            model,
            service: self.service.parse()?,
            greeting: self.greeting,
            faults: self.faults.understand()?,
            read_size: match &self.read_size {
                Some(text) => understand_read_size(text)?,
                None if self.udp => LONGEST_DATAGRAM,
                None => READ_SIZE,
            },
            limit: self.limit.as_deref().map(understand_limit).transpose()?,
            idle_timeout: self.idle_timeout.as_deref().map(understand_idle_timeout).transpose()?,
            accept_timeout: self.accept_timeout.as_deref().map(understand_accept_timeout).transpose()?,
            pause: self.pause.as_deref().map(|text| understand_time("pause", text)).transpose()?,
            grace: understand_time("grace", &self.grace)?,
            threads: understand_threads(&self.threads)?,
            engine: self.engine.parse::<Choice>()?,
            explain: Explain(self.explain),
            json: self.json,
            child: self.child,
            time: TimeOfDay::Now,
            gauge: None,
        };
        check(&options)?;
        Ok(Command::Serve { options, verbosity: self.verbose })
    }
}

/// Whether each option means something to the model.
fn check(options: &Options) -> Result<(), Error> {
    let Options { model, .. } = options;
    let name = model.name();
    if !model.has_event_loop() && options.engine != Choice::Auto {
        let engine = options.engine.name();
        return Err(wrong_value(
            "engine",
            engine,
            format_args!(
                "the model {name} has no event loop that could run on it; give --model callbacks or tasks"
            ),
        ));
    }
    if !model.has_event_loop() && options.threads > 1 {
        return Err(wrong_value(
            "threads",
            &options.threads.to_string(),
            format_args!(
                "the model {name} has no event loop to have one on each; give --model callbacks or tasks"
            ),
        ));
    }
    if !model.polls() && options.pause.is_some() {
        return Err(Error::wrong_use(format_args!(
            "--pause: the model {name} waits until there is something to do; give --model polling or buffered"
        )));
    }
    if !model.blocks() && options.accept_timeout.is_some() {
        return Err(Error::wrong_use(format_args!(
            "--accept-timeout: the model {name} does not block in accept; give --model blocking, threads or processes"
        )));
    }
    if options.udp { check_datagrams(options) } else { Ok(()) }
}

/// Whether each option means something to datagrams.
fn check_datagrams(options: &Options) -> Result<(), Error> {
    let Options { service, model, .. } = options;
    let connections_only = [
        (options.limit.is_some(), "limit", "nobody stays, so that there is nobody to count"),
        (options.idle_timeout.is_some(), "idle-timeout", "nobody stays, so that nobody can be idle"),
        (!options.greeting.is_empty(), "greeting", "there is no connection that could begin with it"),
        (options.threads > 1, "threads", "all of them come to one socket, and one thread answers them"),
    ];
    let unfit =
        connections_only.into_iter().find_map(|(is_there, name, why)| is_there.then_some((name, why)));
    let fault = options.faults.name().map(|name| (name, "faults are those of connections"));
    if let Some((name, why)) = unfit.or(fault) {
        return Err(Error::wrong_use(format_args!("--{name}: with datagrams {why}; leave it out, or --udp")));
    }
    if !service.fits_datagrams() {
        return Err(Error::wrong_use(format_args!(
            "--udp: the service {} is made of lines, which datagrams are not; give another with --service",
            service.name()
        )));
    }
    if !model.serves_datagrams() {
        return Err(Error::wrong_use(format_args!(
            "--udp: the model {} is one of serving connections; give --model tasks",
            model.name()
        )));
    }
    if let Some(target) =
        options.listen.iter().find(|target| matches!(target, Target::Address(Address::Unix(_))))
    {
        return Err(wrong_value(
            "listen",
            &target.to_string(),
            "datagrams are served over UDP; give IP:PORT, or leave out --udp",
        ));
    }
    Ok(())
}

pub(super) fn understand_limit(text: &str) -> Result<usize, Error> {
    match count(text) {
        Ok(0) => Err(wrong_value("limit", text, "nobody would be served; give 1 or more, or leave it out")),
        other => other.map_err(|wrong| wrong_value("limit", text, wrong)),
    }
}

pub(super) fn understand_idle_timeout(text: &str) -> Result<Duration, Error> {
    match understand_time("idle-timeout", text)? {
        Duration::ZERO => Err(wrong_value(
            "idle-timeout",
            text,
            "everybody would be idle at once; give more, or leave it out",
        )),
        time => Ok(time),
    }
}

fn understand_accept_timeout(text: &str) -> Result<Duration, Error> {
    match understand_time("accept-timeout", text)? {
        Duration::ZERO => Err(wrong_value(
            "accept-timeout",
            text,
            "nobody would have the time to come; give more, or leave it out",
        )),
        time => Ok(time),
    }
}

pub(super) fn understand_read_size(text: &str) -> Result<usize, Error> {
    match size(text) {
        Ok(0) => Err(wrong_value("read-size", text, "nothing would be received; give 1 or more")),
        Ok(size) if size > MOST_READ => Err(wrong_value("read-size", text, "too much; give at most 16MiB")),
        other => other.map_err(|wrong| wrong_value("read-size", text, wrong)),
    }
}

fn understand_backlog(text: &str) -> Result<u32, Error> {
    match count(text).map(u32::try_from) {
        Ok(Ok(backlog)) if backlog <= MOST_BACKLOG => Ok(backlog),
        Ok(_) => Err(wrong_value("backlog", text, format_args!("give at most {MOST_BACKLOG}"))),
        Err(wrong) => Err(wrong_value("backlog", text, wrong)),
    }
}

pub(super) fn understand_threads(text: &str) -> Result<usize, Error> {
    if text == "auto" {
        return Ok(available_parallelism().map_or(1, |cores| cores.get().min(MOST_THREADS)));
    }
    match count(text) {
        Ok(number) if (1..=MOST_THREADS).contains(&number) => Ok(number),
        Ok(_) => Err(wrong_value("threads", text, format_args!("give 1 to {MOST_THREADS}, or auto"))),
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
  switchboard serve --model blocking --service hello --delay 5s --explain # connect twice, and see who waits
  switchboard serve --model polling --pause 10ms --explain
  switchboard serve --udp --service upper   # datagrams
  switchboard serve --service hello --delay 5s # a client that hurries finds out
  switchboard serve --limit 10k --idle-timeout 5m --grace 10s --threads 4

Exit codes:
  0      ended well, after a signal
  1      the network or the system refused
  2      wrong use
  128+n  ended at once, by a second signal n";

/// For connections, if nothing else is asked for.
const READ_SIZE: usize = 16 << 10;

/// What the length field of UDP has room for (RFC 768).
const LONGEST_DATAGRAM: usize = 65_535;

/// As many as the server takes.
const MOST_THREADS: usize = 48;

/// The buffer is there once for all clients on some models, and once for each on others.
const MOST_READ: usize = 16 << 20;

/// What listen(2) takes is an int.
const MOST_BACKLOG: u32 = i32::MAX as u32;
