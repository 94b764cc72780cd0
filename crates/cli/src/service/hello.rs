//! *hello*: says hello and hangs up, whatever the client does.

use std::io;

use switchboard::net::Stream;

/// Dropping the stream closes it gently: the words arrive although nobody reads what the client may have sent.
pub(super) async fn serve(mut stream: Stream) -> io::Result<()> {
    stream.write_all(b"Hello from server!\r\n").await
}
