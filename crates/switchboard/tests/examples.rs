//! Every example, run as a reader would run it: built by `cargo test`, and talked to over a real socket.
#![allow(clippy::disallowed_methods, reason = "tests use threads")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

/// An example that serves, ended when it is dropped.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(name: &str, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(example(name))
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run the example {name}: {error}"));
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it was piped")).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect("the readiness line");
        let address = address.split(' ').next().expect("the address").to_owned();
        Self { child, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(|deps| deps.parent()).expect("target/debug/deps");
    target.join("examples").join(name)
}

/// Sends and receives at once, half-closes, and gets everything back before the end.
fn echoes(server: &Server) {
    let sent: Vec<u8> = (0..2_000_000_u32).map(|at| (at * 31 + at / 251) as u8).collect();
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let to_send = sent.clone();
    let thread = std::thread::spawn(move || {
        writer.write_all(&to_send).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut echoed = Vec::new();
    stream.read_to_end(&mut echoed).unwrap();
    thread.join().unwrap();
    assert!(echoed == sent, "{} of {} bytes came back", echoed.len(), sent.len());
}

#[test]
fn callbacks_echoes() {
    let server = Server::start("callbacks", &[]);
    echoes(&server);
    echoes(&server);
}

#[test]
fn selector_echoes_on_every_mechanism() {
    for mechanism in ["epoll", "poll", "select"] {
        let server = Server::start("selector", &[("SELECTOR", mechanism)]);
        echoes(&server);
        echoes(&server);
    }
}

/// More clients than descriptors: those who wait are served when others leave.
#[test]
fn selector_serves_those_who_waited_for_a_descriptor() {
    for mechanism in ["epoll", "poll", "select"] {
        let server = Server::start("selector", &[("SELECTOR", mechanism)]);
        let limit = Rlimit { current: Some(10), maximum: Some(10) };
        let process = Pid::from_child(&server.child);
        prlimit(Some(process), Resource::Nofile, limit).unwrap();
        for round in 0..3 {
            let clients: Vec<_> = (0..20).map(|_| TcpStream::connect(&server.address).unwrap()).collect();
            for mut client in clients {
                client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                client.write_all(b"hello").unwrap();
                let mut echoed = [0; 5];
                client.read_exact(&mut echoed).unwrap_or_else(|error| panic!("{mechanism} {round}: {error}"));
            }
        }
    }
}
