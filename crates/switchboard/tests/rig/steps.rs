//! The steps most bodies begin with: listeners, pairs, full buffers; and shorter words for operations.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::time::Duration;

use switchboard::engine::{
    Address, Close, Direction, Done, Engine, Fact, Failed, Fault, Lease, Listen, Op, Plan, Question, Setting,
    Socket, Ticket,
};

use super::{ReservedPort, Rig, may_happen};

impl Rig {
    /// A listener on this machine, and where it listens.
    pub(crate) fn listener(&mut self) -> (Socket, Address) {
        let listener = self.open(Plan::Listen(Listen::at(anywhere()))).unwrap();
        let address = self.local(listener);
        (listener, address)
    }

    /// An address where nobody listens, as long as the rig lives.
    pub(crate) fn nobody(&mut self) -> Address {
        let port = ReservedPort::new();
        let address = port.address().into();
        self.reserved.push(port);
        address
    }

    pub(crate) fn local(&mut self, socket: Socket) -> Address {
        match self.ask(socket, Question::Local).unwrap() {
            Fact::Address(address) => address,
            other => panic!("{other:?} is no address"),
        }
    }

    pub(crate) fn stream(&mut self) -> Socket {
        self.open(Plan::Stream { like: anywhere() }).unwrap()
    }

    pub(crate) fn datagrams(&mut self) -> (Socket, Address) {
        let socket = self.open(Plan::Datagram { bind: anywhere() }).unwrap();
        let address = self.local(socket);
        (socket, address)
    }

    /// A stream connected to this listener, not accepted yet.
    pub(crate) fn client_of(&mut self, address: &Address) -> Socket {
        let client = self.stream();
        match self.run(Op::Connect { socket: client, to: address.clone() }) {
            Ok(Done::Connected) => client,
            other => panic!("cannot connect to {address}: {other:?}"),
        }
    }

    /// Two connected streams: who connected, who was accepted.
    pub(crate) fn pair(&mut self) -> (Socket, Socket) {
        let (listener, address) = self.listener();
        let client = self.client_of(&address);
        let (server, _) = self.accept(listener);
        self.close(listener, Close::Now);
        (client, server)
    }

    pub(crate) fn accept(&mut self, socket: Socket) -> (Socket, Address) {
        accepted(self.run(Op::Accept { socket, wait: true }))
    }

    pub(crate) fn recv(&mut self, socket: Socket, max: usize) -> Vec<u8> {
        bytes(self.run(recv(socket, max)))
    }

    /// Receives this and nothing else, with room for so many bytes: in one piece, unless faults tear it.
    #[track_caller]
    pub(crate) fn hear(&mut self, socket: Socket, max: usize, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        let mut heard = self.recv(socket, max);
        while may_happen(Fault::Short) && heard.len() < text.len() && text.starts_with(&heard) {
            heard.extend(self.recv(socket, max - heard.len()));
        }
        assert_eq!(heard, text);
    }

    /// Receives so many bytes, or what there is until the end.
    pub(crate) fn recv_all(&mut self, socket: Socket, wanted: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < wanted {
            let part = self.recv(socket, wanted - all.len());
            if part.is_empty() {
                break;
            }
            all.extend(part);
        }
        all
    }

    pub(crate) fn recv_to_end(&mut self, socket: Socket) -> Vec<u8> {
        self.recv_all(socket, usize::MAX)
    }

    pub(crate) fn send(&mut self, socket: Socket, text: &[u8]) {
        match self.run(send(socket, text)) {
            Ok(Done::Sent { bytes, .. }) => assert_eq!(bytes, text.len()),
            other => panic!("cannot send: {other:?}"),
        }
    }

    pub(crate) fn send_to(&mut self, socket: Socket, to: &Address, text: &[u8]) {
        match self.run(Op::SendTo { socket, to: to.clone(), part: text.into() }) {
            Ok(Done::Sent { bytes, .. }) => assert_eq!(bytes, text.len()),
            other => panic!("cannot send to {to}: {other:?}"),
        }
    }

    pub(crate) fn shut(&mut self, socket: Socket, how: Shutdown) {
        match self.run(Op::Shutdown { socket, how }) {
            Ok(Done::Shutdown) => {}
            other => panic!("cannot shut down: {other:?}"),
        }
    }

    /// Waits until there is something to receive or accept, and leaves it there.
    pub(crate) fn arrival(&mut self, socket: Socket) {
        match self.run(ready(socket, Direction::Read)) {
            Ok(Done::Ready) => {}
            other => panic!("cannot wait until ready: {other:?}"),
        }
    }

    /// Makes a stream's buffers small, so that a little fills them.
    pub(crate) fn make_small(&mut self, socket: Socket) {
        self.set(socket, Setting::SendBuffer(4096)).unwrap();
        self.set(socket, Setting::ReceiveBuffer(4096)).unwrap();
    }

    /// Sends zeros until nothing more fits, for good. Returns how many.
    ///
    /// What the kernel has on its way makes room again when it arrives, and a busy machine takes its time; the
    /// peer's acknowledgement of the last of it may be delayed by 40 ms (tcp(7), `TCP_QUICKACK`).
    pub(crate) fn fill(&mut self, socket: Socket) -> usize {
        let zeros = [0; 4096];
        let mut filled = 0;
        let mut still_since = self.clock();
        loop {
            // The last attempt must be that late, not what comes after it.
            let at = self.clock();
            match self.try_send(socket, &[IoSlice::new(&zeros)]) {
                Ok(count) => {
                    filled += count;
                    still_since = self.clock();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && at >= still_since + STILL => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let soon = self.clock() + STILL / 10;
                    self.turn(Some(soon));
                }
                Err(error) => panic!("cannot fill: {error}"),
            }
        }
        filled
    }

    /// Lets this process get a signal.
    pub(crate) fn raise(&mut self, number: i32) {
        if let Some(network) = &self.network {
            return network.raise(number);
        }
        let signal = rustix::process::Signal::from_named_raw(number).expect("a signal with a name");
        rustix::process::kill_process(rustix::process::getpid(), signal).unwrap();
    }

    /// Breaks a connection from the far end, and waits until the near end knows.
    pub(crate) fn reset_by(&mut self, peer: Socket, near: Socket) {
        self.close(peer, Close::Reset);
        self.arrival(near);
    }
}

pub(crate) fn recv(socket: Socket, max: usize) -> Op {
    Op::Recv { socket, max, peek: false }
}

pub(crate) fn peek(socket: Socket, max: usize) -> Op {
    Op::Recv { socket, max, peek: true }
}

pub(crate) fn send(socket: Socket, text: &[u8]) -> Op {
    Op::Send { socket, parts: vec![text.into()] }
}

pub(crate) fn accept(socket: Socket) -> Op {
    Op::Accept { socket, wait: true }
}

pub(crate) fn ready(socket: Socket, direction: Direction) -> Op {
    Op::Ready { socket, direction }
}

/// The bytes that were received.
#[track_caller]
pub(crate) fn bytes(outcome: Result<Done, Failed>) -> Vec<u8> {
    match outcome {
        Ok(Done::Received { lease }) => lease.to_vec(),
        other => panic!("no bytes, but: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn accepted(outcome: Result<Done, Failed>) -> (Socket, Address) {
    match outcome {
        Ok(Done::Accepted { socket, peer }) => (socket, peer),
        other => panic!("no connection, but: {other:?}"),
    }
}

/// The bytes of a datagram, and whether it was cut.
#[track_caller]
pub(crate) fn datagram(outcome: Result<Done, Failed>) -> (Vec<u8>, bool) {
    match outcome {
        Ok(Done::Datagram { lease, truncated, .. }) => (lease.to_vec(), truncated),
        other => panic!("no datagram, but: {other:?}"),
    }
}

/// Bytes that are not easily mistaken for others of the same stream.
pub(crate) fn pattern(from: usize, count: usize) -> Vec<u8> {
    (from..from + count).map(|at| (at * 31 + at / 251 * 7 + at / 65_521) as u8).collect()
}

/// Port 0 of this machine.
pub(crate) fn anywhere() -> Address {
    "127.0.0.1:0".parse().unwrap()
}

/// After how long without room a stream counts as full.
const STILL: Duration = Duration::from_millis(60);
