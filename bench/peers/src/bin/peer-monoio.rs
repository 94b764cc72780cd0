//! `peer-monoio [PORT]`: monoio on io_uring; it has no other driver here, and fails where there is no io_uring.
//!
//! As the echo server of its own documentation: a buffer that is lent to the kernel and comes back. By its configuration guide
//! there are more entries than operations at once, so that nothing is submitted early, and no timer, which would cost on
//! every turn. `IoUringDriver` is named, so nothing is chosen at run time. The ring is made by a builder of io_uring's, which
//! `RuntimeBuilder` lets one give: one issuer, and the kernel's work deferred to the wait, which measured best of what a
//! runtime of one thread can choose. TCP_NODELAY.

#![forbid(unsafe_code)]

use std::io;
use std::net::TcpListener;
use std::process::ExitCode;
use std::rc::Rc;

use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::TcpStream;
use monoio::{IoUringDriver, RuntimeBuilder};
use peers::{BUFFER, Departures};

fn main() -> ExitCode {
    listen::run("peer-monoio", |listener| {
        let mut ring = io_uring_06::IoUring::builder();
        ring.setup_single_issuer().setup_defer_taskrun();
        let mut runtime =
            RuntimeBuilder::<IoUringDriver>::new().with_entries(4096).uring_builder(ring).build()?;
        listen::ready(&listener, "monoio on io_uring")?;
        runtime.block_on(serve(listener))
    })
}

async fn serve(listener: TcpListener) -> io::Result<()> {
    let listener = monoio::net::TcpListener::from_std(listener)?;
    let departures = Rc::new(Departures::default());
    loop {
        let ended = departures.count();
        match listener.accept().await {
            Ok((stream, _)) => {
                let departures = departures.clone();
                monoio::spawn(async move {
                    // Who resets is no news here: the load checks what it gets.
                    echo(stream).await.ok();
                    departures.one_more();
                });
            }
            Err(error) if listen::concerns_one_peer(&error) => {}
            Err(_) => departures.beyond(ended).await,
        }
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(BUFFER);
    let mut result;
    loop {
        (result, buffer) = stream.read(buffer).await;
        if result? == 0 {
            return Ok(());
        }
        (result, buffer) = stream.write_all(buffer).await;
        result?;
        buffer.clear();
    }
}
