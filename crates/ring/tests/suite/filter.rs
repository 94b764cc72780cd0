//! Under filters that refuse system calls, as containers have: a clear no, and no hang.

use std::io;
use std::time::{Duration, Instant};

use switchboard_ring::{Request, Setup, probe};

use crate::alone::{alone, alone_and_leaking};
use crate::common::{TestRing, pair};

/// From now on, this thread's calls of `number` fail with `errno`.
fn refuse(number: libc::c_long, errno: i32) {
    let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut program = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, number as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: a plain call, which only takes rights away.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    let mode = libc::SECCOMP_MODE_FILTER;
    // SAFETY: the filter is valid, and copied by the call.
    let set = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, std::ptr::from_ref(&filter)) };
    assert_eq!(set, 0, "no filter could be set: {}", io::Error::last_os_error());
}

fn clear(error: &io::Error, kind: io::ErrorKind, words: &[&str]) {
    let text = error.to_string();
    println!("{text}");
    assert_eq!(error.kind(), kind, "{text}");
    assert!(text.contains("io_uring") && words.iter().all(|word| text.contains(word)), "{text}");
}

fn check(name: &str, number: libc::c_long, errno: i32, kind: io::ErrorKind, can_be_made: bool) {
    let body = || {
        refuse(number, errno);
        let start = Instant::now();
        clear(&probe().unwrap_err(), kind, &["seccomp"]);
        clear(&probe().unwrap_err(), kind, &["seccomp"]);
        match TestRing::new(Setup::default()) {
            Err(error) => {
                assert!(!can_be_made);
                clear(&error, kind, &["seccomp"]);
            }
            Ok(mut ring) => {
                assert!(can_be_made);
                let (stream, _far) = pair();
                let token = ring.push(Request::ReceiveInto { stream, buffer: vec![0; 8] });
                clear(&ring.enter(None).unwrap_err(), kind, &["cannot enter", "seccomp"]);
                assert!(ring.is_in_flight(token));
            }
        }
        assert!(start.elapsed() < Duration::from_secs(5));
    };
    let name = format!("filter::{name}");
    // A ring that can be made and not entered never gets back what the kernel has.
    if can_be_made { alone_and_leaking(&name, body) } else { alone(&name, &[], body) }
}

#[test]
fn g15_a_setup_that_is_forbidden_is_a_clear_error() {
    let name = "g15_a_setup_that_is_forbidden_is_a_clear_error";
    check(name, libc::SYS_io_uring_setup, libc::EPERM, io::ErrorKind::PermissionDenied, false);
}

#[test]
fn g15_a_setup_that_is_hidden_is_a_clear_error() {
    let name = "g15_a_setup_that_is_hidden_is_a_clear_error";
    check(name, libc::SYS_io_uring_setup, libc::ENOSYS, io::ErrorKind::Unsupported, false);
}

#[test]
fn g15_entering_that_is_forbidden_is_a_clear_error() {
    let name = "g15_entering_that_is_forbidden_is_a_clear_error";
    check(name, libc::SYS_io_uring_enter, libc::EPERM, io::ErrorKind::PermissionDenied, true);
}

#[test]
fn g15_entering_that_is_hidden_is_a_clear_error() {
    let name = "g15_entering_that_is_hidden_is_a_clear_error";
    check(name, libc::SYS_io_uring_enter, libc::ENOSYS, io::ErrorKind::Unsupported, true);
}

#[test]
fn g15_registering_that_is_forbidden_is_a_clear_error() {
    let name = "g15_registering_that_is_forbidden_is_a_clear_error";
    check(name, libc::SYS_io_uring_register, libc::EPERM, io::ErrorKind::PermissionDenied, false);
}
