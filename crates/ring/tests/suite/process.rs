//! What concerns the whole process: fork, exec, and how a waiting ring looks from outside.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use switchboard_ring::{Outcome, Request, Setup};

use crate::alone::alone;
use crate::common::{
    Shared, TestRing, arm, errno, is_here, now, pair, receive, received, ring, shared, soon,
};

/// Runs `child` in a forked process and fails with the number it answers, unless that is 0.
fn in_forked_child(child: impl FnOnce() -> i32) {
    // SAFETY: the child runs `child` and leaves by _exit; the C library makes its allocator usable there.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        // SAFETY: no destructors or handlers of the parent run in the child.
        0 => unsafe { libc::_exit(child()) },
        pid => {
            let mut status = 0;
            // The deadline is that of the process this runs in.
            // SAFETY: `pid` is our child, `status` is ours to write.
            assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
            assert_eq!(status, 0, "the child failed at step {}", libc::WEXITSTATUS(status));
        }
    }
}

/// What a child finds wrong with a ring of its parent: 0 if `enter` fails clearly and the rest is silent.
fn misuse(mut ring: TestRing, near: &Shared) -> i32 {
    let send = Request::Send { stream: near.clone(), parts: vec![b"child".to_vec()], zero_copy: false };
    let token = ring.push(send);
    ring.provide(vec![0; 16]);
    ring.cancel(token);
    ring.cancel_all(std::os::fd::AsFd::as_fd(near));
    let clear = |error: std::io::Error| {
        error.kind() == std::io::ErrorKind::Unsupported && error.to_string().contains("parent process")
    };
    if !ring.enter(Some(Duration::ZERO)).is_err_and(clear) {
        return 1;
    }
    if ring.reply().is_some() {
        return 2;
    }
    let start = Instant::now();
    drop(ring);
    if start.elapsed() > Duration::from_millis(500) {
        return 3;
    }
    let Ok(mut own) = TestRing::new(Setup::default()) else { return 4 };
    own.provide(vec![0; 16]);
    let (stream, mut far) = pair();
    own.push(Request::Receive { stream, multishot: false, poll_first: false });
    if far.write_all(b"mine").is_err() || own.enter(None).is_err() {
        return 5;
    }
    match own.reply().map(|reply| reply.outcome) {
        Some(Ok(Outcome::Received { count: 4, .. })) => 0,
        _ => 6,
    }
}

#[test]
fn a6_a_forked_child_gets_errors_and_the_parent_goes_on_undisturbed() {
    alone("process::a6_a_forked_child_gets_errors_and_the_parent_goes_on_undisturbed", &[], || {
        let Some(mut parents) = ring(Setup { entries: 8, buffers: 8 }) else { return };
        (0..4).for_each(|_| parents.provide(vec![0; 16]));
        let (near, mut far) = pair();
        let token = arm(&mut parents, receive(&near, true));
        let listener = shared(TcpListener::bind("127.0.0.1:0").unwrap());
        let to = TcpListener::from(listener.0.try_clone().unwrap()).local_addr().unwrap();
        arm(&mut parents, Request::Accept { listener, multishot: true, poll_first: false });
        // An accepted connection whose reply nobody has taken yet, and one the parent will accept.
        let first = TcpStream::connect(to).unwrap();
        parents.enter(None).unwrap();
        let second = TcpStream::connect(to).unwrap();

        let mut parents = Some(parents);
        in_forked_child(|| parents.take().map_or(9, |ring| misuse(ring, &near)));
        let parents = parents.as_mut().unwrap();

        for far in [&first, &second] {
            let Ok(Outcome::Accepted { descriptor, .. }) = soon(parents).outcome else { panic!() };
            let accepted = TcpStream::from(descriptor);
            assert_eq!(accepted.peer_addr().unwrap(), far.local_addr().unwrap());
        }
        assert!(now(parents).is_empty(), "the child's doings came to the parent");
        // All that the parent provided, and nothing that the child did.
        far.write_all(&[1; 5 * 16]).unwrap();
        let buffers: Vec<_> = (0..4).map(|_| received(soon(parents))).collect();
        assert!(buffers.iter().all(|buffer| *buffer == [1; 16]));
        let without = soon(parents);
        assert_eq!((errno(&without.outcome), without.token), (Some(libc::ENOBUFS), token));
        buffers.into_iter().for_each(|buffer| parents.provide(buffer));
        let token = parents.push(without.request.unwrap());
        let Ok(Outcome::Received { buffer, count: 16, .. }) = soon(parents).outcome else { panic!() };
        parents.provide(buffer);
        for round in 0..100_u8 {
            far.write_all(&[round; 9]).unwrap();
            let reply = soon(parents);
            assert!(reply.token == token && reply.request.is_none());
            let Ok(Outcome::Received { buffer, count: 9, .. }) = reply.outcome else { panic!("{reply:?}") };
            assert_eq!(buffer[..9], [round; 9]);
            parents.provide(buffer);
        }
        far.set_nonblocking(true).unwrap();
        assert!(std::io::Read::read(&mut far, &mut [0; 8]).is_err(), "the child sent something");
        assert_eq!(parents.provided(), 4);
    });
}

#[test]
fn a12_nothing_is_passed_on_to_a_program_started() {
    alone("process::a12_nothing_is_passed_on_to_a_program_started", &[], || {
        let listed = || Command::new("ls").arg("/proc/self/fd").output().unwrap().stdout;
        let before = listed();
        let Some(mut ring) = ring(Setup::default()) else { return };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        ring.push(Request::Accept { listener: shared(listener), multishot: true, poll_first: false });
        ring.enter(None).unwrap();
        assert_eq!(String::from_utf8(listed()), String::from_utf8(before));
    });
}

/// Whether the kernel can be told that waiting for a ring is not waiting for a disk: Linux 6.15.
fn tells_idling_from_waiting() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < (6, 15) {
        println!("skipped: Linux {version:?} counts every waiting ring as I/O wait");
    }
    version >= (6, 15)
}

fn blocked() -> u32 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap();
    let line = stat.lines().find_map(|line| line.strip_prefix("procs_blocked ")).unwrap();
    line.trim().parse().unwrap()
}

#[test]
fn an_idle_ring_does_not_count_as_waiting_for_a_disk() {
    if !is_here() || !tells_idling_from_waiting() {
        return;
    }
    let waiting = std::thread::spawn(|| {
        let mut ring = ring(Setup::default()).unwrap();
        ring.provide(vec![0; 8]);
        let (near, mut far) = pair();
        arm(&mut ring, receive(&near, false));
        ring.enter(Some(Duration::from_secs(1))).unwrap();
        assert!(ring.reply().is_none());
        far.write_all(b"x").unwrap();
        assert_eq!(received(soon(&mut ring)), b"x", "it was armed");
    });
    let mut least = u32::MAX;
    let start = Instant::now();
    // Others on this machine may wait for a disk now and then, but not all the time.
    while start.elapsed() < Duration::from_millis(800) {
        std::thread::sleep(Duration::from_millis(2));
        if start.elapsed() > Duration::from_millis(100) {
            least = least.min(blocked());
        }
    }
    waiting.join().unwrap();
    assert_eq!(least, 0, "somebody waited for I/O all the time");
}
