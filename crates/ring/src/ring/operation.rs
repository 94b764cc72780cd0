//! One operation in flight: the request, and all the kernel may touch until its final completion.
//!
//! Pointers go out in `begin` and are good as long as the operation is neither touched nor dropped; it
//! may be moved, since all of them point behind a `Vec` (see `lent.rs`). Parts to send are only ever
//! looked at, by us, the caller and the kernel.

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

use io_uring::squeue::{Entry, Flags};
use io_uring::types::Fd;
use io_uring::{cqueue, opcode};

use super::group::Group;
use super::lent::{Address, Lent, Message};
use crate::poll_events::PollEvents;
use crate::reply::Outcome;
use crate::request::Request;

pub(super) struct Operation<D, B> {
    request: Request<D, B>,
    lent: Lent,
    /// What a zero-copy send answered; the reply waits until the network is done with the parts.
    sent: Option<i32>,
    /// The kernel says of accepted TCP connections whether more are waiting.
    tells_more: bool,
}

impl<D: AsFd, B: AsRef<[u8]>> Operation<D, B> {
    /// The operation, and what to tell the kernel. `spare` are messages to use again.
    pub(super) fn begin(
        mut request: Request<D, B>,
        accept_waits_first: bool,
        spare: &mut Vec<Message>,
    ) -> (Self, Entry) {
        let fd = Fd(request.descriptor().as_fd().as_raw_fd());
        let (entry, lent) = match &mut request {
            Request::Accept { multishot, poll_first, .. } => {
                accept(fd, *multishot, *poll_first && accept_waits_first)
            }
            Request::Receive { multishot, poll_first, .. } => {
                (receive(fd, *multishot, *poll_first), Lent::Nothing)
            }
            Request::ReceiveInto { buffer, .. } => {
                let mut buffer = mem::take(buffer);
                let length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
                (opcode::Recv::new(fd, buffer.as_mut_ptr(), length).build(), Lent::Buffer(buffer))
            }
            Request::Send { parts, zero_copy, .. } => send(fd, parts, *zero_copy, spare),
            Request::Connect { to, .. } => {
                let (address, storage, length) = Address::of(to);
                (opcode::Connect::new(fd, storage, length).build(), Lent::Address(address))
            }
            Request::Poll { events, multishot, .. } => {
                let poll = opcode::PollAdd::new(fd, events.bits().into()).multi(*multishot);
                (poll.build(), Lent::Nothing)
            }
        };
        (Self { request, lent, sent: None, tells_more: accept_waits_first }, entry)
    }
}

impl<D, B> Operation<D, B> {
    pub(super) fn request(&self) -> &Request<D, B> {
        &self.request
    }

    /// Keeps the answer of a zero-copy send whose parts are still needed. Whether it was one.
    pub(super) fn put_off(&mut self, result: i32) -> bool {
        let is_send = matches!(self.request, Request::Send { .. });
        if is_send {
            self.sent = Some(result);
        }
        is_send
    }

    /// What a completion says. Buffers it names are taken out of the group.
    pub(super) fn outcome(&mut self, result: i32, flags: u32, group: &mut Group) -> io::Result<Outcome> {
        let result = self.sent.take().unwrap_or(result);
        let picked = cqueue::buffer_select(flags);
        let more = cqueue::sock_nonempty(flags);
        let Ok(count) = usize::try_from(result) else {
            if let Some(number) = picked {
                group.restore(number);
            }
            return Err(io::Error::from_raw_os_error(-result));
        };
        Ok(match &mut self.request {
            Request::Accept { .. } => {
                // SAFETY: accept answers with a fresh descriptor, which this completion alone names.
                let descriptor = unsafe { OwnedFd::from_raw_fd(result) };
                let peer = match &mut self.lent {
                    Lent::Address(address) => address.pop().map(Address::into_address),
                    _ => None,
                };
                let is_ip = peer.as_ref().is_some_and(|peer| peer.as_socket().is_some());
                Outcome::Accepted { descriptor, peer, more: more || !(is_ip && self.tells_more) }
            }
            Request::Receive { .. } => {
                let buffer = picked.and_then(|number| {
                    if count == 0 {
                        group.restore(number);
                    }
                    (count > 0).then(|| group.take(number))
                });
                Outcome::Received { buffer: buffer.unwrap_or_default(), count, more }
            }
            Request::ReceiveInto { .. } => {
                let buffer = match mem::replace(&mut self.lent, Lent::Nothing) {
                    Lent::Buffer(buffer) => buffer,
                    _ => Vec::new(),
                };
                Outcome::Received { buffer, count, more }
            }
            Request::Send { .. } => Outcome::Sent { count },
            Request::Connect { .. } => Outcome::Connected,
            Request::Poll { .. } => Outcome::Ready { events: PollEvents::from_bits(result as u16) },
        })
    }

    /// The request with all that was given, after the final completion.
    pub(super) fn finish(mut self, spare: &mut Vec<Message>) -> Request<D, B> {
        match (&mut self.request, self.lent) {
            (Request::ReceiveInto { buffer, .. }, Lent::Buffer(lent)) => *buffer = lent,
            (_, Lent::Message(message)) if spare.len() < SPARE => spare.push(message),
            _ => {}
        }
        self.request
    }

    /// Gives up on the final completion: the descriptor may go, since the kernel has the file in its
    /// own hands; all that it may still touch stays for ever.
    pub(super) fn abandon(self) -> D {
        mem::forget(self.lent);
        match self.request {
            Request::Send { stream, parts, .. } => {
                mem::forget(parts);
                stream
            }
            request => request.into_descriptor(),
        }
    }
}

fn accept(fd: Fd, multishot: bool, poll_first: bool) -> (Entry, Lent) {
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    let (mut entry, lent, mut priority) = if multishot {
        (opcode::AcceptMulti::new(fd).flags(flags).build(), Lent::Nothing, ACCEPT_MULTISHOT)
    } else {
        let (address, storage, length) = Address::empty();
        (opcode::Accept::new(fd, storage, length).flags(flags).build(), Lent::Address(address), 0)
    };
    if poll_first {
        priority |= ACCEPT_POLL_FIRST;
        set_priority(&mut entry, priority);
    }
    (entry, lent)
}

fn receive(fd: Fd, multishot: bool, poll_first: bool) -> Entry {
    let mut priority = 0;
    if multishot {
        priority |= RECEIVE_MULTISHOT;
    }
    if poll_first {
        priority |= POLL_FIRST;
    }
    let receive = opcode::Recv::new(fd, ptr::null_mut(), 0).buf_group(Group::NUMBER).ioprio(priority);
    receive.build().flags(Flags::BUFFER_SELECT)
}

fn send<B: AsRef<[u8]>>(fd: Fd, parts: &[B], zero_copy: bool, spare: &mut Vec<Message>) -> (Entry, Lent) {
    if let [part] = parts {
        let bytes = part.as_ref();
        let (start, length) = (bytes.as_ptr(), u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        let entry = if zero_copy {
            opcode::SendZc::new(fd, start, length).flags(libc::MSG_NOSIGNAL).build()
        } else {
            opcode::Send::new(fd, start, length).flags(libc::MSG_NOSIGNAL).build()
        };
        return (entry, Lent::Nothing);
    }
    let mut message = spare.pop().unwrap_or_else(Message::new);
    let header = message.list(parts);
    let flags = libc::MSG_NOSIGNAL.cast_unsigned();
    let entry = if zero_copy {
        opcode::SendMsgZc::new(fd, header).flags(flags).build()
    } else {
        opcode::SendMsg::new(fd, header).flags(flags).build()
    };
    (entry, Lent::Message(message))
}

/// Writes the field `ioprio`, which the io-uring crate does not offer for accept.
fn set_priority(entry: &mut Entry, priority: u16) {
    const { assert!(size_of::<Entry>() == 64, "an entry is the kernel's io_uring_sqe") };
    let field = ptr::from_mut(entry).cast::<u16>().wrapping_add(1);
    // SAFETY: an io_uring_sqe begins with opcode: u8, flags: u8, ioprio: u16, and any bits are valid.
    unsafe { field.write(priority) };
}

const POLL_FIRST: u16 = 1;
const RECEIVE_MULTISHOT: u16 = 2;
const ACCEPT_MULTISHOT: u16 = 1;
const ACCEPT_POLL_FIRST: u16 = 4;

/// How many messages are kept to be used again.
const SPARE: usize = 64;
