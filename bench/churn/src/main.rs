//! Servers that are told apart only by what carries them, and the clients that come and go: what `run` measures.
//!
//! `churn serve NAME SCENARIO` listens on a free port of 127.0.0.1, says which, and serves until it is killed;
//! `switchboard` does it on the engine that the environment's `SWITCHBOARD_ENGINE` names.
//! `churn load PORT SCENARIO CLIENTS CONNECTIONS` makes so many connections, so many at a time, one after another.
//!
//! Every server does the same work with the means that its library recommends, on one thread: it accepts, and serves
//! each connection by itself. In the scenario `echo` it sends back what comes until the client has ended; in `greet`
//! it sends a greeting and ends the connection first. Who ends first makes a difference: that side pays for TIME_WAIT.

#![forbid(unsafe_code)]

mod bare;
mod load;
mod ours;
mod with_tokio;

use std::env;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::str::FromStr;

/// Who ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenario {
    /// The client, after one message was sent back to it.
    Echo,
    /// The server, after it has sent a greeting.
    Greet,
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "echo" => Ok(Self::Echo),
            "greet" => Ok(Self::Greet),
            other => Err(format!("no scenario '{other}'; give echo or greet")),
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["serve", name, scenario] => scenario.parse().and_then(|scenario| serve(name, scenario)),
        ["load", port, scenario, clients, connections] => load(port, scenario, clients, connections),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("churn: {message}");
            ExitCode::FAILURE
        }
    }
}

fn serve(name: &str, scenario: Scenario) -> Result<(), String> {
    let served = match (name, scenario) {
        ("floor", Scenario::Echo) => listen::bind(0).and_then(floor::serve),
        ("floor", Scenario::Greet) => bare::greet(),
        ("tokio", scenario) => with_tokio::serve(scenario),
        ("switchboard", scenario) => ours::serve(scenario),
        _ => return Err(format!("no server '{name}'; give floor, switchboard or tokio")),
    };
    served.map_err(|error| format!("cannot serve with {name}: {error}"))
}

fn load(port: &str, scenario: &str, clients: &str, connections: &str) -> Result<(), String> {
    let (port, scenario) = (number(port)?, scenario.parse()?);
    load::make(port, scenario, number(clients)?, number(connections)?)
        .map_err(|error| format!("cannot talk to the server at port {port}: {error}"))
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("'{text}' is not a number that fits here"))
}

/// The readiness line.
fn listening(address: SocketAddr, name: &str) -> io::Result<()> {
    writeln!(io::stdout(), "listening on {address} ({name})")
}

const USAGE: &str =
    "use: churn serve floor|switchboard|tokio echo|greet, or churn load PORT echo|greet CLIENTS CONNECTIONS";

/// What a greeting says, and how much a client sends to be echoed.
const GREETING: [u8; 64] = [b'x'; 64];
/// What the echo reads into, where the server brings the buffer.
const BUFFER: usize = 4096;
