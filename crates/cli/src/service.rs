//! What is done for a client: one of these, chosen by name.
//!
//! Each is one small function over a [`Stream`], in a file of its own: it returns when the client is done with, and
//! an error it returns ends this client's connection and nothing else.

mod boom;
mod discard;
mod echo;
mod hello;
mod line;
mod upper;

use std::io;
use std::str::FromStr;

use switchboard::engine::{Address, Setting};
use switchboard::net::Stream;
use switchboard::server::Client;

use crate::choice::shown;
use crate::error::Error;

/// Which service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Echo,
    Upper,
    Line,
    Hello,
    Discard,
    Boom,
}

impl Service {
    pub(crate) const ALL: [Self; 6] =
        [Self::Echo, Self::Upper, Self::Line, Self::Hello, Self::Discard, Self::Boom];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Upper => "upper",
            Self::Line => "line",
            Self::Hello => "hello",
            Self::Discard => "discard",
            Self::Boom => "boom",
        }
    }

    /// Serves one client: the greeting, and then what it came for.
    pub(crate) async fn serve(self, greeting: &[u8], mut stream: Stream, client: Client) -> io::Result<()> {
        let peer = client.peer();
        tracing::info!("{peer} connected");
        if let Address::Ip(_) = peer {
            // Pieces are sent when they come: a typist waits for each. Where it cannot be set, it is only slower.
            stream.set(Setting::NoDelay(true)).ok();
        }
        stream.write_all(greeting).await?;
        match self {
            Self::Echo => echo::serve(stream).await,
            Self::Upper => upper::serve(stream).await,
            Self::Line => line::serve(stream).await,
            Self::Hello => hello::serve(stream).await,
            Self::Discard => discard::serve(stream).await,
            Self::Boom => boom::serve(stream).await,
        }?;
        tracing::info!("{peer} is done");
        Ok(())
    }
}

impl FromStr for Service {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|service| service.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::wrong_use(format_args!("--service {}: no such service; give one of {names}", shown(name)))
        })
    }
}
