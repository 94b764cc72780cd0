//! *echo*: what a client sends goes back to it, up to its end and including it (RFC 862).

use std::io;

use switchboard::net::Stream;

/// What was received is sent from the buffer it lies in, and more is received only when that is done: a client that
/// does not read is not read from.
pub(super) async fn serve(mut stream: Stream) -> io::Result<()> {
    loop {
        let data = stream.recv().await?;
        if data.is_empty() {
            return Ok(());
        }
        stream.send_all(data).await?;
    }
}
