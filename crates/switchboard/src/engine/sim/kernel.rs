//! What an engine sees of the network: the [`Kernel`] in memory.
//!
//! It knows its sockets by the names its engine was given, and the network knows them by ids. What it does in
//! `select` is a fixed order: jobs, lamps, signals, the bell; and only if there was none of these, time passes.

use std::cell::{RefCell, RefMut};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::Signal;
use slotmap::SlotMap;
use switchboard_selector::{Interest, Mode};

use super::Lamps;
use super::agenda::Event;
use super::chime::{Chime, Slept};
use super::hosts::HostId;
use super::stream::{Family, Stream};
use super::world::{Body, DeskId, Id, World};
use crate::engine::error::stale;
use crate::engine::helpers::Job;
use crate::engine::kernel::{Kernel, Kind, News, Role};
use crate::engine::{
    Address, Bell, Descriptor, Direction, Done, Fact, Plan, Pool, Question, Setting, Socket, Ticket, random,
};
use crate::engine::{helpers, names};

/// One engine's part of the network.
pub(super) struct Simulated {
    world: Rc<RefCell<World>>,
    host: HostId,
    desk: DeskId,
    sockets: SlotMap<Socket, Id>,
    jobs: VecDeque<(Ticket, Job)>,
    chime: Arc<Chime>,
    mode: Mode,
    random: u64,
}

/// A socket between two engines. Dropped there, it is closed.
struct Loose {
    id: Option<Id>,
    lost: Arc<Mutex<Vec<Id>>>,
}

impl Simulated {
    /// An engine's, on a host.
    pub(super) fn new(world: Rc<RefCell<World>>, host: HostId, lamps: Lamps) -> Self {
        let chime = Arc::<Chime>::default();
        let (desk, random) = world.borrow_mut().open_desk(host, Arc::clone(&chime));
        let mode = match lamps {
            Lamps::Edge => Mode::Edge,
            Lamps::Oneshot => Mode::Oneshot,
        };
        Self { world, host, desk, sockets: SlotMap::with_key(), jobs: VecDeque::new(), chime, mode, random }
    }

    /// Where the dice of its faults begin: with faults, all else happens as without.
    pub(super) fn seed_of_dice(&self) -> u64 {
        random::next(&mut !self.random)
    }

    fn world(&self) -> RefMut<'_, World> {
        self.world.borrow_mut()
    }

    fn id(&self, socket: Socket) -> io::Result<Id> {
        self.sockets.get(socket).copied().ok_or_else(stale)
    }

    /// The world, and who a name means there. What was on a host that has crashed is gone, though this engine has not
    /// heard of it: destructors of the program still ask.
    fn at(&self, socket: Socket) -> io::Result<(RefMut<'_, World>, Id)> {
        let (world, id) = (self.world(), self.id(socket)?);
        if world.is_there(id) { Ok((world, id)) } else { Err(stale()) }
    }

    /// Whether the host has not crashed since this engine was opened.
    fn check_host(&self) -> io::Result<()> {
        if self.world().has_desk(self.desk) { Ok(()) } else { Err(Errno::NETDOWN.into()) }
    }

    /// Gives a socket a name here.
    fn take_in(&mut self, id: Id) -> (Socket, Kind) {
        let socket = self.sockets.insert(id);
        let mut world = self.world();
        world.own(id, self.desk, socket);
        let (role, short_is_dry) = match world.body(id) {
            Body::Stream(stream) => (Role::Stream, stream.family != Family::Unix),
            Body::Listener(_) => (Role::Listener, false),
            Body::Datagram(_) => (Role::Datagram, false),
        };
        (socket, Kind { role, mode: self.mode, short_is_dry, brings: false })
    }

    fn adopt(&mut self, descriptor: Descriptor) -> io::Result<(Socket, Kind)> {
        let Descriptor::Simulated(value) = descriptor else {
            return Err(invalid(
                "a network in memory has no descriptors of the system's; adopt them on an engine that runs on it",
            ));
        };
        let mut loose = value
            .downcast::<Loose>()
            .map_err(|_| invalid("this is not a descriptor of a network in memory"))?;
        if !Arc::ptr_eq(&loose.lost, &self.world().lost) {
            return Err(invalid("this descriptor belongs to another network in memory"));
        }
        let id = loose.id.expect("a descriptor has its socket until it is adopted");
        if !self.world().is_there(id) {
            return Err(stale());
        }
        if self.world().host_of(id) != self.host {
            return Err(invalid("this descriptor belongs to another host"));
        }
        loose.id = None;
        Ok(self.take_in(id))
    }

    /// Does the work that is due, in order. It is a user's, so nothing of ours is borrowed meanwhile.
    fn work(&mut self, news: &mut News) {
        let due = if self.world().is_shuffled { self.world().take_jobs(self.desk) } else { self.jobs.len() };
        for _ in 0..due {
            let Some((ticket, job)) = self.jobs.pop_front() else { return };
            let outcome = match job {
                Job::Resolve { host, port } => {
                    let addresses = self.world().hosts.resolve(&host, port);
                    addresses.map(|addresses| Done::Resolved { addresses })
                }
                job @ Job::Call(_) => helpers::run(job).map(helpers::Answer::into_done),
            };
            news.jobs.push_back((ticket, outcome));
        }
    }
}

impl Kernel for Simulated {
    fn name(&self) -> &str {
        "sim"
    }

    fn clock(&self) -> Instant {
        self.world.borrow().now
    }

    fn random(&mut self) -> u64 {
        random::next(&mut self.random)
    }

    fn bell(&self) -> Bell {
        self.chime.bell()
    }

    fn open(&mut self, plan: Plan) -> io::Result<(Socket, Kind)> {
        self.check_host()?;
        let id = match plan {
            Plan::Listen(listen) => self.world().listen(self.host, &listen)?,
            Plan::Stream { like } => {
                self.world().insert(self.host, Body::Stream(Box::new(Stream::new(&like))))
            }
            Plan::Datagram { bind } => self.world().open_datagram(self.host, &bind)?,
            Plan::Adopt(descriptor) => return self.adopt(descriptor),
        };
        Ok(self.take_in(id))
    }

    fn ask(&mut self, socket: Socket, question: Question) -> io::Result<Fact> {
        let (mut world, id) = self.at(socket)?;
        Ok(world.ask(id, question)?)
    }

    fn set(&mut self, socket: Socket, setting: Setting) -> io::Result<()> {
        let (mut world, id) = self.at(socket)?;
        Ok(world.set(id, setting)?)
    }

    fn close(&mut self, socket: Socket, reset: bool) {
        if let Some(id) = self.sockets.remove(socket) {
            self.world().close(id, reset);
        }
    }

    fn release(&mut self, socket: Socket) -> io::Result<Descriptor> {
        let (mut world, id) = self.at(socket)?;
        world.disown(id);
        let lost = Arc::clone(&world.lost);
        drop(world);
        self.sockets.remove(socket);
        Ok(Descriptor::Simulated(Box::new(Loose { id: Some(id), lost })))
    }

    fn accept(&mut self, socket: Socket, _: bool) -> io::Result<(Socket, Kind, Address)> {
        let (mut world, id) = self.at(socket)?;
        let (child, peer) = world.accept(id)?;
        drop(world);
        let (child, kind) = self.take_in(child);
        Ok((child, kind, peer))
    }

    fn connect(&mut self, socket: Socket, to: &Address) -> io::Result<()> {
        let (mut world, id) = self.at(socket)?;
        match world.connect(id, to) {
            Err(Errno::INPROGRESS) => Err(io::ErrorKind::WouldBlock.into()),
            Err(Errno::AGAIN) => Err(names::queue_is_full(to)),
            answer => Ok(answer?),
        }
    }

    fn connected(&mut self, socket: Socket) -> io::Result<()> {
        let (mut world, id) = self.at(socket)?;
        Ok(world.connected(id)?)
    }

    fn recv(&mut self, socket: Socket, into: &mut [u8], peek: bool) -> io::Result<usize> {
        let (mut world, id) = self.at(socket)?;
        Ok(world.recv(id, into, peek)?)
    }

    fn unread(&mut self, socket: Socket) -> io::Result<usize> {
        let (mut world, id) = self.at(socket)?;
        Ok(world.stream(id).unread())
    }

    fn send(&mut self, socket: Socket, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let (mut world, id) = self.at(socket)?;
        Ok(world.send(id, parts)?)
    }

    fn recv_from(&mut self, socket: Socket, into: &mut [u8]) -> io::Result<(usize, Address)> {
        let (mut world, id) = self.at(socket)?;
        Ok(world.recv_from(id, into)?)
    }

    fn send_to(&mut self, socket: Socket, part: &[u8], to: &Address) -> io::Result<usize> {
        let (mut world, id) = self.at(socket)?;
        match world.send_to(id, part, to) {
            Err(Errno::AGAIN) => Err(names::queue_is_full(to)),
            answer => Ok(answer?),
        }
    }

    fn shutdown(&mut self, socket: Socket, how: Shutdown) -> io::Result<()> {
        let (mut world, id) = self.at(socket)?;
        Ok(world.shutdown(id, how)?)
    }

    fn ready(&mut self, socket: Socket, direction: Direction) -> io::Result<bool> {
        let (world, id) = self.at(socket)?;
        Ok(world.signs(id).may(direction))
    }

    fn abort(&mut self, socket: Socket) -> io::Result<()> {
        let (mut world, id) = self.at(socket)?;
        Ok(world.abort(id)?)
    }

    fn watch_signal(&mut self, number: i32) -> io::Result<()> {
        let uncatchable = [Signal::KILL, Signal::STOP];
        let of_faults =
            [Signal::SEGV, Signal::ILL, Signal::FPE, Signal::BUS, Signal::TRAP, Signal::ABORT, Signal::SYS];
        let refused = uncatchable.iter().chain(&of_faults).any(|signal| signal.as_raw() == number);
        if refused || !(1..=64).contains(&number) {
            return Err(invalid(&format!(
                "cannot watch signal {number}: there is none, it cannot be caught, or tells of a fault in the program itself"
            )));
        }
        self.check_host()?;
        self.world().watch_signal(self.desk, number);
        Ok(())
    }

    fn start(&mut self, ticket: Ticket, job: Job) {
        self.jobs.push_back((ticket, job));
        let mut world = self.world();
        if world.is_shuffled {
            let due = world.now + Duration::from_nanos(world.random() % LONGEST_JOB);
            world.schedule(due, Event::Job(self.desk));
        }
    }

    fn watch(&mut self, socket: Socket, interest: Interest, mode: Mode) -> io::Result<()> {
        let (mut world, id) = self.at(socket)?;
        world.watch(id, interest, mode);
        Ok(())
    }

    fn select(&mut self, until: Option<Instant>, _: &Pool, news: &mut News) -> io::Result<()> {
        self.check_host()?;
        loop {
            self.work(news);
            let mut world = self.world.borrow_mut();
            world.close_lost();
            world.collect(self.desk, &mut news.lamps);
            world.take_signals(self.desk, &mut news.signals);
            let rung = self.chime.take();
            if rung || !(news.jobs.is_empty() && news.lamps.is_empty() && news.signals.is_empty()) {
                return Ok(());
            }
            let now = world.now;
            // A look in vain takes its time, too: who never sleeps must not hold all clocks still.
            let until = until.map(|until| if until > now { until } else { now + LOOK });
            if world.is_driven {
                if let Some(until) = until.filter(|until| *until <= now + LOOK) {
                    world.advance(until);
                }
                return Ok(());
            }
            match (world.agenda.first(), until) {
                (Some(due), None) => world.advance(due),
                (Some(due), Some(until)) if due < until => world.advance(due),
                (_, Some(until)) => {
                    world.advance(until);
                    return Ok(());
                }
                (None, None) => break,
            }
        }
        let others = self.world().has_other_desks();
        let patience = self.world().patience;
        match self.chime.wait(patience) {
            Slept::Rung => return Ok(()),
            Slept::Forsaken => {}
            Slept::InVain => {
                let message = "nothing can ever happen again on this engine but by another thread, which takes too long";
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
        }
        let hint = if others { ", unless another engine of its network has its turn" } else { "" };
        let message = format!(
            "nothing can ever happen again on this engine{hint}: it waits without a limit, nothing is under way, \
             and nobody holds a bell"
        );
        Err(io::Error::new(io::ErrorKind::Deadlock, message))
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        // As a process that ends: what it has open is closed, and what it has not done is not done.
        let mut world = self.world.borrow_mut();
        for (_, id) in self.sockets.drain() {
            world.close(id, false);
        }
        world.close_desk(self.desk);
    }
}

impl Drop for Loose {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.lost.lock().unwrap_or_else(PoisonError::into_inner).push(id);
        }
    }
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

/// How long work off the loop takes at most, nanoseconds.
const LONGEST_JOB: u64 = 2_000_000;

/// What a look takes that found nothing.
const LOOK: Duration = Duration::from_micros(1);
