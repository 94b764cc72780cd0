//! The one door between the runtime and the world.
//!
//! An engine owns every descriptor it opened and every buffer the kernel can see; above it there are
//! only names. It is completion-shaped: an [`Op`] says "do this", a [`Done`] says "it is done". The
//! *six laws* hold on every engine, and a test file each proves it:
//!
//! 1. **Only `wait` sleeps.** Nothing else blocks or runs user code.
//! 2. **Exactly once.** A pending ticket finishes once (with an error if its socket is closed), unless cancelled.
//! 3. **Cancelling loses nothing.** What arrived for a cancelled operation goes to the next one.
//! 4. **In order.** Operations on one direction of one socket finish in the order submitted.
//! 5. **Never early.** Time does not run backwards; timeouts round up.
//! 6. **Stale names fail.** A name used after `close` is an error, never someone else's data.

mod address;
mod bell;
mod chaos;
mod error;
mod faults;
mod helpers;
mod kernel;
mod lane;
mod lanes;
mod mechanism;
mod names;
mod native;
mod op;
mod operations;
mod payload;
mod plan;
mod pool;
mod question;
mod random;
mod signals;
pub mod sim;
mod socket;
mod system;
pub mod trace;
mod uring;

use std::io::{self, IoSlice};
use std::time::Instant;

pub use address::{Address, ParseAddressError, UnixName};
pub use bell::Bell;
pub use error::{is_exhaustion, is_transient};
pub use faults::{Fault, Faults, Injected};
pub use mechanism::{Choice, Mechanism};
pub use op::{Direction, Done, Failed, Op, Submitted, Work};
pub(crate) use payload::discard_payload;
pub use plan::{Close, Descriptor, Listen, Plan};
pub use pool::{Lease, Pool};
pub use question::{Fact, Question, Setting};
pub use socket::{Socket, Ticket};

use self::chaos::{Chaos, Settings};
use self::faults::Dice;
use self::lanes::Lanes;
use self::system::System;
use self::uring::Uring;

/// Opens the best engine this system has: see [`Choice::best`].
///
/// # Errors
///
/// When it could not be opened: the process is out of descriptors or memory.
pub fn best() -> io::Result<Box<dyn Engine>> {
    Choice::best().open()
}

/// Opens the engine on the mechanism named. If the environment's `SWITCHBOARD_CHAOS` names [`Faults`], as in
/// `seed=7,short=0.2,eintr=0.05`, it has those, as [`with_faults`]; without a seed one is drawn, and logged.
///
/// # Errors
///
/// [`io::ErrorKind::Unsupported`] when this system lacks the mechanism, [`io::ErrorKind::PermissionDenied`] when it is
/// refused to this process, [`io::ErrorKind::InvalidInput`] when `SWITCHBOARD_CHAOS` cannot be understood, otherwise as [`best`].
pub fn with(mechanism: Mechanism) -> io::Result<Box<dyn Engine>> {
    if let Some(settings) = Settings::from_environment()? {
        return with_faults(mechanism, &settings.faults, settings.next_seed()).map(|(engine, _)| engine);
    }
    Ok(match mechanism.selector() {
        Some(mechanism) => Box::new(Lanes::new(System::with(mechanism)?)),
        None => Box::new(Lanes::new(Uring::new()?)),
    })
}

/// Opens the engine on the mechanism named, with faults at its own system calls, and counts of them.
///
/// The same seed and the same calls bring about the same faults; what the kernel and the peers do is another matter. Those
/// [of a simulated network only](Fault::is_simulated) do not happen. Its name is that of an engine without faults.
///
/// # Errors
///
/// As [`with`], without the variable.
pub fn with_faults(
    mechanism: Mechanism,
    faults: &Faults,
    seed: u64,
) -> io::Result<(Box<dyn Engine>, Injected)> {
    let injected = Injected::default();
    let dice = Dice::new(seed, faults, injected.clone());
    let engine: Box<dyn Engine> = match mechanism.selector() {
        Some(mechanism) => Box::new(Lanes::new(Chaos::new(System::with(mechanism)?, dice))),
        None => Box::new(Lanes::new(Chaos::new(Uring::new()?, dice))),
    };
    Ok((engine, injected))
}

/// Opens the engine that the environment's `SWITCHBOARD_ENGINE` names, or the best one if that is unset, empty or `auto`.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidInput`] when there is no engine of that name, otherwise as [`with`].
pub fn from_environment() -> io::Result<Box<dyn Engine>> {
    Choice::from_environment()?.open()
}

/// What a runtime asks of the world. Object-safe; the mechanism is a value, not a type.
///
/// Every method but [`wait`](Engine::wait) answers at once.
pub trait Engine {
    /// What this engine runs on, in one word: `uring`, `epoll`, `poll`, `select`, `sim`.
    fn name(&self) -> &str;

    /// The pass's time: stands still between two waits, so that all that one pass does shares one moment.
    fn now(&self) -> Instant;

    /// This very moment. Deadlines start from here.
    fn clock(&self) -> Instant;

    /// Sixty-four random bits: good for spreading and shuffling, not for secrets.
    fn random(&mut self) -> u64;

    /// Opens a socket, or takes over a descriptor.
    ///
    /// # Errors
    ///
    /// What `socket(2)`, `bind(2)` and `listen(2)` answer: address in use, permission denied, out of descriptors.
    fn open(&mut self, plan: Plan) -> io::Result<Socket>;

    /// Answers a question about a socket.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] for a stale name; otherwise what the system answers.
    fn ask(&mut self, socket: Socket, question: Question) -> io::Result<Fact>;

    /// Changes an option of a socket.
    ///
    /// # Errors
    ///
    /// As [`ask`](Engine::ask).
    fn set(&mut self, socket: Socket, setting: Setting) -> io::Result<()>;

    /// Closes a socket. Its name is stale from here on. Closing a stale name does nothing.
    ///
    /// Operations that wait on it finish with [`io::ErrorKind::ConnectionAborted`]; only with
    /// [`Close::Gently`] do sends that were submitted go on, and finish as they would have, and so does a connect
    /// before them.
    fn close(&mut self, socket: Socket, how: Close);

    /// Bounds a gentle close that is under way: it is over at this moment at the latest. Does nothing to other names.
    fn hurry(&mut self, socket: Socket, until: Instant);

    /// How many sockets are still being closed gently, in the background of [`wait`](Engine::wait).
    fn closing(&self) -> usize;

    /// When [`wait`](Engine::wait) has something of its own to do, whatever the sockets do: a moment that is over
    /// if something has finished already or was submitted and not begun, or the end of a gentle close. For those who sleep elsewhere.
    fn due(&self) -> Option<Instant>;

    /// Receives into a borrowed slice, without waiting. Zero means that the peer has ended its side.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] when nothing is there, when a submitted operation waits for the same bytes,
    /// or when a finished one has not been taken, whose bytes come before these. Then submit a [`Op::Ready`] and
    /// come back when it is done.
    fn try_recv(&mut self, socket: Socket, into: &mut [u8]) -> io::Result<usize>;

    /// Sends what fits of some borrowed slices, without waiting, and says how many bytes were taken.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] when nothing fits, or when a submitted send is still on its way.
    fn try_send(&mut self, socket: Socket, parts: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Begins an operation: it is done at once, or a ticket names it until it is. What is pending may be begun no
    /// sooner than in the next [`wait`](Engine::wait).
    fn submit(&mut self, op: Op) -> Submitted;

    /// Asks the system for what pending operations wait for, as [`wait`](Engine::wait) does before it sleeps. Whoever sleeps
    /// elsewhere calls it first, and then [`due`](Engine::due).
    fn prepare(&mut self);

    /// Sleeps until an operation finishes, `until` has come or the [`Bell`] is rung, and appends the
    /// tickets of what finished. May return early with nothing; never sleeps while something is finished.
    /// `None` waits without a limit.
    ///
    /// # Errors
    ///
    /// Only what makes the engine unusable: used in a forked child, or the kernel refused the wait.
    fn wait(&mut self, until: Option<Instant>, finished: &mut Vec<Ticket>) -> io::Result<()>;

    /// Takes the outcome of a finished operation; its ticket is stale from here on.
    ///
    /// # Errors
    ///
    /// How the operation failed, with what was given to it. [`io::ErrorKind::NotFound`] for a stale ticket,
    /// [`io::ErrorKind::WouldBlock`] for one that has not finished (it stays valid).
    fn take(&mut self, ticket: Ticket) -> Result<Done, Failed>;

    /// The operation that a ticket names, for as long as it has not finished; `None` for a stale ticket. For those who
    /// tell what a program waits for. Of what was moved in, buffers and work may be elsewhere meanwhile.
    fn operation(&self, ticket: Ticket) -> Option<&Op>;

    /// Gives an operation up. Its ticket is stale from here on; cancelling a stale ticket does nothing.
    ///
    /// Nothing is lost: what was finished and not taken goes back to the head of its lane. A send, connect
    /// or shutdown goes on in the background. A [`Op::Call`] that runs is not interrupted; its result is dropped.
    fn cancel(&mut self, ticket: Ticket);

    /// A bell that ends a wait, from any thread.
    fn bell(&self) -> Bell;

    /// The pool that the buffers of received data come from; buffers to send may come from it, too.
    fn pool(&self) -> &Pool;
}
