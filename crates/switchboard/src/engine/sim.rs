//! A network in memory, under virtual time.
//!
//! The engine is the one that runs on the system's selectors; only the kernel below it is played. So what is
//! proved here is the code that runs there, and what takes hours there takes microseconds here.
//!
//! * Time stands still while anything is found to do, and otherwise jumps to the moment that is waited for. A look in
//!   vain, which waits for none, takes a microsecond.
//! * Nothing is left to chance: the same program does the same things in the same order, always.
//! * Sockets answer as Linux's do, with its error numbers. `tests/agree.rs` compares them.
//! * A network is one host, which has every IP address, unless it is given more ([`Sim`](crate::sim)); then each has its own,
//!   and what crosses between them may take time, be lost, or wait. There is no file system: a Unix path is just a name.
//! * Nothing goes wrong but what is asked for: at an engine's calls ([`Network::faults`]), or between hosts.

mod agenda;
mod chime;
mod connection;
mod datagram;
mod directory;
mod drive;
mod hosts;
mod kernel;
mod link;
mod listener;
mod options;
mod strangers;
mod stream;
mod watch;
mod wire;
mod world;

use std::cell::RefCell;
use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;

use super::chaos::Chaos;
use super::faults::Dice;
use super::lanes::Lanes;
use super::{Engine, Faults, Injected};
pub(crate) use hosts::HostId;
use kernel::Simulated;
pub use link::Link;
use world::World;

/// A network that exists in this thread's memory only, with one clock for all.
///
/// A clone is the same network. Its engines may be turned one after the other in the thread they live in; each
/// socket belongs to one of them, and moves to another by `Op::Release` and `Plan::Adopt`. An engine that has
/// nothing to do moves the clock to the moment it waits for, even if another one has something to do: whoever turns
/// several of them in one thread decides whose turn it is, and for how long.
///
/// ```
/// use std::time::Duration;
/// use switchboard::EventLoop;
/// use switchboard::engine::sim::Network;
///
/// let event_loop = EventLoop::with(Network::new().engine());
/// event_loop.later(Duration::from_secs(3600), |_| println!("an hour is over"));
/// event_loop.run()?; // at once
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Network {
    world: Rc<RefCell<World>>,
    host: HostId,
    lamps: Lamps,
    faults: Faults,
    injected: Injected,
}

/// How the sockets of an engine tell that they may be tried: both halves of the engine can be run in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lamps {
    /// Asked for once, each news is told, as with epoll and kqueue.
    #[default]
    Edge,
    /// Each asked for anew, as with poll and select.
    Oneshot,
}

impl Network {
    /// An empty network. Its seed is zero.
    #[must_use]
    pub fn new() -> Self {
        Self::with_seed(0)
    }

    /// An empty network whose engines' [`random`](Engine::random) numbers follow from this seed.
    #[must_use]
    pub fn with_seed(seed: u64) -> Self {
        Self {
            world: Rc::new(RefCell::new(World::new(seed))),
            host: HostId::default(),
            lamps: Lamps::default(),
            faults: Faults::none(),
            injected: Injected::default(),
        }
    }

    /// The same network; engines opened through this value have lamps of this kind.
    #[must_use]
    pub fn lamps(self, lamps: Lamps) -> Self {
        Self { lamps, ..self }
    }

    /// The same network; engines opened through this value have these faults at their own calls, as those of
    /// [`with_faults`](super::with_faults) have. They follow from the seed of the network.
    #[must_use]
    pub fn faults(self, faults: Faults) -> Self {
        Self { faults, ..self }
    }

    /// How often what went wrong in this network.
    #[must_use]
    pub fn injected(&self) -> Injected {
        self.injected.clone()
    }

    /// Opens an engine on this network. Its name is `sim`.
    ///
    /// A [`wait`](Engine::wait) without a limit that nothing could ever end is an error,
    /// [`io::ErrorKind::Deadlock`](std::io::ErrorKind::Deadlock); as long as somebody holds a
    /// [`Bell`](super::Bell) it really sleeps. With a limit it never sleeps: the clock moves instead.
    /// Blocking work (`Op::Call`) runs in the thread of the engine, inside its wait, and in order.
    #[must_use]
    pub fn engine(&self) -> Box<dyn Engine> {
        let kernel = Simulated::new(Rc::clone(&self.world), self.host, self.lamps);
        if self.faults.is_none() {
            return Box::new(Lanes::new(kernel));
        }
        let mut dice = Dice::new(kernel.seed_of_dice(), &self.faults, self.injected.clone());
        if self.world.borrow().trace.is_some() {
            let (world, host) = (Rc::clone(&self.world), self.host);
            dice = dice.seen_by(move |fault, remark| {
                world.borrow().note(host, format_args!("fault {fault}{remark}"));
            });
        }
        Box::new(Lanes::new(Chaos::new(kernel, dice)))
    }

    /// A signal arrives, once for each engine that waits for it or ever has.
    ///
    /// It is lost on an engine that has not, as the default action of a signal is not simulated.
    pub fn raise(&self, number: i32) {
        self.world.borrow_mut().raise(None, number);
    }

    /// Gives a host these addresses, for `Op::Resolve`. A host with none is unknown.
    ///
    /// `localhost` is 127.0.0.1 unless it is told otherwise; addresses stand for themselves.
    pub fn name(&self, host: &str, addresses: &[IpAddr]) {
        self.world.borrow_mut().hosts.name(host, addresses);
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("lamps", &self.lamps).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::{
        Address, Close, Descriptor, Done, Fact, Listen, Op, Plan, Question, Socket, Submitted,
    };

    fn listen(engine: &mut dyn Engine, address: &str) -> (Socket, Address) {
        let listen = Listen { backlog: 1, ..Listen::at(address.parse().unwrap()) };
        let socket = engine.open(Plan::Listen(listen)).unwrap();
        match engine.ask(socket, Question::Local).unwrap() {
            Fact::Address(address) => (socket, address),
            other => panic!("not an address: {other:?}"),
        }
    }

    fn knock(engine: &mut dyn Engine, to: &Address) -> Socket {
        let socket = engine.open(Plan::Stream { like: to.clone() }).unwrap();
        drop(engine.submit(Op::Connect { socket, to: to.clone() }));
        engine.wait(Some(engine.clock()), &mut Vec::new()).unwrap();
        socket
    }

    fn accept(engine: &mut dyn Engine, socket: Socket) -> Option<Socket> {
        match engine.submit(Op::Accept { socket, wait: false }) {
            Submitted::Done(Ok(Done::Accepted { socket, .. })) => Some(socket),
            _ => None,
        }
    }

    /// Every way of ending leaves the network as empty as it was: no socket, name or port is kept.
    #[test]
    fn nothing_is_left_of_what_was_closed() {
        let network = Network::new();
        let gently = Close::Gently { bytes: 10, time: Duration::from_secs(1) };
        for address in ["127.0.0.1:0", "unix:@name"] {
            for close in [Close::Now, Close::Reset, gently] {
                let mut engine = network.engine();
                let (listener, at) = listen(&mut *engine, address);
                let clients: Vec<_> = (0..5).map(|_| knock(&mut *engine, &at)).collect();
                let server = accept(&mut *engine, listener).unwrap();
                engine.try_send(server, &[std::io::IoSlice::new(&[7; 200_000])]).unwrap();
                engine.try_send(clients[0], &[std::io::IoSlice::new(&[7; 200_000])]).unwrap();
                engine.close(server, close);
                for &client in clients.iter().rev() {
                    engine.close(client, close);
                }
                engine.close(listener, close);
                while engine.closing() > 0 {
                    engine.wait(None, &mut Vec::new()).unwrap();
                }
                network.world.borrow().assert_empty();
            }
        }
    }

    /// The other end is closed and forgotten already, so nobody is left to answer the FIN of this one.
    #[test]
    fn nothing_is_left_of_the_end_that_is_closed_last() {
        let network = Network::new();
        let mut engine = network.engine();
        let (listener, at) = listen(&mut *engine, "127.0.0.1:0");
        let client = knock(&mut *engine, &at);
        let server = accept(&mut *engine, listener).unwrap();
        engine.close(server, Close::Now);
        assert_eq!(engine.try_recv(client, &mut [0; 1]).unwrap(), 0);
        engine.close(client, Close::Now);
        engine.close(listener, Close::Now);
        network.world.borrow().assert_empty();
    }

    #[test]
    fn nothing_is_left_of_an_engine_that_was_dropped() {
        let network = Network::new();
        let (mut engine, mut other) = (network.engine(), network.engine());
        let (listener, at) = listen(&mut *engine, "127.0.0.1:0");
        let clients: Vec<_> = (0..5).map(|_| knock(&mut *other, &at)).collect();
        let server = accept(&mut *engine, listener).unwrap();
        let datagram = Plan::Datagram { bind: "127.0.0.1:0".parse().unwrap() };
        engine.open(datagram).unwrap();
        engine.try_send(server, &[std::io::IoSlice::new(&[7; 1_000])]).unwrap();
        let released = match other.submit(Op::Release { socket: clients[0] }) {
            Submitted::Done(Ok(Done::Released { descriptor, .. })) => descriptor,
            other => panic!("not released: {other:?}"),
        };
        assert!(matches!(released, Descriptor::Simulated(_)));
        drop(released);
        drop(engine);
        drop(other);
        network.world.borrow_mut().close_lost();
        network.world.borrow().assert_empty();
    }
}
