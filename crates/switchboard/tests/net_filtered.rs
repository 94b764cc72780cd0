//! Connecting where packets vanish or no way leads: in a network namespace of its own, from which nothing gets out.
//!
//! The test runs itself again under unshare(1). In there, 203.0.113.0/24 (TEST-NET-3, RFC 5737) is routed to the
//! loopback device, which drops what is not for it; to other networks there is no route.
#![allow(clippy::disallowed_methods, reason = "the rest of the network module uses the real clock")]

mod network;

use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, io};

use switchboard::net::TcpStream;

#[test]
fn e7_what_is_filtered_or_unreachable_is_an_error_in_time() {
    if env::var_os(INSIDE).is_some() {
        return inside_the_namespace();
    }
    let script = "ip link set lo up && ip route add 203.0.113.0/24 dev lo && echo ready && exec \"$@\"";
    let this = env::current_exe().unwrap();
    let inner = Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c", script, "sh"])
        .arg(this)
        .args(["--exact", "e7_what_is_filtered_or_unreachable_is_an_error_in_time", "--nocapture"])
        .env(INSIDE, "1")
        .output();
    let output = match inner {
        Err(error) => return println!("skipped: unshare cannot be run: {error}"),
        Ok(output) => output,
    };
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !said.contains("ready") {
        return println!("skipped: no namespace of its own: {failed}");
    }
    assert!(output.status.success() && said.contains("1 passed"), "{said}{failed}");
}

fn inside_the_namespace() {
    for network in network::real() {
        network.block_on(async {
            let begun = Instant::now();
            let time = Duration::from_millis(300);
            let error = TcpStream::connect_timeout("203.0.113.1:80", time).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert_eq!(error.to_string(), "cannot connect to 203.0.113.1:80 within 300ms: no answer");
            let took = begun.elapsed();
            assert!(took >= time && took < Duration::from_secs(2), "{took:?}");

            let error = TcpStream::connect("198.51.100.1:80").await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NetworkUnreachable, "{error}");
            let error = TcpStream::connect("[2001:db8::1]:80").await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NetworkUnreachable, "{error}");
        });
    }
}

/// Set for the test that runs in the namespace.
const INSIDE: &str = "SWITCHBOARD_TEST_IN_NAMESPACE";
