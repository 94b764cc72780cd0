//! `ready`, `has_data`, `wait_for_data`, `unsent`: one descriptor, one call.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use socket2::SockRef;
use switchboard_selector::{Interest, has_data, ready, unsent, wait_for_data};

use crate::common::{SOON, fill, tcp_pair};

#[test]
fn has_data_tells_of_bytes_connections_and_the_end() {
    let (near, mut far) = tcp_pair();
    assert!(!has_data(&near).unwrap());
    far.write_all(b"x").unwrap();
    assert!(wait_for_data(&near, SOON).unwrap() && has_data(&near).unwrap());
    (&near).read_exact(&mut [0]).unwrap();
    assert!(!has_data(&near).unwrap());
    drop(far);
    assert!(wait_for_data(&near, SOON).unwrap());

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(!has_data(&listener).unwrap());
    let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    assert!(wait_for_data(&listener, SOON).unwrap());
}

#[test]
fn wait_for_data_waits_its_time_and_not_less() {
    let (near, _far) = tcp_pair();
    let timeout = Duration::from_micros(20_300);
    let start = Instant::now();
    assert!(!wait_for_data(&near, timeout).unwrap());
    assert!(start.elapsed() >= timeout);
}

#[test]
fn ready_answers_only_what_was_asked() {
    let (near, far) = tcp_pair();
    let both = Interest::READ | Interest::WRITE;
    assert_eq!(ready(&near, both, None).unwrap(), Interest::WRITE);
    assert_eq!(ready(&near, Interest::READ, Some(Duration::ZERO)).unwrap(), Interest::NONE);
    assert_eq!(ready(&near, Interest::NONE, None).unwrap(), Interest::NONE);
    SockRef::from(&far).send_out_of_band(b"!").unwrap();
    assert_eq!(ready(&near, Interest::PRIORITY, Some(SOON)).unwrap(), Interest::PRIORITY);
    fill(&near);
    assert_eq!(ready(&near, Interest::WRITE, Some(Duration::ZERO)).unwrap(), Interest::NONE);
    SockRef::from(&far).set_linger(Some(Duration::ZERO)).unwrap();
    drop(far);
    assert_eq!(ready(&near, Interest::WRITE, Some(SOON)).unwrap(), Interest::WRITE);
    let all = both | Interest::PRIORITY;
    assert_eq!(ready(&near, all, Some(SOON)).unwrap(), all, "a reset answers whatever was asked");
    assert_eq!(ready(File::open("/").unwrap(), both, None).unwrap(), both);
}

#[test]
fn a_descriptor_that_is_not_open_is_invalid_input() {
    // SAFETY: this number is open nowhere in these tests; poll(2) only looks it up.
    let nowhere = unsafe { BorrowedFd::borrow_raw(19_000) };
    let error = has_data(nowhere).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("19000"), "{error}");
    // The working directory, as the *at calls name it: -100.
    assert_eq!(ready(rustix::fs::CWD, Interest::READ, None).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn unsent_counts_what_the_peer_has_not_taken() {
    let (near, far) = tcp_pair();
    match unsent(&near) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return println!("skipped: {error}"),
        count => assert_eq!(count.unwrap(), 0),
    }
    fill(&near);
    assert!(unsent(&near).unwrap() > 0);
    let deadline = Instant::now() + SOON;
    while unsent(&near).unwrap() > 0 {
        assert!(Instant::now() < deadline);
        let _ = (&far).read(&mut [0; 65536]);
    }
    let directory = File::open("/").unwrap();
    let error = unsent(&directory).unwrap_err();
    assert!(error.to_string().contains(&directory.as_raw_fd().to_string()), "{error}");
}
