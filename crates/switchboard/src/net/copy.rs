//! Copying between two streams, in both directions: what a proxy does.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;

use super::reader::ReadHalf;
use super::stream::Stream;
use super::writer::WriteHalf;

/// Copies between two streams in both directions until both have ended: how many bytes went from `a` to `b`, and
/// from `b` to `a`. The buffers go through as they are. Where a stream ends, the other's sending side is ended; the
/// direction back goes on.
///
/// The first error ends both directions, since a connection that broke is broken both ways; a buffer that is being sent
/// is sent to its end all the same. The streams are left as they are: dropped, the one that did not break looks ended
/// to its peer. To break it off, too, close it with [`Close::Reset`](super::Close::Reset).
///
/// ```no_run
/// use switchboard::net::{TcpListener, TcpStream, copy_bidirectional};
///
/// async fn relay(mut client: TcpStream) -> std::io::Result<()> {
///     let mut server = TcpStream::connect("localhost:8000").await?;
///     copy_bidirectional(&mut client, &mut server).await?;
///     Ok(())
/// }
///
/// #[switchboard::main]
/// async fn main() -> std::io::Result<()> {
///     let listener = TcpListener::bind("127.0.0.1:9000").await?;
///     loop {
///         switchboard::spawn(relay(listener.accept().await?.0)).detach();
///     }
/// }
/// ```
///
/// *Cancel safety.* None: of each direction one buffer may be lost that was received and not yet sent on.
///
/// # Errors
///
/// The first of either direction, as [`ReadHalf::recv`] and [`WriteHalf::send_all`].
pub async fn copy_bidirectional(a: &mut Stream, b: &mut Stream) -> io::Result<(u64, u64)> {
    let ((from_a, to_a), (from_b, to_b)) = (a.split(), b.split());
    let (mut there, mut back) = (pin!(copy(from_a, to_b)), pin!(copy(from_b, to_a)));
    let (mut sent_there, mut sent_back) = (None, None);
    poll_fn(|cx| {
        if sent_there.is_none()
            && let Poll::Ready(sent) = there.as_mut().poll(cx)?
        {
            sent_there = Some(sent);
        }
        if sent_back.is_none()
            && let Poll::Ready(sent) = back.as_mut().poll(cx)?
        {
            sent_back = Some(sent);
        }
        sent_there.zip(sent_back).map_or(Poll::Pending, |sent| Poll::Ready(Ok(sent)))
    })
    .await
}

/// One direction, to its end: how many bytes.
async fn copy(from: &mut ReadHalf, to: &mut WriteHalf) -> io::Result<u64> {
    let mut bytes = 0;
    loop {
        let data = from.recv().await?;
        if data.is_empty() {
            to.shutdown().await?;
            return Ok(bytes);
        }
        bytes += data.len() as u64;
        to.send_all(data).await?;
    }
}
