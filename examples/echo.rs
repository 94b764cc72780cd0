//! An echo server on tasks: whatever a client sends comes back to it. The one the README shows.
//!
//! `cargo run --example echo`, then `telnet 127.0.0.1 PORT` with the port it prints. Ctrl-C ends it in good order: it
//! accepts nobody any more, lets clients finish for two seconds, and prints what became of all who ever came.

use std::io;

use switchboard::net::Stream;
use switchboard::server::{Client, Server};

#[switchboard::main]
async fn main() -> io::Result<()> {
    let server = Server::bind("127.0.0.1:0").await?;
    println!("listening on {}", server.addresses()[0]);
    let receipt = server.serve(echo).await?; // until Ctrl-C or SIGTERM
    println!("{receipt}");
    Ok(())
}

async fn echo(mut stream: Stream, _client: Client) -> io::Result<()> {
    loop {
        let data = stream.recv().await?;
        if data.is_empty() {
            return Ok(()); // the client has ended; dropping the stream closes it
        }
        stream.send_all(data).await?;
    }
}
