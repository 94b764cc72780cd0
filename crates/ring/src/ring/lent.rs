//! What an operation lends to the kernel besides the parts to send.
//!
//! It lies behind a `Vec`, also where there is only one of it: its place then stays the same while the
//! `Vec` itself moves about, and moving a `Vec` claims nothing about what it points to (moving a `Box`
//! does). From the push on nobody looks at it until the final completion.

use socket2::{SockAddr, SockAddrStorage};

/// The memory of one operation.
pub(super) enum Lent {
    Nothing,
    /// To receive into.
    Buffer(Vec<u8>),
    /// To read where to connect from, or to write who was accepted into.
    Address(Vec<Address>),
    /// The parts to send, as the kernel wants them listed.
    Message(Message),
}

pub(super) struct Address {
    storage: SockAddrStorage,
    length: libc::socklen_t,
}

impl Address {
    /// An address to be written by the kernel, and where its two parts lie.
    pub(super) fn empty() -> (Vec<Self>, *mut libc::sockaddr, *mut libc::socklen_t) {
        let storage = SockAddrStorage::zeroed();
        let length = storage.size_of();
        Self::lend(Self { storage, length })
    }

    /// An address to be read by the kernel, and where it lies.
    pub(super) fn of(address: &SockAddr) -> (Vec<Self>, *const libc::sockaddr, libc::socklen_t) {
        let length = address.len();
        let (lent, storage, _) = Self::lend(Self { storage: address.clone().as_storage(), length });
        (lent, storage.cast_const(), length)
    }

    /// What the kernel wrote.
    pub(super) fn into_address(self) -> SockAddr {
        let length = self.length.min(self.storage.size_of());
        // SAFETY: accept(2) wrote an address of this length here.
        unsafe { SockAddr::new(self.storage, length) }
    }

    fn lend(address: Self) -> (Vec<Self>, *mut libc::sockaddr, *mut libc::socklen_t) {
        let mut lent = vec![address];
        let Self { storage, length } = &mut lent[0];
        let (storage, length) = (std::ptr::from_mut(storage).cast(), std::ptr::from_mut(length));
        (lent, storage, length)
    }
}

/// A msghdr and the list of parts it points to. Both are used again.
pub(super) struct Message {
    header: Vec<libc::msghdr>,
    parts: Vec<libc::iovec>,
}

impl Message {
    /// As many parts as one system call takes (UIO_MAXIOV).
    const MOST: usize = 1024;

    pub(super) fn new() -> Self {
        // SAFETY: a msghdr of zeros is one without name, parts and control data.
        let header = unsafe { std::mem::zeroed() };
        Self { header: vec![header], parts: Vec::new() }
    }

    /// Lists the parts, and tells where the msghdr lies. The list is good as long as nobody touches the
    /// parts.
    pub(super) fn list<B: AsRef<[u8]>>(&mut self, parts: &[B]) -> *const libc::msghdr {
        self.parts.clear();
        self.parts.extend(parts.iter().take(Self::MOST).map(|part| {
            let bytes = part.as_ref();
            libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
        }));
        let header = &mut self.header[0];
        header.msg_iov = self.parts.as_mut_ptr();
        header.msg_iovlen = self.parts.len() as _;
        self.header.as_ptr()
    }
}
