//! A whole network in one thread: hosts, each with a program and a loop of its own, under one clock and one seed.
//!
//! The programs are those that run on real sockets: below them is the engine that runs there, on a network that is
//! [played](crate::engine::sim). So the orders of events that no test on real sockets brings about twice are a number
//! here, and what takes hours takes milliseconds. What must stay true:
//!
//! * Nothing but the seed decides: no clock, no thread, no address of memory. The same seed does the same, byte for byte.
//! * A host's loop is turned only when it has something to do; the clock moves only when none has.

mod check;
mod failed;
mod host;
mod report;
mod step;

use std::panic::Location;
use std::rc::Rc;
use std::time::{Duration, Instant};

pub use crate::engine::sim::Link;
use crate::engine::sim::Network;
pub use crate::engine::trace::{Difference, Trace};
pub use crate::engine::{Fault, Faults, Injected};
use crate::task::TaskFuture;
pub use failed::{Failed, Why};
use host::Host;
pub use report::Report;

/// A simulated network, and what runs on it.
///
/// ```
/// use std::io;
/// use std::time::Duration;
///
/// use switchboard::net::Stream;
/// use switchboard::server::{Client, Server};
/// use switchboard::sim::{Faults, Link, Sim};
///
/// async fn serve() -> io::Result<()> {
///     let server = Server::bind("0.0.0.0:7").await?;
///     server.serve(echo).await.map(drop)
/// }
///
/// async fn echo(mut stream: Stream, _: Client) -> io::Result<()> {
///     loop {
///         let data = stream.recv().await?; // not all of it, perhaps
///         if data.is_empty() {
///             return Ok(());
///         }
///         stream.send_all(data).await?;
///     }
/// }
///
/// async fn ask() -> io::Result<()> {
///     let mut stream = Stream::connect("server:7").await?;
///     stream.write_all(b"hello").await?;
///     let mut answer = [0; 5];
///     stream.read_exact(&mut answer).await?;
///     assert_eq!(&answer, b"hello");
///     Ok(())
/// }
///
/// for seed in 0..10 {
///     let report = Sim::new(seed)
///         .host("server", serve)
///         .host("client", ask)
///         .faults(Faults::unseen()) // a client that does not try again is not to be reset
///         .link(Link::default().latency(Duration::from_millis(80)).jitter(Duration::from_millis(20)))
///         .run()?;
///     assert!(report.elapsed >= Duration::from_millis(320)); // of the network's time: twice there and back
/// }
/// # Ok::<(), switchboard::sim::Failed>(())
/// ```
pub struct Sim {
    seed: u64,
    network: Network,
    hosts: Vec<Host>,
    script: Vec<(Duration, Scripted)>,
    /// What was done to the network before it began, for a twin of it.
    before: Vec<Scripted>,
    usual: Link,
    faults: Faults,
    trace: Option<Trace>,
    limit: Duration,
    turns: u64,
    has_begun: bool,
    is_repeatable: bool,
}

type Scripted = Rc<dyn Fn(&mut Sim)>;

impl Sim {
    /// An empty network. All that is left to chance follows from the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            network: Network::driven(seed),
            hosts: Vec::new(),
            script: Vec::new(),
            before: Vec::new(),
            usual: Link::default().latency(Duration::from_micros(100)).jitter(Duration::from_micros(400)),
            faults: Faults::default(),
            trace: None,
            limit: Duration::from_secs(3_600),
            turns: 0,
            has_begun: false,
            is_repeatable: true,
        }
    }

    /// Adds a host and what runs on it: called when the simulation begins, and again whenever the host is
    /// [restarted](Self::restart). Others reach it by its name, and by its address: 10.0.0.1 is the first, 10.0.0.2 the second.
    ///
    /// When the program ends, its tasks are cancelled and its connections closed gently, as with
    /// [`switchboard::run`](crate::run). A failure of it is the simulation's.
    ///
    /// # Panics
    ///
    /// When there is a host of that name, whose case does not count; and at `localhost`.
    #[must_use]
    #[track_caller]
    pub fn host<F>(mut self, name: &str, program: impl Fn() -> F + 'static) -> Self
    where
        F: TaskFuture + 'static,
        F::Output: 'static,
    {
        let is_taken = |other: &str| other.eq_ignore_ascii_case(name);
        assert!(!is_taken("localhost"), "localhost is every host's name for itself; give this one another");
        assert!(!self.hosts.iter().any(|host| is_taken(&host.name)), "there is a host {name:?} already");
        let id = self.network.add_host(name);
        self.hosts.push(Host::new(name, id, Location::caller(), program));
        self
    }

    /// What lies between hosts that no [`link_between`](Self::link_between) names. By default it takes 0.1 to 0.5
    /// milliseconds to cross and loses nothing. A host reaches itself by half of that, whatever its links.
    #[must_use]
    pub fn link(mut self, link: Link) -> Self {
        self.usual = link;
        self
    }

    /// What lies between two hosts, in both directions.
    ///
    /// # Panics
    ///
    /// When there is no host of that name, as everything here that takes one.
    #[must_use]
    pub fn link_between(mut self, one: &str, other: &str, link: Link) -> Self {
        self.set_up([one, other], move |sim, [one, other]| {
            sim.network.link(sim.named(one).id, sim.named(other).id, link);
        });
        self
    }

    /// What goes wrong: at the calls of every host, each with a budget of its own, and between them. By default everything
    /// there is, at low rates: connections are reset, descriptors run out, strangers come. Programs that only have to
    /// bear what no correct program notices are given [`Faults::unseen`].
    #[must_use]
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Writes down there what every program asks of its engine, and what befalls the network.
    #[must_use]
    pub fn trace(mut self, trace: &Trace) -> Self {
        self.trace = Some(trace.clone());
        self
    }

    /// Has something done when the network is so old, in [`run`](Self::run) and all else that moves its clock: a partition,
    /// a crash. Repeated with the simulation, as the rest of it is.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use switchboard::sim::Sim;
    /// let sim = Sim::new(1)
    ///     .host("a", async || switchboard::sleep(Duration::from_secs(9)).await)
    ///     .host("b", async || ())
    ///     .at(Duration::from_secs(1), |sim| sim.partition("a", "b"))
    ///     .at(Duration::from_secs(5), |sim| sim.heal("a", "b"))
    ///     .run()?;
    /// # Ok::<(), switchboard::sim::Failed>(())
    /// ```
    #[must_use]
    pub fn at(mut self, age: Duration, what: impl Fn(&mut Self) + 'static) -> Self {
        let place = self.script.partition_point(|(other, _)| *other <= age);
        self.script.insert(place, (age, Rc::new(what)));
        self
    }

    /// How old the network may become, by its clock, before [`run`](Self::run) fails because something goes on for ever. An hour, by default.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The network's time, see [`Engine::clock`](crate::Engine::clock).
    #[must_use]
    pub fn now(&self) -> Instant {
        self.network.now()
    }

    /// How often what went wrong on purpose so far. It counts along: programs may have it, too.
    #[must_use]
    pub fn injected(&self) -> Injected {
        self.network.injected()
    }

    /// How old the network is, by its clock.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.network.age()
    }

    /// Nothing crosses between these two hosts from now on. Datagrams are lost; what belongs to a connection waits, and is
    /// sent again when they are [healed](Self::heal), unless TCP's patience is over by then: 127 seconds for a connect, a
    /// quarter of an hour for the rest.
    pub fn partition(&mut self, one: &str, other: &str) {
        self.set_up([one, other], |sim, [one, other]| {
            sim.network.partition(sim.named(one).id, sim.named(other).id);
            sim.network.note(format_args!("{one} and {other} are partitioned"));
        });
    }

    /// Undoes a [`partition`](Self::partition).
    pub fn heal(&mut self, one: &str, other: &str) {
        self.set_up([one, other], |sim, [one, other]| {
            sim.network.heal(sim.named(one).id, sim.named(other).id);
            sim.network.note(format_args!("{one} and {other} reach each other again"));
        });
    }

    /// Pulls the plug of a host: its program is gone, and tells nobody. Who is connected to it hears nothing, until it is
    /// [restarted](Self::restart) and answers what it does not know with RST. Crashed before the network begins, it is not
    /// there until then.
    pub fn crash(&mut self, host: &str) {
        self.set_up([host; 2], |sim, [host, _]| {
            let at = sim.place(host);
            sim.network.note(format_args!("{host} crashes"));
            sim.network.crash(sim.hosts[at].id);
            sim.hosts[at].stop();
        });
    }

    /// Begins a host's program anew, if need be after a [`crash`](Self::crash).
    pub fn restart(&mut self, host: &str) {
        self.crash(host);
        self.set_up([host; 2], |sim, [host, _]| sim.network.start(sim.named(host).id));
        let at = self.place(host);
        if self.has_begun {
            self.network.note(format_args!("{host} begins anew"));
            self.hosts[at].start(&self.network, self.trace.as_ref());
        }
    }

    /// A signal arrives at a host. One that nobody there waits for is lost.
    pub fn raise(&mut self, host: &str, signal: i32) {
        self.network.note(format_args!("signal {signal} arrives at {host}"));
        self.network.raise_on(self.named(host).id, signal);
    }

    /// Does something to the network, and remembers it for a twin if it has not begun.
    fn set_up(&mut self, hosts: [&str; 2], what: impl Fn(&mut Self, [&str; 2]) + 'static) {
        what(self, hosts);
        if !self.has_begun {
            let [one, other] = hosts.map(str::to_owned);
            self.before.push(Rc::new(move |sim| what(sim, [&one, &other])));
        }
    }

    fn place(&self, name: &str) -> usize {
        let found = self.hosts.iter().position(|host| host.name == name);
        found.unwrap_or_else(|| panic!("there is no host {name:?}"))
    }

    fn named(&self, name: &str) -> &Host {
        &self.hosts[self.place(name)]
    }
}

impl std::fmt::Debug for Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sim").field("seed", &self.seed).field("elapsed", &self.age()).finish_non_exhaustive()
    }
}
