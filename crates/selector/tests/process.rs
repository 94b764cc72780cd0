//! What concerns the whole process, so that nothing else may run beside it: fork, exec, running out
//! of descriptors.
//!
//! The tests take turns with a lock. In a forked child nothing panics: a child says which step
//! failed by its exit code.
#![expect(clippy::disallowed_methods, reason = "tests look at the clock themselves")]

#[path = "suite/common.rs"]
#[expect(dead_code, reason = "the suite needs all of it, these few tests only some")]
mod common;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use common::{SOON, now, on_each, one, selector, tcp_pair};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use switchboard_selector::{Events, Interest, Key, Mode, Selector, Signal};

static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `child` in a forked process and fails with the number it answers, unless that is 0.
fn in_forked_child(child: impl FnOnce() -> i32) {
    // SAFETY: the child runs `child` and leaves by _exit; the C library makes its allocator usable
    // there.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", io::Error::last_os_error()),
        // SAFETY: no destructors or handlers of the parent run in the child.
        0 => unsafe { libc::_exit(child()) },
        pid => {
            let deadline = Instant::now() + SOON;
            let mut status = 0;
            loop {
                // SAFETY: `pid` is our child, `status` is ours to write.
                match unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG) } {
                    0 if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(1)),
                    0 => {
                        // SAFETY: our child, not waited for yet.
                        unsafe { libc::kill(pid, libc::SIGKILL) };
                        panic!("the child hangs");
                    }
                    _ => break,
                }
            }
            assert_eq!(status, 0, "the child failed at step {}", libc::WEXITSTATUS(status));
        }
    }
}

/// What a child finds wrong with a selector of its parent: 0 if every call fails clearly.
fn misuse(mut selector: Selector<TcpStream>, key: Key, spare: TcpStream) -> i32 {
    let clear =
        |error: io::Error| error.kind() == io::ErrorKind::Unsupported && error.to_string().contains("fork");
    let mut events = Events::default();
    if !selector.select(&mut events, Some(Duration::ZERO)).is_err_and(clear) {
        return 1;
    }
    if !selector.modify(key, Interest::WRITE, Mode::Level).is_err_and(clear) {
        return 2;
    }
    if !selector.unregister(key).is_err_and(clear) {
        return 3;
    }
    if !selector.register(spare, Interest::READ, Mode::Level).is_err_and(|rejected| clear(rejected.error)) {
        return 4;
    }
    selector.bell().ring();
    drop(selector);
    let Ok(mut own) = Selector::<TcpStream>::new() else { return 5 };
    own.bell().ring();
    if own.select(&mut events, None).is_err() || !events.rung() {
        return 6;
    }
    0
}

#[test]
fn a6_a_forked_child_gets_errors_and_the_parent_goes_on_undisturbed() {
    let _alone = alone();
    on_each(|mechanism| {
        let mut selector = selector(mechanism);
        let (near, mut far) = tcp_pair();
        let (spare, _far_spare) = tcp_pair();
        let key = selector.register(near, Interest::READ, Mode::Level).unwrap();
        let mut selector = Some(selector);
        let mut spare = Some(spare);
        in_forked_child(|| match (selector.take(), spare.take()) {
            (Some(selector), Some(spare)) => misuse(selector, key, spare),
            _ => 9,
        });
        let selector = selector.as_mut().unwrap();
        let mut events = Events::default();
        selector.select(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty() && !events.rung(), "the child rang the parent's bell");
        far.write_all(b"x").unwrap();
        let event = one(selector);
        assert!(event.key() == key && event.readable() && !event.writable());
        selector.unregister(key).unwrap();
        assert!(now(selector).is_empty());
    });
}

#[test]
fn a7_a_signal_counted_before_fork_is_not_the_childs() {
    let _alone = alone();
    let selector = Selector::<TcpStream>::new().unwrap();
    let signal = Signal::watch(libc::SIGUSR1, selector.bell()).unwrap();
    // SAFETY: a plain call; a handler is installed.
    unsafe { libc::raise(libc::SIGUSR1) };
    in_forked_child(|| {
        if signal.take() != 0 {
            return 1;
        }
        let Ok(mut own) = Selector::<TcpStream>::new() else { return 2 };
        let Ok(again) = Signal::watch(libc::SIGUSR1, own.bell()) else { return 3 };
        // SAFETY: as above.
        unsafe { libc::raise(libc::SIGUSR1) };
        let mut events = Events::default();
        match own.select(&mut events, Some(SOON)) {
            Ok(()) if events.rung() && again.take() == 1 => 0,
            _ => 4,
        }
    });
    assert_eq!(signal.take(), 1);
}

/// The open descriptors of this process.
fn descriptors() -> BTreeSet<String> {
    let names = std::fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap());
    let listed: Vec<String> = names.map(|entry| entry.file_name().into_string().unwrap()).collect();
    // Without the one the list was read through.
    listed.into_iter().filter(|name| std::fs::read_link(format!("/proc/self/fd/{name}")).is_ok()).collect()
}

/// Whether this system lists descriptors as Linux does.
fn can_list() -> bool {
    let can = std::path::Path::new("/proc/self/fd").exists();
    if !can {
        println!("skipped: this system has no /proc/self/fd");
    }
    can
}

#[test]
fn a12_nothing_is_passed_on_to_a_program_started() {
    let _alone = alone();
    if !can_list() {
        return;
    }
    let listed = || {
        let output = Command::new("ls").arg("/proc/self/fd").output().unwrap();
        assert!(output.status.success());
        output.stdout
    };
    on_each(|mechanism| {
        let before = listed();
        let selector = selector::<OwnedFd>(mechanism);
        let _signal = Signal::watch(libc::SIGWINCH, selector.bell()).unwrap();
        assert_eq!(String::from_utf8(listed()), String::from_utf8(before), "on {mechanism}");
    });
}

#[test]
fn a11_no_descriptor_leaks_when_a_step_fails() {
    let _alone = alone();
    if !can_list() {
        return;
    }
    on_each(|mechanism| {
        let before = descriptors();
        let limit = getrlimit(Resource::Nofile);
        // Room for none, for one, for two … more descriptors, until it is enough.
        for room in 0..=4 {
            let lowest_free = (0..).filter(|number: &u64| !before.contains(&number.to_string())).nth(room);
            setrlimit(Resource::Nofile, Rlimit { current: lowest_free, maximum: limit.maximum }).unwrap();
            let made = Selector::<OwnedFd>::with(mechanism);
            setrlimit(Resource::Nofile, limit).unwrap();
            assert!(room > 0 || made.is_err());
            assert!(room < 4 || made.is_ok());
            if let Err(error) = &made {
                let cause = std::error::Error::source(error.get_ref().unwrap()).unwrap();
                let cause = cause.downcast_ref::<io::Error>().unwrap();
                assert_eq!(cause.raw_os_error(), Some(libc::EMFILE), "{error}");
            }
            drop(made);
            assert_eq!(descriptors().len(), before.len(), "on {mechanism} with room for {room}");
        }
    });
}

#[test]
fn a_limit_lowered_below_what_is_open_ends_no_selector() {
    let _alone = alone();
    on_each(|mechanism| {
        let mut selector = selector(mechanism);
        let mut far = Vec::new();
        let mut keys = Vec::new();
        for _ in 0..30 {
            let (near, other) = tcp_pair();
            keys.push(selector.register(near, Interest::READ, Mode::Level).unwrap());
            far.push(other);
        }
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(7), maximum: limit.maximum }).unwrap();
        let mut events = Events::default();
        let quiet = selector.select(&mut events, Some(Duration::from_millis(30)));
        let was_quiet = events.is_empty();
        far[29].write_all(b"x").unwrap();
        let told = selector.select(&mut events, Some(SOON));
        setrlimit(Resource::Nofile, limit).unwrap();
        quiet.unwrap();
        told.unwrap();
        assert!(was_quiet);
        let ready: Vec<Key> = events.iter().map(|event| event.key()).collect();
        assert_eq!(ready, [keys[29]], "on {mechanism}");
    });
}
