//! The ring: requests in, replies out, and everything between them owned here.
//!
//! What must stay true: an operation is removed only when its final completion is read, or if its
//! request never left the backlog; whatever goes wrong else, it stays, and in the worst case for ever.
//! Completions are copied out of the completion queue after every entering, so that it is empty when
//! the kernel works. Nothing shared with the kernel is touched in a forked child.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use io_uring::squeue::{self, Flags};
use io_uring::types::{CancelBuilder, Fd};
use io_uring::{cqueue, opcode};
use slotmap::{Key as _, KeyData, SlotMap};

use crate::counts::Counts;
use crate::reply::Reply;
use crate::request::Request;
use crate::setup::Setup;
use crate::token::Token;

mod deadline;
mod failure;
mod fork;
mod group;
mod lent;
mod operation;
mod probe;
mod queues;
mod refusal;
#[cfg(test)]
#[path = "ring/ring_tests.rs"]
mod tests;

use deadline::Deadline;
use fork::Home;
use group::Group;
use lent::Message;
use operation::Operation;
use queues::Queues;

pub use probe::probe;

/// An io_uring that owns what it works on. `D` owns a descriptor, `B` is a part to send.
///
/// It belongs to the thread that made it:
///
/// ```compile_fail,E0277
/// use std::os::fd::OwnedFd;
/// use switchboard_ring::Ring;
///
/// fn send<T: Send>(_: T) {}
/// fn never(ring: Ring<OwnedFd, Vec<u8>>) {
///     send(ring);
/// }
/// ```
///
/// ```compile_fail,E0277
/// use std::os::fd::OwnedFd;
/// use switchboard_ring::Ring;
///
/// fn share<T: Sync>(_: T) {}
/// fn never(ring: Ring<OwnedFd, Vec<u8>>) {
///     share(ring);
/// }
/// ```
///
/// Dropping it cancels what is in flight and waits, at most a second, until the kernel has let go of
/// everything; what it still holds then is leaked on purpose.
///
/// After fork(2) it works in the parent only. In the child `enter` fails, there are no replies, and
/// dropping it closes the child's copies of its descriptors and touches nothing of the parent's.
pub struct Ring<D, B> {
    /// Before `group`, so that the kernel's end goes first.
    queues: Queues,
    /// Dropped only when the kernel is known to be done with all of it.
    group: ManuallyDrop<Group>,
    /// The same.
    operations: ManuallyDrop<SlotMap<Token, Operation<D, B>>>,
    /// Requests and cancellations not yet published.
    backlog: VecDeque<squeue::Entry>,
    /// Completions read, and not yet made replies.
    completions: VecDeque<cqueue::Entry>,
    spare: Vec<Message>,
    counts: Counts,
    home: Home,
    /// The kernel lets only the thread that made a ring use it.
    thread: PhantomData<*const ()>,
}

impl<D: AsFd + 'static, B: AsRef<[u8]> + 'static> Ring<D, B> {
    /// A ring and its empty group of buffers.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` or `Unsupported`, with the likely reason, where io_uring is not to be had; see
    /// [`probe`] for a more thorough question. `InvalidInput` if the number of buffers is not a power of
    /// two.
    pub fn new(setup: Setup) -> io::Result<Self> {
        let home = Home::here()?;
        let queues = Queues::open(setup.entries)?;
        let group = Group::register(&queues, setup.buffers)?;
        Ok(Self {
            queues,
            group: ManuallyDrop::new(group),
            operations: ManuallyDrop::new(SlotMap::with_key()),
            backlog: VecDeque::new(),
            completions: VecDeque::new(),
            spare: Vec::new(),
            counts: Counts::default(),
            home,
            thread: PhantomData,
        })
    }

    /// Takes a request. It waits in private memory until `enter`; there may be any number.
    pub fn push(&mut self, request: Request<D, B>) -> Token {
        let (operation, entry) = Operation::begin(request, self.queues.accept_waits_first(), &mut self.spare);
        let token = self.operations.insert(operation);
        self.backlog.push_back(entry.user_data(token.data().as_ffi()));
        token
    }

    /// Asks, at the next `enter`, that an operation end early. Its final reply comes all the same:
    /// ECANCELED, or what it had come to before. Of an operation that is over, nothing is asked.
    pub fn cancel(&mut self, token: Token) {
        if self.operations.contains_key(token) {
            let cancel = opcode::AsyncCancel::new(token.data().as_ffi()).build();
            self.backlog.push_back(cancel.flags(Flags::SKIP_SUCCESS).user_data(NOBODY));
        }
    }

    /// Asks the same of all operations pushed before on the open file of this descriptor, which must stay
    /// open until then.
    pub fn cancel_all(&mut self, descriptor: BorrowedFd<'_>) {
        let whose = CancelBuilder::fd(Fd(descriptor.as_raw_fd())).all();
        let cancel = opcode::AsyncCancel2::new(whose).build();
        self.backlog.push_back(cancel.flags(Flags::SKIP_SUCCESS).user_data(NOBODY));
    }

    /// Hands all that was pushed to the kernel, and sleeps until there is a reply or the timeout is over
    /// (`None`: for ever; zero: not at all). In the normal case that is one system call.
    ///
    /// It never comes back early without a reply. If replies are there before, it does not sleep.
    ///
    /// # Errors
    ///
    /// `Unsupported` in a forked child. Otherwise whatever the kernel says; nothing is lost by an error:
    /// what was pushed stays, and goes to the kernel with the next call.
    pub fn enter(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.home.check()?;
        let deadline = Deadline::start(timeout);
        let mut refusals = 0;
        loop {
            let untaken = self.publish();
            let due = !self.backlog.is_empty() || !self.completions.is_empty();
            let wait = if due { Some(Duration::ZERO) } else { deadline.left() };
            let answer = match self.visit(untaken, wait) {
                Ok(()) if untaken > 0 && self.queues.untaken() == untaken => Some(libc::EAGAIN),
                Ok(()) => None,
                Err(error) => error.raw_os_error(),
            };
            match answer {
                None | Some(libc::ETIME | libc::EINTR) => {}
                Some(libc::EAGAIN | libc::EBUSY) if refusals < REFUSALS => {
                    refusals += 1;
                    self.counts.refusals += 1;
                    self.pause();
                    continue;
                }
                // It will say so again when these are read.
                Some(_) if !self.completions.is_empty() => return Ok(()),
                Some(errno) => {
                    let error = io::Error::from_raw_os_error(errno);
                    return Err(refusal::explain("cannot enter io_uring", error));
                }
            }
            let settled = self.backlog.is_empty() && self.queues.untaken() == 0 && !self.flush();
            if settled && (!self.completions.is_empty() || deadline.is_over()) {
                return Ok(());
            }
        }
    }

    /// The next reply, if there is one. Makes no system call, except when the completion queue had
    /// overflowed.
    pub fn reply(&mut self) -> Option<Reply<D, B>> {
        if !self.home.is_here() {
            return None;
        }
        loop {
            while let Some(completion) = self.completions.pop_front() {
                if let Some(reply) = self.conclude(&completion) {
                    return Some(reply);
                }
            }
            self.read();
            if self.completions.is_empty() && !self.flush() {
                return None;
            }
        }
    }

    /// How many operations have not had their final reply taken.
    pub fn in_flight(&self) -> usize {
        self.operations.len()
    }

    /// Whether the final reply of this one is yet to be taken.
    pub fn is_in_flight(&self, token: Token) -> bool {
        self.operations.contains_key(token)
    }

    /// What was asked, while it is in flight.
    pub fn request(&self, token: Token) -> Option<&Request<D, B>> {
        self.operations.get(token).map(Operation::request)
    }

    /// Gives a buffer to the group, all of its `len()`. One more than the group holds waits aside until
    /// there is room; an empty one is dropped.
    pub fn provide(&mut self, buffer: Vec<u8>) {
        if !self.home.is_here() {
            self.group.detach();
        }
        self.group.provide(buffer);
    }

    /// How many buffers of the group are with the kernel now.
    pub fn provided(&self) -> usize {
        self.group.len()
    }

    /// Whether nothing completes outside our own `enter`: the kernel granted deferred work (Linux 6.1).
    pub fn is_deferred(&self) -> bool {
        self.queues.is_deferred()
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

/// What dropping needs, too.
impl<D, B> Ring<D, B> {
    /// Moves what fits into the submission queue; how many are there that the kernel has not taken.
    fn publish(&mut self) -> u32 {
        let before = self.backlog.len();
        // SAFETY: what an entry points to is owned by its operation, which is removed by `conclude` only,
        // at the final completion, and is touched by nobody before.
        let untaken = unsafe { self.queues.publish(&mut self.backlog) };
        self.counts.submitted += (before - self.backlog.len()) as u64;
        untaken
    }

    /// One system call, after which the completion queue is empty.
    fn visit(&mut self, submit: u32, timeout: Option<Duration>) -> io::Result<()> {
        self.counts.enters += 1;
        let result = self.queues.enter(submit, timeout);
        self.read();
        result
    }

    /// Copies the completions out of their queue, except those that are nobody's business.
    fn read(&mut self) {
        for completion in self.queues.completions() {
            self.counts.completed += 1;
            let (token, flags) = (completion.user_data(), completion.flags());
            if token == NOBODY {
                continue;
            }
            let put_off = cqueue::more(flags)
                && !cqueue::notif(flags)
                && self
                    .operations
                    .get_mut(KeyData::from_ffi(token).into())
                    .is_some_and(|operation| operation.put_off(completion.result()));
            if !put_off {
                self.completions.push_back(completion);
            }
        }
    }

    /// Fetches completions that found no room in their queue. Whether there were any.
    fn flush(&mut self) -> bool {
        let overflowed = self.queues.overflowed();
        if overflowed {
            self.counts.overflows += 1;
            // An error comes again with the next `enter`.
            let _ = self.visit(0, Some(Duration::ZERO));
        }
        overflowed
    }

    /// Gives the kernel time to free some memory: until it has finished something, or a millisecond.
    fn pause(&mut self) {
        if self.completions.is_empty() {
            // Whatever it says, the next visit tells.
            let _ = self.visit(0, Some(PAUSE));
        }
    }

    /// Makes a completion a reply. `None` if it names no operation, which no kernel does.
    fn conclude(&mut self, completion: &cqueue::Entry) -> Option<Reply<D, B>> {
        let token = Token::from(KeyData::from_ffi(completion.user_data()));
        let flags = completion.flags();
        let operation = self.operations.get_mut(token)?;
        let outcome = operation.outcome(completion.result(), flags, &mut self.group);
        let last = !cqueue::more(flags);
        let finished = if last { self.operations.remove(token) } else { None };
        let request = finished.map(|operation| operation.finish(&mut self.spare));
        Some(Reply { token, outcome, request })
    }

    /// Forgets what never left the backlog: the kernel knows nothing of it.
    fn withdraw(&mut self) {
        for entry in std::mem::take(&mut self.backlog) {
            self.operations.remove(KeyData::from_ffi(entry.get_user_data()).into());
        }
    }

    /// Cancels everything, and concludes until nothing is in flight or patience is over. Again and
    /// again: what is between two states may escape one cancellation.
    fn end(&mut self) {
        let deadline = Deadline::start(Some(PATIENCE));
        while !self.conclude_all() && !deadline.is_over() {
            let everything = opcode::AsyncCancel2::new(CancelBuilder::any()).build();
            self.backlog.push_back(everything.user_data(NOBODY));
            let untaken = self.publish();
            match self.visit(untaken, deadline.left().map(|left| left.min(BETWEEN))) {
                Ok(()) => {}
                Err(error) => match error.raw_os_error() {
                    Some(libc::ETIME | libc::EINTR) => {}
                    Some(libc::EAGAIN | libc::EBUSY) => self.pause(),
                    _ => return,
                },
            }
        }
    }

    /// Drops every reply there is. Whether nothing is in flight any more.
    fn conclude_all(&mut self) -> bool {
        while let Some(completion) = self.completions.pop_front() {
            drop(self.conclude(&completion));
        }
        self.operations.is_empty()
    }

    /// Lets go of the descriptors, and of nothing else.
    fn abandon(&mut self) {
        while let Some(token) = self.operations.keys().next() {
            drop(self.operations.remove(token).map(Operation::abandon));
        }
    }
}

impl<D, B> Drop for Ring<D, B> {
    fn drop(&mut self) {
        self.withdraw();
        let is_ours_alone = if self.home.is_here() {
            self.end();
            self.operations.is_empty() && self.group.unregister(&self.queues)
        } else {
            // The kernel writes into the parent's memory; all here is a copy.
            self.group.detach();
            self.conclude_all();
            true
        };
        if !is_ours_alone {
            self.abandon();
            return;
        }
        // SAFETY: not used after this.
        unsafe { ManuallyDrop::drop(&mut self.operations) };
        // SAFETY: the same; the kernel has let the group go.
        unsafe { ManuallyDrop::drop(&mut self.group) };
    }
}

impl<D, B> fmt::Debug for Ring<D, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("in_flight", &self.operations.len())
            .field("provided", &self.group.len())
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

/// The user data of cancellations, whose completions nobody waits for.
const NOBODY: u64 = 0;

/// How often a kernel that has no memory is asked again within one `enter`, and how long each time it is
/// left in peace.
const REFUSALS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(1);

/// How long dropping waits for the kernel, and how long it trusts one cancellation.
const PATIENCE: Duration = Duration::from_secs(1);
const BETWEEN: Duration = Duration::from_millis(50);
