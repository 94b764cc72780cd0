//! *line*: a welcome, and then every line comes back as `Echo: <line>`.
//!
//! A line ends with LF or CRLF, as telnet, nc and people send it; an answer ends with CRLF. What follows the last line
//! end is a line, too.

use std::io::{self, IoSlice};

use switchboard::net::{Lines, Stream};

/// A line that is too long gets an error line, and that is the end: where the next one begins is not waited for.
pub(super) async fn serve(mut stream: Stream) -> io::Result<()> {
    stream.write_all(WELCOME).await?;
    let mut lines = Lines::new(LONGEST);
    loop {
        match lines.next_line(&mut stream).await {
            Ok(None) => return Ok(()),
            Ok(Some(line)) => {
                let mut answer = [b"Echo: ", line.bytes, b"\r\n"].map(IoSlice::new);
                stream.write_all_vectored(&mut answer).await?;
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return stream.write_all(TOO_LONG).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// How long a line may be, bytes, without its end.
const LONGEST: usize = 64 << 10;

const WELCOME: &[u8] = b"Welcome! Every line you send comes back.\r\n";

const TOO_LONG: &[u8] = b"Error: a line has at most 65536 bytes\r\n";
