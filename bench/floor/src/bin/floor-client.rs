//! `floor-client PORT`: the least that a load generator can do, on one thread and edge-triggered epoll(7).
//!
//! A closed loop: every connection has one message on the way, and sends the next when it has come back. One wait per
//! batch of events, one receive and one send per message. It looks at the clock twice, when it begins and when it ends
//! (a timer of the kernel tells it when), and keeps no latencies. It is what `switchboard load` is measured against.
//!
//! `--connections N` (50), `--size BYTES` (64), `--seconds S` (5) or `--messages N`, `--verify` compares every byte.
//! One line of JSON on stdout; whatever is wrong ends it with one line on stderr and the exit code 1, or 2 for wrong use.

use std::error::Error;
use std::net::{Ipv4Addr, TcpStream};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, Instant};
use std::{env, iter, mem};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use rustix::time::{timerfd_create, timerfd_settime};

struct Load {
    peers: Vec<Peer>,
    message: Vec<u8>,
    buffer: Vec<u8>,
    verify: bool,
    /// Messages that may still be sent.
    unsent: u64,
    /// Messages that have come back.
    done: u64,
}

struct Peer {
    socket: TcpStream,
    /// Bytes of the message that are still to be sent, and to be received.
    unsent: usize,
    awaited: usize,
}

impl Load {
    /// Goes on with a message until it would block, or the next one is on its way.
    fn go_on(&mut self, number: usize) -> Result<(), Errno> {
        let peer = &mut self.peers[number];
        if peer.unsent > 0 {
            peer.send(&self.message)?;
        }
        loop {
            let received = match recv(&peer.socket, &mut *self.buffer, RecvFlags::empty()) {
                Ok((0, _)) => return Err(Errno::CONNRESET),
                Ok((received, _)) => received,
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error),
            };
            // More than was sent came back, or not what was sent.
            let at = self.message.len() - peer.awaited;
            let expected = self.message.get(at..at + received).ok_or(Errno::BADMSG)?;
            if self.verify && expected != &self.buffer[..received] {
                return Err(Errno::BADMSG);
            }
            peer.awaited -= received;
            if peer.awaited == 0 {
                self.done += 1;
                return self.next(number);
            }
            if received < self.buffer.len() {
                return Ok(()); // a short read means drained
            }
        }
    }

    fn next(&mut self, number: usize) -> Result<(), Errno> {
        if self.unsent == 0 {
            return Ok(());
        }
        self.unsent -= 1;
        let peer = &mut self.peers[number];
        (peer.unsent, peer.awaited) = (self.message.len(), self.message.len());
        peer.send(&self.message)
    }
}

impl Peer {
    fn send(&mut self, message: &[u8]) -> Result<(), Errno> {
        while self.unsent > 0 {
            match send(&self.socket, &message[message.len() - self.unsent..], SendFlags::NOSIGNAL) {
                Ok(sent) => self.unsent -= sent,
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

const TIMER: u64 = u64::MAX;
const EDGES: EventFlags = EventFlags::IN.union(EventFlags::OUT).union(EventFlags::ET);
const USE: &str =
    "use: floor-client PORT [--connections N] [--size BYTES] [--seconds S | --messages N] [--verify]";

struct Options {
    port: u16,
    connections: usize,
    size: usize,
    seconds: f64,
    messages: Option<u64>,
    verify: bool,
}

fn main() -> ExitCode {
    let (message, code) = match Options::of(env::args().skip(1)) {
        Ok(options) => match run(options) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => (error.to_string(), 1),
        },
        Err(message) => (message, 2),
    };
    eprintln!("floor-client: {message}");
    ExitCode::from(code)
}

impl Options {
    fn of(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let port = arguments.next().ok_or(USE)?;
        let port = number(&port, "PORT")?;
        let mut options =
            Self { port, connections: 50, size: 64, seconds: 5.0, messages: None, verify: false };
        while let Some(option) = arguments.next() {
            if option == "--verify" {
                options.verify = true;
                continue;
            }
            let value = arguments.next().ok_or(USE)?;
            match option.as_str() {
                "--connections" => options.connections = number(&value, &option)?,
                "--size" => options.size = number(&value, &option)?,
                "--seconds" => options.seconds = number(&value, &option)?,
                "--messages" => options.messages = Some(number(&value, &option)?),
                _ => return Err(USE.to_owned()),
            }
        }
        let Self { connections, size, seconds, messages, .. } = options;
        // A duration of more than a year is none, nor is one that is no number.
        if connections == 0 || size == 0 || messages == Some(0) || !(seconds > 0.0 && seconds < 3e7) {
            return Err("connections, size, seconds and messages must be more than 0".to_owned());
        }
        Ok(options)
    }
}

fn number<T: FromStr>(text: &str, what: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("'{text}' is not a number that fits {what}"))
}

fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let Options { port, connections, size, seconds, messages, verify } = options;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let mut peers = Vec::with_capacity(connections);
    for number in 0..connections as u64 {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .map_err(|error| format!("cannot connect to 127.0.0.1:{port}: {error}"))?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        epoll::add(&epoll, &socket, EventData::new_u64(number), EDGES)?;
        peers.push(Peer { socket, unsent: 0, awaited: 0 });
    }
    let message = iter::successors(Some(1_u8), |last| Some(last.wrapping_mul(5).wrapping_add(1))).take(size);
    let unsent = messages.unwrap_or(u64::MAX);
    let buffer = vec![0; 64 * 1024];
    let mut load = Load { peers, message: message.collect(), buffer, verify, unsent, done: 0 };

    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
    if messages.is_none() {
        let it_value = Timespec::try_from(Duration::from_secs_f64(seconds))?;
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN)?;
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval, it_value })?;
    }
    let (begin, used) = (Instant::now(), processor_time());
    exchange(&epoll, &mut load, messages.unwrap_or(u64::MAX))?;
    let (seconds, ending) = (begin.elapsed().as_secs_f64(), processor_time());
    println!(
        "{{\"connections\": {connections}, \"size\": {size}, \"messages\": {}, \"seconds\": {seconds:.6}, \
         \"messages_per_second\": {:.1}, \"user_seconds\": {:.6}, \"system_seconds\": {:.6}}}",
        load.done,
        load.done as f64 / seconds,
        ending.0 - used.0,
        ending.1 - used.1
    );
    Ok(())
}

/// Until so many messages have come back, or the timer is over.
fn exchange(epoll: &impl rustix::fd::AsFd, load: &mut Load, messages: u64) -> Result<(), Box<dyn Error>> {
    let mut events = Vec::with_capacity(256);
    for number in 0..load.peers.len() {
        load.next(number)?;
    }
    while load.done < messages {
        events.clear();
        match epoll::wait(epoll, spare_capacity(&mut events), None) {
            Err(Errno::INTR) => continue,
            result => result?,
        };
        for event in &events {
            match event.data.u64() {
                TIMER => return Ok(()),
                number => load
                    .go_on(number as usize)
                    .map_err(|error| format!("connection {number}: {error}, after {} messages", load.done))?,
            }
        }
    }
    Ok(())
}

/// Seconds that this process has spent, in user space and in the kernel.
fn processor_time() -> (f64, f64) {
    // SAFETY: all of it are integers, of which zero is one.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: it writes one `rusage`, and fails only if it is asked for another's.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    (seconds(usage.ru_utime), seconds(usage.ru_stime))
}
