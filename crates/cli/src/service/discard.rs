//! *discard*: reads what a client sends, and throws it away (RFC 863).

use std::io;

use switchboard::net::Stream;

/// The empty lease is the client's end.
pub(super) async fn serve(mut stream: Stream) -> io::Result<()> {
    while !stream.recv().await?.is_empty() {}
    Ok(())
}
