//! What an exchange has at its other end: a stream, or datagrams.

use std::io;

use switchboard::net::{Lease, ReadHalf, Stream, WriteHalf};

use super::datagrams::Datagrams;
use super::traffic::Traffic;

/// Both directions of it.
pub(super) struct Link {
    pub(super) receiver: Receiver,
    pub(super) sender: Sender,
}

pub(super) enum Receiver {
    Stream(ReadHalf),
    Datagrams(Datagrams),
}

pub(super) enum Sender {
    Stream(WriteHalf),
    Datagrams(Datagrams),
}

impl Link {
    pub(super) fn of_stream(stream: Stream) -> Self {
        let (reader, writer) = stream.into_split();
        Self { receiver: Receiver::Stream(reader), sender: Sender::Stream(writer) }
    }

    pub(super) fn of_datagrams(datagrams: Datagrams) -> Self {
        Self { receiver: Receiver::Datagrams(datagrams), sender: Sender::Datagrams(datagrams) }
    }
}

impl Receiver {
    /// What comes next; `None` at the end, which datagrams do not have.
    pub(super) async fn receive(&mut self) -> io::Result<Option<Lease>> {
        match self {
            Self::Stream(reader) => {
                let bytes = reader.recv().await?;
                Ok((!bytes.is_empty()).then_some(bytes))
            }
            Self::Datagrams(datagrams) => datagrams.receive().await.map(Some),
        }
    }
}

impl Sender {
    /// Sends all of it; as a whole, if it is a datagram.
    pub(super) async fn send(&mut self, bytes: &[u8], traffic: &Traffic) -> io::Result<()> {
        match self {
            Self::Stream(writer) => {
                for piece in bytes.chunks(PIECE) {
                    writer.write_all(piece).await?;
                    traffic.note_sent(piece.len());
                }
            }
            Self::Datagrams(datagrams) => {
                datagrams.send(bytes).await?;
                traffic.note_sent(bytes.len());
            }
        }
        Ok(())
    }

    /// Tells the peer that nothing more will come, where there is a way to.
    pub(super) async fn end(&mut self) -> io::Result<()> {
        match self {
            Self::Stream(writer) => writer.shutdown().await,
            Self::Datagrams(_) => Ok(()),
        }
    }
}

/// How much is sent before it is counted, bytes.
const PIECE: usize = 64 << 10;
