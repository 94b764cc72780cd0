//! Sockets for tasks: the names and meanings of `std::net`, without blocking.
//!
//! A socket here is a name of one that the engine owns, and dropping it closes it: a stream gently, so that what was
//! sent arrives although the peer's last bytes were never read. A socket belongs to the loop that it was made on; used
//! elsewhere it answers with an error. An idle stream holds no buffer.

mod connect;
mod copy;
mod endpoint;
mod futures_io;
mod lines;
mod listener;
mod reader;
mod stream;
mod target;
mod tcp;
mod traffic;
mod udp;
mod unix;
mod writer;

pub use crate::engine::{Address, Close, Lease};
pub use copy::copy_bidirectional;
pub use lines::{Line, LineTooLong, Lines};
pub use listener::Listener;
pub use reader::ReadHalf;
pub use stream::Stream;
pub use target::{ParseTargetError, Target, ToTarget};
pub use tcp::{TcpListener, TcpStream};
pub(crate) use traffic::Traffic;
pub use udp::{Datagram, UdpSocket};
pub use unix::{UnixListener, UnixStream};
pub use writer::WriteHalf;

use crate::task::Outcome;

// What tasks hand back is none of it a failure.
impl Outcome for Datagram {}
impl Outcome for Listener {}
impl Outcome for ReadHalf {}
impl Outcome for Stream {}
impl Outcome for TcpListener {}
impl Outcome for TcpStream {}
impl Outcome for UdpSocket {}
impl Outcome for UnixListener {}
impl Outcome for UnixStream {}
impl Outcome for WriteHalf {}
