//! The traits of the `futures-io` crate, which much of the ecosystem reads and writes by.
//!
//! A poll that is pending leaves a wait behind, and nothing else: methods of the streams' own may follow it. Flushing
//! does nothing, as nothing is kept here; closing is [`shutdown`](WriteHalf::shutdown).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};

use super::{ReadHalf, Stream, TcpStream, UnixStream, WriteHalf};

impl AsyncRead for ReadHalf {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        ReadHalf::poll_read(self.get_mut(), cx, into)
    }
}

/// What [`poll_fill_buf`](AsyncBufRead::poll_fill_buf) has shown and nobody has consumed is kept in a buffer of the
/// engine's; nothing is, while it waits.
impl AsyncBufRead for ReadHalf {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.get_mut().poll_held(cx)
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        ReadHalf::consume(self.get_mut(), count);
    }
}

impl AsyncWrite for WriteHalf {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        WriteHalf::poll_write(self.get_mut(), cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        WriteHalf::poll_write(self.get_mut(), cx, parts)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_shutdown(cx)
    }
}

/// The traits of both halves, for what has them.
macro_rules! as_its_halves {
    ($($stream:ty),*) => { $(
        impl AsyncRead for $stream {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                into: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                self.get_mut().split().0.poll_read(cx, into)
            }
        }

        impl AsyncBufRead for $stream {
            fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
                self.get_mut().split().0.poll_held(cx)
            }

            fn consume(self: Pin<&mut Self>, count: usize) {
                self.get_mut().split().0.consume(count);
            }
        }

        impl AsyncWrite for $stream {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.get_mut().split().1.poll_write(cx, &[IoSlice::new(bytes)])
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                parts: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.get_mut().split().1.poll_write(cx, parts)
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.get_mut().split().1.poll_shutdown(cx)
            }
        }
    )* };
}

as_its_halves!(Stream, TcpStream, UnixStream);
