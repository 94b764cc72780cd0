//! A send that fails half-way, which no kernel does on demand: strace(1) makes the second `sendto` fail.
//!
//! The test runs itself once more, under strace. Without strace it is skipped, and says so.

mod network;

use std::io::{self, IoSlice};
use std::process::Command;

use network::{finish, pair};
use switchboard::engine::{Close, Done, Lease, Mechanism, Op};

const CHILD: &str = "SWITCHBOARD_TEST_HALF_SENT";

#[test]
fn nothing_follows_a_send_that_failed_half_way() {
    if std::env::var_os(CHILD).is_some() {
        return fail_half_way();
    }
    let this = std::env::current_exe().unwrap();
    let traced = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "-e", "inject=sendto:error=ENOBUFS:when=2"])
        .arg(this)
        .args(["--exact", "nothing_follows_a_send_that_failed_half_way", "--nocapture"])
        .env(CHILD, "1")
        // Where this is built with sanitizers: that of leaks needs ptrace(2) for itself.
        .env("ASAN_OPTIONS", "detect_leaks=0")
        .output();
    match traced {
        Err(error) if error.kind() == io::ErrorKind::NotFound => println!("skipped: strace is not installed"),
        traced => {
            let traced = traced.unwrap();
            assert!(traced.status.success(), "{}", String::from_utf8_lossy(&traced.stderr));
        }
    }
}

fn fail_half_way() {
    // Every system has it, and it calls what strace makes fail.
    let mut engine = switchboard::engine::with(Mechanism::Poll).unwrap();
    let (near, far) = pair(&mut *engine);
    // More than the kernel takes at once: when the peer has made room, a second call follows the first.
    let submitted = engine.submit(Op::Send { socket: near, parts: vec![Lease::from(vec![1; 16 << 20])] });
    let (mut arrived, mut away) = (0, vec![0; 1 << 20]);
    while arrived < 1 << 20 {
        arrived += engine.try_recv(far, &mut away).unwrap();
    }
    let failed = finish(&mut *engine, submitted).unwrap_err();
    assert_eq!(failed.error.raw_os_error(), Some(rustix::io::Errno::NOBUFS.raw_os_error()));
    let Some(Op::Send { parts, .. }) = &failed.op else { panic!("the rest did not come back") };
    let sent = (16 << 20) - parts[0].len();
    assert!(sent > 0, "nothing was sent before it failed");

    // The system would take these; the stream would have a hole.
    let error = engine.try_send(near, &[IoSlice::new(b"late")]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    let submitted = engine.submit(Op::Send { socket: near, parts: vec![Lease::from(&b"later"[..])] });
    let error = finish(&mut *engine, submitted).unwrap_err().error;
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);

    engine.close(near, Close::GENTLY);
    loop {
        let submitted = engine.submit(Op::Recv { socket: far, max: usize::MAX, peek: false });
        match finish(&mut *engine, submitted) {
            Ok(Done::Received { lease }) if lease.is_empty() => break,
            Ok(Done::Received { lease }) => arrived += lease.len(),
            other => panic!("not a receive: {other:?}"),
        }
    }
    assert_eq!(arrived, sent, "something followed what was sent of the first");
}
