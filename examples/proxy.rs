//! A proxy: whoever connects to it is connected to an upstream, as if they had gone there themselves.
//!
//! `UPSTREAM=127.0.0.1:8000 cargo run --example proxy`, then `telnet 127.0.0.1 PORT` with the port it prints. What
//! either side sends goes to the other; an end is passed on as one, while the other direction goes on; a
//! connection that breaks is broken off on the other side, too, lest a part be taken for the whole.

use std::io;
use std::time::Duration;

use switchboard::net::{Close, Stream, Target, copy_bidirectional};
use switchboard::server::{Client, Server};

#[switchboard::main]
async fn main() -> io::Result<()> {
    let upstream = std::env::var("UPSTREAM").unwrap_or_else(|_| "127.0.0.1:8000".to_owned());
    let upstream: Target = upstream.parse().map_err(io::Error::other)?;
    let server = Server::bind("127.0.0.1:0").await?.limit(1000).idle_timeout(Duration::from_secs(600));
    println!("listening on {} (proxy for {upstream})", server.addresses()[0]);
    let receipt = server.serve(async move |stream, _: Client| proxy(stream, &upstream).await).await?;
    println!("{receipt}");
    Ok(())
}

async fn proxy(mut client: Stream, upstream: &Target) -> io::Result<()> {
    // Until there is an upstream, nothing is received: the client waits, and no buffer with it.
    let mut upstream = match Stream::connect_timeout(upstream, Duration::from_secs(5)).await {
        Ok(upstream) => upstream,
        Err(error) => {
            client.close(Close::Reset);
            return Err(error);
        }
    };
    let copied = copy_bidirectional(&mut client, &mut upstream).await;
    if copied.is_err() {
        client.close(Close::Reset);
        upstream.close(Close::Reset);
    }
    copied.map(drop)
}
