//! tokio on one thread: a listener, and a task for each connection, as its own documentation has it.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;

use crate::{BUFFER, GREETING, Scenario, listening};

pub(crate) fn serve(scenario: Scenario) -> io::Result<()> {
    runtime::Builder::new_current_thread().enable_io().build()?.block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        listening(listener.local_addr()?, "tokio")?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(async move {
                let _ = match scenario {
                    Scenario::Echo => echo(stream).await,
                    Scenario::Greet => greet(stream).await,
                };
            });
        }
    })
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; BUFFER];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}

async fn greet(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(&GREETING).await
}
