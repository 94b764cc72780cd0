//! An echo of datagrams: each goes back to whoever sent it.
//!
//! `cargo run --example udp`, then `nc -u 127.0.0.1 PORT` with the port it prints. Ctrl-C ends it.

use std::io;

use futures_lite::FutureExt;
use switchboard::interrupt;
use switchboard::net::UdpSocket;

#[switchboard::main]
async fn main() -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let end = interrupt(); // from here on, signals are heard
    println!("listening on {}", socket.local_addr()?);
    // Whichever ends first; the other is dropped.
    async { end.await.map(drop) }.or(echo(&socket)).await
}

async fn echo(socket: &UdpSocket) -> io::Result<()> {
    loop {
        let datagram = socket.recv_from(LONGEST).await?;
        if datagram.truncated {
            eprintln!("{} sent more than {LONGEST} bytes; half an echo is none", datagram.from);
            continue;
        }
        // There is no connection that could break: what cannot be sent to one concerns no other.
        if let Err(error) = socket.send_to(datagram.data, datagram.from).await {
            eprintln!("{error}");
        }
    }
}

/// The longest datagram that is echoed, bytes: what an Ethernet frame can carry, and to spare.
const LONGEST: usize = 2048;
