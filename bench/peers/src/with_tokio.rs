//! What both servers on tokio do: a listener, and a task for each connection, as tokio's own documentation has it.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::{BUFFER, PAUSE};

/// Accepts for ever.
pub async fn serve(listener: std::net::TcpListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Who resets is no news here: the load checks what it gets.
                tokio::spawn(async move { echo(stream).await.ok() });
            }
            Err(error) if listen::concerns_one_peer(&error) => {}
            Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}
