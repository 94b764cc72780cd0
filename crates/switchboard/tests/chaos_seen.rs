//! What a program notices of faults, and what it makes of them: a server goes on, and its receipt says what it met.
//!
//! And how a program that has never heard of faults comes to have them: by its environment.
#![allow(clippy::disallowed_methods, reason = "a test looks at itself from outside, as another process")]

mod network;
mod service;

use std::env;
use std::io;
use std::process::{Command, Output};
use std::time::Duration;

use network::faulty_loops;
use service::{Switch, bind, echo, tell_on};
use switchboard::engine::{self, Fault, Faults};
use switchboard::net::TcpStream;
use switchboard::server::Receipt;
use switchboard::{Address, EventLoop, spawn};

/// Twenty clients, one after another, each served until it has its answer; each begins anew as long as it is broken off.
fn serve_twenty(event_loop: &EventLoop) -> Receipt {
    tell_on(event_loop, async {
        let (server, address) = bind().await?;
        let over = Switch::default();
        let serving = spawn(server.until(over.thrown()).grace(Duration::from_secs(1)).serve(echo));
        for number in 0..20_u8 {
            let mut attempts = 0;
            while let Err(error) = exchange(address, &[number; 2_000]).await {
                attempts += 1;
                assert!(attempts < 20, "client {number} is never served: {error}");
            }
        }
        over.throw();
        serving.await
    })
}

async fn exchange(address: std::net::SocketAddr, text: &[u8]) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(text).await?;
    let mut back = vec![0; text.len()];
    stream.read_exact(&mut back).await?;
    assert!(back == text, "something else came back");
    stream.shutdown().await
}

#[test]
fn a_server_that_is_out_of_descriptors_pauses_and_resumes() {
    for fault in [Fault::OutOfDescriptors, Fault::OutOfBuffers] {
        for (name, event_loop, injected) in faulty_loops(&Faults::none().with(fault, 0.3).budget(fault, 10)) {
            let receipt = serve_twenty(&event_loop);
            assert_eq!((receipt.accepted, receipt.failed), (20, 0), "{name}: {receipt}");
            assert!(receipt.exhausted > 0, "{name}: {receipt}, of {injected}");
        }
    }
}

#[test]
fn a_server_counts_connections_that_were_gone_and_accepts_the_next() {
    let faults = Faults::none().with(Fault::Aborted, 0.3).budget(Fault::Aborted, 10);
    for (name, event_loop, injected) in faulty_loops(&faults) {
        let receipt = serve_twenty(&event_loop);
        assert_eq!(receipt.lost, injected.count(Fault::Aborted), "{name}: {receipt}");
        assert!(receipt.lost > 0, "{name}: {receipt}");
        assert_eq!((receipt.accepted, receipt.failed), (20, 0), "{name}: {receipt}");
    }
}

#[test]
fn a_server_outlives_connections_that_are_reset() {
    for (name, event_loop, injected) in faulty_loops(&Faults::none().with(Fault::Reset, 0.05)) {
        service::failures(&event_loop);
        let receipt = serve_twenty(&event_loop);
        assert_eq!(injected.count(Fault::Reset), 4, "{name}: the budget is spent");
        // Nobody else is harmed than those whose connections they were.
        assert!((1..=4).contains(&receipt.failed), "{name}: {receipt}");
        assert_eq!(receipt.accepted, receipt.finished + receipt.failed + receipt.cancelled, "{name}");
    }
}

#[test]
fn what_is_not_noticed_is_not_noticed() {
    let faults =
        Faults::none().with(Fault::Short, 0.5).with(Fault::Interrupted, 0.5).with(Fault::Spurious, 0.5);
    for (name, event_loop, injected) in faulty_loops(&faults) {
        let receipt = serve_twenty(&event_loop);
        assert_eq!((receipt.accepted, receipt.finished), (20, 20), "{name}: {receipt}");
        assert_eq!((receipt.received, receipt.sent), (40_000, 40_000), "{name}: {receipt}");
        for fault in [Fault::Short, Fault::Interrupted, Fault::Spurious] {
            assert!(injected.count(fault) > 5, "{name}: {injected}");
        }
    }
}

/// What the child of the tests below does; by itself it is nothing to run.
#[test]
#[ignore = "run by others, with a variable set"]
fn child() {
    let mut engine = match engine::best() {
        Ok(engine) => engine,
        Err(error) => return println!("said: {:?} {error}", error.kind()),
    };
    let address: Address = "127.0.0.1:0".parse().unwrap();
    let opened = (0..10).map(|_| {
        let plan = engine::Plan::Datagram { bind: address.clone() };
        if engine.open(plan).is_ok() { 'o' } else { 'x' }
    });
    println!("said: {}", opened.collect::<String>());
}

/// What a process says that has this in its environment.
fn said(chaos: &str) -> String {
    let me = env::current_exe().unwrap();
    let mut command = Command::new(me);
    command.args(["--exact", "child", "--ignored", "--nocapture"]).env("SWITCHBOARD_CHAOS", chaos);
    let Output { stdout, .. } = command.env_remove("SWITCHBOARD_ENGINE").output().unwrap();
    let stdout = String::from_utf8(stdout).unwrap();
    let line = stdout.lines().find_map(|line| line.split_once("said: "));
    line.unwrap_or_else(|| panic!("nothing was said: {stdout}")).1.to_owned()
}

#[test]
fn a_variable_brings_faults_to_a_program_that_knows_nothing_of_them() {
    assert_eq!(said("seed=7,emfile=1:3"), "xxxooooooo");
    assert_eq!(said(""), "oooooooooo");
    assert_eq!(said("none"), "oooooooooo");
    let some = said("seed=7,emfile=0.5:100");
    assert!(some.contains('x') && some.contains('o'), "{some}");
    assert_eq!(said("seed=7,emfile=0.5:100"), some, "a seed repeats them");
}

#[test]
fn what_is_wrong_with_the_variable_is_said_with_its_name() {
    assert_eq!(
        said("seed=7,late=0.1"),
        "InvalidInput SWITCHBOARD_CHAOS=seed=7,late=0.1: fault late exists only in a simulated network; leave it out here"
    );
    assert!(
        said("shrot=1")
            .starts_with("InvalidInput SWITCHBOARD_CHAOS=shrot=1: unknown fault \"shrot\": one of short")
    );
    assert_eq!(
        said("short=2"),
        "InvalidInput SWITCHBOARD_CHAOS=short=2: probability 2 of fault short is outside 0..=1"
    );
}
