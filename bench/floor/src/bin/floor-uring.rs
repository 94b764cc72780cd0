//! `floor-uring [PORT]`: the floor on io_uring(7), an echo server that does nothing but echo, on one thread.
//!
//! One system call per batch submits all sends and waits for what comes next. Accepting and receiving are multishot: asked
//! for once, they go on. What is received lies in a buffer of a ring that the kernel takes from, is sent from where it
//! lies, and then goes back. One issuer, and the kernel's work is deferred to the wait (io_uring_setup(2)). No layers, no
//! timers, no drain; it ends when it is killed.
//!
//! What must stay true: a descriptor is closed only after its last completion, so that what completes belongs to who has
//! the number; a buffer goes back only after its last send. A peer that does not read holds a few buffers, and then is not
//! received from. If all buffers are held, the rest waits: a hundred such peers stop the others, which a server must not allow.

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::{BufRingEntry, Fd};
use io_uring::{IoUring, cqueue, opcode, squeue};
use rustix::net::{Shutdown, shutdown, sockopt};

struct Server {
    ring: IoUring,
    listener: TcpListener,
    buffers: Buffers,
    /// By number of descriptor.
    peers: Vec<Option<Peer>>,
    /// Those that could not receive because all buffers were held.
    starved: Vec<u32>,
    /// Something has run out: accepting goes on when a peer has gone.
    unaccepted: bool,
}

struct Peer {
    socket: OwnedFd,
    /// Received and not yet sent back, in order. The first is on its way if `sending`.
    unsent: VecDeque<Piece>,
    /// Operations that the kernel has.
    receiving: bool,
    sending: bool,
    /// Receiving was told to stop.
    pausing: bool,
    /// Receiving waits for a buffer.
    starved: bool,
    /// Nothing more will be received.
    ended: bool,
}

/// What a buffer holds.
#[derive(Clone, Copy)]
struct Piece {
    buffer: u16,
    begin: u32,
    end: u32,
}

impl Server {
    fn new(listener: TcpListener) -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS)?;
        let buffers = Buffers::new(&ring)?;
        let mut server =
            Self { ring, listener, buffers, peers: Vec::new(), starved: Vec::new(), unaccepted: false };
        server.accept()?;
        Ok(server)
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut completed: Vec<(u64, i32, u32)> = Vec::with_capacity(COMPLETIONS as usize);
        loop {
            match self.ring.submit_and_wait(1) {
                Err(error)
                    if error.kind() != ErrorKind::Interrupted
                        && error.raw_os_error() != Some(libc::EBUSY) =>
                {
                    return Err(error);
                }
                _ => {}
            }
            completed
                .extend(self.ring.completion().map(|done| (done.user_data(), done.result(), done.flags())));
            for (name, result, flags) in completed.drain(..) {
                let number = name as u32;
                match name & KINDS {
                    ACCEPT => self.accepted(result, flags)?,
                    RECEIVE => self.received(number, result, flags)?,
                    SEND => self.sent(number, result)?,
                    _ => {} // how a cancellation went is said by what it cancelled
                }
            }
            if self.buffers.free > 0 {
                for number in std::mem::take(&mut self.starved) {
                    self.resume(number)?;
                }
            }
        }
    }

    fn accepted(&mut self, result: i32, flags: u32) -> io::Result<()> {
        if result >= 0 {
            let number = result as usize;
            // SAFETY: the kernel has just opened it for us, and nobody else knows of it.
            let socket = unsafe { OwnedFd::from_raw_fd(result) };
            if self.peers.len() <= number {
                self.peers.resize_with(number + 1, || None);
            }
            self.peers[number] = Some(Peer::new(socket));
            self.receive(number as u32)?;
        }
        if cqueue::more(flags) {
            return Ok(());
        }
        match -result {
            ..=0 | libc::ECONNABORTED | libc::EINTR => return self.accept(),
            libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM => self.unaccepted = true,
            error => return Err(io::Error::from_raw_os_error(error)),
        }
        Ok(())
    }

    fn received(&mut self, number: u32, result: i32, flags: u32) -> io::Result<()> {
        let Some(peer) = &mut self.peers[number as usize] else { return Ok(()) };
        peer.receiving = cqueue::more(flags);
        match result {
            1.. => {
                let buffer = cqueue::buffer_select(flags).ok_or(ErrorKind::InvalidData)?;
                self.buffers.free -= 1;
                peer.unsent.push_back(Piece { buffer, begin: 0, end: result as u32 });
                if peer.receiving && !peer.pausing && peer.unsent.len() >= MOST_UNSENT {
                    peer.pausing = true;
                    let cancel = opcode::AsyncCancel::new(RECEIVE | u64::from(number)).build();
                    self.submit(cancel, CANCEL)?;
                }
            }
            _ if result == -libc::ENOBUFS => {
                peer.starved = true;
                self.starved.push(number);
            }
            _ if result == -libc::ECANCELED => {}
            _ => peer.ended = true,
        }
        self.settle(number)
    }

    fn sent(&mut self, number: u32, result: i32) -> io::Result<()> {
        let Some(peer) = &mut self.peers[number as usize] else { return Ok(()) };
        peer.sending = false;
        if result < 0 {
            // It has gone; what is being received ends with it.
            peer.ended = true;
            shutdown(&peer.socket, Shutdown::Both).ok();
            peer.unsent.drain(..).for_each(|piece| self.buffers.give_back(piece.buffer));
        } else if let Some(piece) = peer.unsent.front_mut() {
            piece.begin += result as u32;
            if piece.begin == piece.end {
                self.buffers.give_back(piece.buffer);
                peer.unsent.pop_front();
            }
        }
        self.settle(number)
    }

    /// What comes next for a peer: the next send, receiving again, or its end.
    fn settle(&mut self, number: u32) -> io::Result<()> {
        let Some(peer) = &mut self.peers[number as usize] else { return Ok(()) };
        if peer.sending {
            return Ok(());
        }
        if let Some(&piece) = peer.unsent.front() {
            peer.sending = true;
            let socket = Fd(peer.socket.as_raw_fd());
            let (at, length) = self.buffers.at(piece);
            let send = opcode::Send::new(socket, at, length).flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL);
            return self.submit(send.build(), SEND | u64::from(number));
        }
        if peer.receiving {
            return Ok(());
        }
        if peer.ended {
            self.peers[number as usize] = None;
            return if std::mem::take(&mut self.unaccepted) { self.accept() } else { Ok(()) };
        }
        if peer.starved { Ok(()) } else { self.receive(number) }
    }

    /// Receives again, if this is still the peer that waited for a buffer.
    fn resume(&mut self, number: u32) -> io::Result<()> {
        match &self.peers[number as usize] {
            Some(peer) if peer.starved => self.receive(number),
            _ => Ok(()),
        }
    }

    fn receive(&mut self, number: u32) -> io::Result<()> {
        let Some(peer) = &mut self.peers[number as usize] else { return Ok(()) };
        (peer.receiving, peer.pausing, peer.starved) = (true, false, false);
        let receive = opcode::RecvMulti::new(Fd(peer.socket.as_raw_fd()), GROUP).build();
        self.submit(receive, RECEIVE | u64::from(number))
    }

    fn accept(&mut self) -> io::Result<()> {
        let accept =
            opcode::AcceptMulti::new(Fd(self.listener.as_raw_fd())).flags(libc::SOCK_CLOEXEC).build();
        self.submit(accept, ACCEPT)
    }

    fn submit(&mut self, entry: squeue::Entry, name: u64) -> io::Result<()> {
        let entry = entry.user_data(name);
        // SAFETY: descriptors and buffers outlive their operations, see the head of this file.
        while unsafe { self.ring.submission().push(&entry) }.is_err() {
            self.ring.submit()?;
        }
        Ok(())
    }
}

impl Peer {
    fn new(socket: OwnedFd) -> Self {
        let unsent = VecDeque::new();
        Self {
            socket,
            unsent,
            receiving: false,
            sending: false,
            pausing: false,
            starved: false,
            ended: false,
        }
    }
}

/// The buffers, and the ring through which the kernel takes them, which needs pages of its own.
struct Buffers {
    ring: *mut BufRingEntry,
    memory: *mut u8,
    /// Where the next one is given back, counted without end.
    tail: u16,
    /// How many the kernel may still take.
    free: usize,
}

impl Buffers {
    fn new(ring: &IoUring) -> io::Result<Self> {
        let entries = allocated(size_of::<BufRingEntry>() * usize::from(BUFFERS)).cast::<BufRingEntry>();
        let memory = allocated(STRIDE * usize::from(BUFFERS));
        // SAFETY: it was allocated for as many entries, and is never freed.
        unsafe { ring.submitter().register_buf_ring_with_flags(entries as u64, BUFFERS, GROUP, 0)? };
        let mut buffers = Self { ring: entries, memory, tail: 0, free: 0 };
        (0..BUFFERS).for_each(|buffer| buffers.give_back(buffer));
        Ok(buffers)
    }

    fn give_back(&mut self, buffer: u16) {
        let at = self.memory.wrapping_add(usize::from(buffer) * STRIDE) as u64;
        // SAFETY: there are as many, zeros are entries, and the kernel reads none beyond the tail.
        let entry = unsafe { &mut *self.ring.add(usize::from(self.tail % BUFFERS)) };
        entry.set_addr(at);
        entry.set_len(SIZE);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
        self.free += 1;
        // SAFETY: the first entry of a ring has a place for its tail, which only this thread writes.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.ring).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }

    fn at(&self, piece: Piece) -> (*const u8, u32) {
        let offset = usize::from(piece.buffer) * STRIDE + piece.begin as usize;
        (self.memory.wrapping_add(offset), piece.end - piece.begin)
    }
}

/// So many bytes of zeros, from the begin of a page, for ever.
fn allocated(bytes: usize) -> *mut u8 {
    let Ok(layout) = Layout::from_size_align(bytes, 4096) else { unreachable!("constants that fit") };
    // SAFETY: it has a size.
    let memory = unsafe { alloc_zeroed(layout) };
    if memory.is_null() {
        handle_alloc_error(layout);
    }
    memory
}

const SUBMISSIONS: u32 = 1024;
const COMPLETIONS: u32 = 8192;
const BUFFERS: u16 = 1024; // a power of two
const SIZE: u32 = 16 * 1024;
/// From one buffer to the next: a line of the cache more, or all of them would share the few lines that have the same place.
const STRIDE: usize = SIZE as usize + 64;
const GROUP: u16 = 0;
/// Buffers that a peer may hold before it is not received from any more.
const MOST_UNSENT: usize = 8;

/// What completes is named by its kind and the number of its descriptor.
const KINDS: u64 = 7 << 32;
const ACCEPT: u64 = 1 << 32;
const RECEIVE: u64 = 2 << 32;
const SEND: u64 = 3 << 32;
const CANCEL: u64 = 4 << 32;

fn main() -> ExitCode {
    listen::run("floor-uring", |listener| {
        sockopt::set_tcp_nodelay(&listener, true)?; // whom it accepts inherits it
        let mut server = Server::new(listener)?;
        listen::ready(&server.listener, "the floor on io_uring")?;
        server.serve()
    })
}
