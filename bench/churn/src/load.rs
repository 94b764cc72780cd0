//! The clients: so many connections at a time, each replaced by a new one as soon as it has ended, on one thread.
//!
//! Sockets are blocking, and epoll(7) says which of them has something to read, so that no client waits for another.
//! Each checks what comes back. The first failure ends the load: a number that leaves somebody out would be none.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;

use crate::{GREETING, Scenario};

/// A connection under way.
struct Talk {
    stream: TcpStream,
    scenario: Scenario,
    /// What the client expects, and how much of it has come.
    expected: [u8; GREETING.len()],
    received: usize,
}

/// Makes so many connections, so many at a time: all of them, or it fails.
pub(crate) fn make(port: u16, scenario: Scenario, clients: usize, connections: u64) -> io::Result<()> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let mut numbers = 0..connections;
    let mut talks: Vec<Option<Talk>> = Vec::new();
    for place in 0..clients {
        let talk = numbers.next().map(|number| Talk::begin(port, scenario, number, &epoll, place));
        talks.push(talk.transpose()?);
    }
    let mut events = Vec::with_capacity(clients.max(1));
    while talks.iter().any(Option::is_some) {
        events.clear();
        match epoll::wait(&epoll, spare_capacity(&mut events), Some(&PATIENCE)) {
            Ok(0) => return Err(io::Error::other("the server has nothing to say")),
            Err(Errno::INTR) => continue,
            result => result?,
        };
        for event in &events {
            let place = event.data.u64() as usize;
            if let Some(talk) = &mut talks[place]
                && talk.go_on()?
            {
                talks[place] = None; // closed before the next one begins
                if let Some(number) = numbers.next() {
                    talks[place] = Some(Talk::begin(port, scenario, number, &epoll, place)?);
                }
            }
        }
    }
    Ok(())
}

impl Talk {
    fn begin(port: u16, scenario: Scenario, number: u64, epoll: &OwnedFd, place: usize) -> io::Result<Self> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        let mut expected = GREETING;
        if scenario == Scenario::Echo {
            expected[..8].copy_from_slice(&number.to_le_bytes());
            stream.write_all(&expected)?;
        }
        epoll::add(epoll, &stream, EventData::new_u64(place as u64), EventFlags::IN)?;
        Ok(Self { stream, scenario, expected, received: 0 })
    }

    /// Reads once what is there, and says whether that was all.
    fn go_on(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 2 * GREETING.len()];
        let count = self.stream.read(&mut buffer)?;
        let rest = &self.expected[self.received..];
        if !rest.starts_with(&buffer[..count]) {
            return Err(io::Error::other("what comes back is not what should"));
        }
        self.received += count;
        match self.scenario {
            Scenario::Echo if count == 0 => Err(io::Error::other("the server ends first")),
            Scenario::Echo => Ok(self.received == self.expected.len()),
            Scenario::Greet if count == 0 && self.received < self.expected.len() => {
                Err(io::Error::other("the server ends before it has said all"))
            }
            Scenario::Greet => Ok(count == 0),
        }
    }
}

/// How long the clients wait for what takes microseconds.
const PATIENCE: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };
